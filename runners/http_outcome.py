"""What an answer, or the lack of one, means for the job. Sentences are for a person; no exception text is passed on."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore

from ..core.contract import Failed, Outcome, Succeeded
from ..core.job import Category
from .answers import AnswerInvalid, one_line, retry_after
from .http_response import Answer, content, text_of

Clean = Callable[[str], str]

#: Retried without being told: request timeout, too early, throttled. Every 5xx is too.
_BUSY = (408, 425, 429)
EXCERPT = 200  # characters of an error body in a message
MOST_ERROR_OUTPUT = 16 * 1024  # bytes of an error body kept as data


def of_answer(answer: Answer, subject: str, retry_statuses: tuple[int, ...] | None, clean: Clean) -> Outcome:
    """Return the outcome of a complete answer. `subject` is the request's method and URL, safe to show."""
    if not 100 <= answer.status <= 599:
        return Failed(Category.INVALID_OUTPUT, f"HTTP status {answer.status} from {subject} does not exist")
    if not 200 <= answer.status < 300:
        return _of_status(answer, subject, retry_statuses, clean)
    try:
        return Succeeded(content(answer, clean))
    except AnswerInvalid as error:
        return Failed(Category.INVALID_OUTPUT, f"the answer to {subject} {error}")


def _of_status(answer: Answer, subject: str, retry_statuses: tuple[int, ...] | None, clean: Clean) -> Failed:
    busy = answer.status in _BUSY or answer.status >= 500
    retryable = busy if retry_statuses is None else answer.status in retry_statuses
    excerpt = one_line(clean(text_of(answer) or ""))[:EXCERPT]
    return Failed(
        category=Category.TARGET_UNAVAILABLE if busy else Category.TARGET_ERROR,
        message=f"HTTP status {answer.status} from {subject}" + (f": {excerpt}" if excerpt else ""),
        retryable=retryable,
        retry_after=retry_after(answer.header("retry-after"), time.time()) if retryable else None,
        output={"status_code": answer.status, "body": _error_body(answer, clean)},
    )


def _error_body(answer: Answer, clean: Clean) -> Any:
    try:
        if not answer.truncated and len(answer.body) <= MOST_ERROR_OUTPUT:
            return content(answer, clean)
    except AnswerInvalid:
        pass
    return one_line(clean(text_of(answer) or ""))[:MOST_ERROR_OUTPUT]


# ---- no answer ------------------------------------------------------------------------------------------------------


def of_error(error: Exception, subject: str, host: str) -> Failed:
    """Return the failure that a broken exchange is."""
    if isinstance(error, httpcore.TimeoutException):
        return Failed(Category.TIMEOUT, f"{subject}: no connection to {host} in time", retryable=True)
    if isinstance(error, httpcore.LocalProtocolError):
        return Failed(Category.INVALID_INPUT, f"{subject}: the request cannot be written as HTTP")
    return Failed(Category.TARGET_UNAVAILABLE, f"{subject}: {_reason(error, host)}", retryable=True)


def _reason(error: Exception, host: str) -> str:
    found = (_sentence(cause, host) for cause in _causes(error))
    return next(filter(None, found), f"{host} cannot be reached")


def _sentence(cause: BaseException, host: str) -> str:
    match cause:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {host} is not trusted ({one_line(cause.verify_message)})"
        case ssl.SSLError():
            return f"TLS with {host} failed ({one_line(cause.reason or 'no reason given').replace('_', ' ').lower()})"
        case ConnectionRefusedError():
            return f"{host} refused the connection"
        case httpcore.RemoteProtocolError():
            # What follows ": b" is the target's bytes, escaped: a secret in them would not be recognised.
            said = one_line(str(cause)).partition(": b")[0]
            return f"{host} broke off, or did not answer in valid HTTP ({said[:EXCERPT]})"
        case ConnectionResetError() | BrokenPipeError() | httpcore.ReadError() | httpcore.WriteError():
            return f"{host} broke the connection off"
        case _:
            return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the innermost cause first, and what it led to after it."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    return reversed(chain)
