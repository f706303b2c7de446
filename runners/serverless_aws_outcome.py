"""What Lambda's answer, its error, or the lack of one means for the job, and what the invocation used and cost."""

from __future__ import annotations

import base64
import binascii
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.contract import Failed, JobResult, LogChunk, Outcome, Succeeded
from ..core.job import Category
from .answers import UNSTORABLE, AnswerInvalid, one_line, parse_json, scrubbed
from .aws_errand import Stopped
from .aws_refusals import refusal, status_of
from .serverless_aws_plan import AwsPlan
from .serverless_config import LARGEST_MEMORY
from .wire import WireBroken

Clean = Callable[[str], str]

EXCERPT: Final = 300  # characters of the function's own error message

#: The platform's last line for one request: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html .
_REPORT = re.compile(
    r"^REPORT RequestId: (?P<request>\S+)\s+Duration: [0-9.]+ ms\s+Billed Duration: (?P<billed>[0-9]+) ms\s+"
    r"Memory Size: (?P<size>[0-9]+) MB\s+Max Memory Used: (?P<used>[0-9]+) MB",
    re.MULTILINE,
)


@dataclass(slots=True)
class Tally:
    """What is known of one invocation's use. `invoked`: the platform may have run the function and bill it."""

    begun: float = field(default_factory=time.monotonic)
    invoked: bool = False
    status: int | None = None
    billed_ms: int | None = None
    memory_mb: int | None = None
    peak_memory_mb: int | None = None

    def usage(self, plan: AwsPlan) -> dict[str, Any]:
        """Return the keys of `resource_usage` that Lambda knows; without its report, time and cost are estimates."""
        seconds = time.monotonic() - self.begun
        billed = self.billed_ms if self.billed_ms is not None else math.ceil(seconds * 1000)
        memory = self.memory_mb or plan.spec.memory_mb or LARGEST_MEMORY
        known = {"status_code": self.status, "memory_mb": self.memory_mb, "peak_memory_mb": self.peak_memory_mb}
        if not self.invoked:
            spent = {"billed_ms": 0, "cost_usd": 0.0}
        elif plan.spec.event:
            spent = {}  # nobody reports it: what was reserved stands
        else:
            spent = {"billed_ms": billed, "cost_usd": plan.spec.prices.cost(billed / 1000, memory)}
        return {"duration_seconds": round(seconds, 6)} | {k: v for k, v in known.items() if v is not None} | spent

    def read_report(self, request_id: str, tail: str) -> None:
        """Take the numbers of the last report on this request: what the function itself prints stands before it."""
        for match in _REPORT.finditer(tail):
            if match["request"] == request_id:
                numbers = (int(match[key]) for key in ("billed", "size", "used"))
                self.billed_ms, self.memory_mb, self.peak_memory_mb = numbers


def of_answer(plan: AwsPlan, answer: Mapping[str, Any], tally: Tally, clean: Clean) -> JobResult:
    """Return the result of an invocation that the API took."""
    meta = answer["ResponseMetadata"]
    tally.invoked, tally.status = True, int(meta["HTTPStatusCode"])
    request_id = str(meta.get("RequestId") or "")
    if plan.spec.event:
        return JobResult(Succeeded({"request_id": request_id, "status_code": tally.status}), tally.usage(plan))
    tail = _tail(answer.get("LogResult"))
    tally.read_report(request_id, tail)
    outcome = of_payload(plan, answer["Payload"].read(), str(answer.get("FunctionError") or ""), clean)
    return JobResult(outcome, tally.usage(plan), _log(tail, clean))


def of_payload(plan: AwsPlan, body: bytes, function_error: str, clean: Clean) -> Outcome:
    """Return what the function itself said."""
    try:
        said = scrubbed(parse_json(body), clean) if body.strip() else None
    except AnswerInvalid as error:
        return Failed(Category.INVALID_OUTPUT, f"the answer of {plan.spec.function} {error}")
    return of_function_error(plan, function_error, said) if function_error else Succeeded(said)


def of_function_error(plan: AwsPlan, kind: str, said: Any) -> Failed:
    """Return the failure of a function that ran and reported one, or broke (Unhandled)."""
    fields = said if isinstance(said, Mapping) else {}
    name, text = (one_line(str(fields.get(key) or ""))[:EXCERPT] for key in ("errorType", "errorMessage"))
    category = Category.TARGET_ERROR
    if name == "Sandbox.Timedout" or re.search(r"Task timed out after [0-9.]+ seconds", text):
        category = Category.TIMEOUT
    elif name == "Runtime.OutOfMemory" or "signal: killed" in text:
        category = Category.RESOURCE_EXHAUSTED
    how = f"{name}: {text}" if name and text else name or text or "no details"
    message = f"the function {plan.spec.function} failed: {how}"
    return Failed(category, message, retryable=kind != "Handled", output=said)


def _tail(encoded: object) -> str:
    try:
        return base64.b64decode(str(encoded or ""), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _log(tail: str, clean: Clean) -> tuple[LogChunk, ...]:
    """The last 4 KiB that the function and its platform wrote; more there is not."""
    text = clean(UNSTORABLE.sub("\ufffd", tail))
    return (LogChunk("stdout", text, truncated=not tail.startswith("START RequestId")),) if text.strip() else ()


# ---- no answer ------------------------------------------------------------------------------------------------------


def of_error(plan: AwsPlan, error: Exception, tally: Tally) -> Outcome:
    """Return what an errand that failed is; raise what is none of AWS's or the network's errors."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - botocore is there by now
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - the same

    match error:
        case WireBroken():
            tally.invoked = error.sent
            return _named(plan, error.outcome) if isinstance(error.outcome, Failed) else error.outcome
        case ClientError():
            return _of_code(plan, error.response, tally)
        case BotoCoreError() | ResponseParserError():
            # Its texts may quote what was sent.
            return Failed(Category.INFRASTRUCTURE, f"boto3 cannot invoke {plan.spec.function}: {type(error).__name__}")
        case _:
            raise error


def _named(plan: AwsPlan, failed: Failed) -> Failed:
    message = failed.message.replace("max_response_size", f"what {plan.spec.function} may answer, max_response_size")
    return Failed(failed.category, message, failed.retryable, failed.retry_after)


def _of_code(plan: AwsPlan, response: Mapping[str, Any], tally: Tally) -> Failed:
    tally.status = status_of(response) or None
    return refusal(response, f"AWS did not invoke {plan.spec.function} in {plan.spec.region}")


__all__ = ["Stopped", "Tally", "of_answer", "of_error", "of_function_error", "of_payload"]
