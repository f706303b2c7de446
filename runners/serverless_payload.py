"""What a function is sent: the operation's template filled with the input, or the input's `payload`, or the input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..core.contract import Call, PlanError
from ..core.template import fill_value, present

SHOWN_PAYLOAD: Final = 4096  # bytes; a larger one is described by its size
#: A longer key is sent as its SHA-256.
LONGEST_KEY: Final = 255  # characters


def payload_of(call: Call) -> Any:
    """Return the payload as JSON data; a field of the template that is only `{x}` is left out where x is not given."""
    if "payload" not in call.operation.mapping:
        return call.input.get("payload", call.input)
    template = call.operation.mapping["payload"]
    if isinstance(template, Mapping):
        return dict(present(tuple(template.items()), call.input))
    return fill_value(template, call.input)


def encoded(value: Any) -> bytes:
    """Return JSON bytes; raise PlanError for what JSON does not know."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict)
        return text.encode("utf-8")
    except (ValueError, TypeError, RecursionError):
        raise PlanError("the payload cannot be written as JSON: NaN, half a character, or too deep") from None
