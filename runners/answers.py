"""What other machines say, made safe to keep: strict JSON within bounds, text on one line, Retry-After as seconds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

#: Deeper data is an attack or a mistake; Postgres and JSON parsers elsewhere give up at about 1,000.
DEEPEST = 128
LONGEST_WAIT = 86_400.0  # seconds; the retry policy bounds it further
#: What Postgres cannot store.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


class AnswerInvalid(Exception):
    """The answer is not what it says it is; the message completes "the answer …"."""


def parse_json(body: bytes) -> Any:
    """Return strict JSON within bounds; raise AnswerInvalid for NaN, infinities, over-long numbers and deep nesting."""
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise AnswerInvalid("says that it is JSON and is not UTF-8") from None
    except RecursionError:
        raise AnswerInvalid(f"is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        # json's own sentence has positions and no content; int's (over 4,300 digits) has neither.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long or not finite"
        raise AnswerInvalid(f"is not valid JSON: {reason}") from None
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise AnswerInvalid(f"is nested deeper than {DEEPEST} levels")
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]


def scrubbed(value: Any, clean: Callable[[str], str]) -> Any:
    """Return JSON data with every text cleaned, and with what Postgres cannot store replaced."""
    if isinstance(value, str):
        return clean(UNSTORABLE.sub("\ufffd", value))
    if isinstance(value, dict):
        return {scrubbed(key, clean): scrubbed(item, clean) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, clean) for item in value]
    return value


def one_line(text: str) -> str:
    """Return `text` with control and direction characters as spaces: nothing in it can move a terminal's cursor."""
    return _CONTROL.sub(" ", text).strip()


def retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number, or an HTTP date), None for anything else."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:10]), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None
