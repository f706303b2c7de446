"""Bodies and query pairs from a job's input. Pure; what cannot be written as asked is a PlanError."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from ..core.contract import PlanError
from ..core.template import fill_value, present
from .http_headers import Headers
from .http_multipart import multipart_body


def query_text(items: tuple[tuple[str, Any], ...], values: Mapping[str, Any]) -> str:
    """Return the query of a mapping filled with input, every name and value percent-encoded."""
    return urlencode(tuple(_flat(present(items, values))), quote_via=quote, safe="")


def _flat(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield name and text; a list repeats its name, null is left out."""
    for name, value in items:
        for item in value if isinstance(value, list | tuple) else (value,):
            if item is not None:
                yield name, _scalar(name, item)


def _scalar(name: str, value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        raise PlanError(f"{name!r} is an object or a list of lists and cannot be one form or query value")
    return value if isinstance(value, str) else json.dumps(value)


def planned_body(body: Any, values: Mapping[str, Any]) -> tuple[Headers, bytes]:
    """Return the content type and bytes of a body, by its kind or payload template."""
    if isinstance(body, str) and body in _KINDS:
        return _KINDS[body](values)
    if isinstance(body, Mapping):
        return json_body(dict(present(tuple(body.items()), values)))
    return json_body(fill_value(body, values))


def _form(values: Mapping[str, Any]) -> tuple[Headers, bytes]:
    text = urlencode(tuple(_flat(values.items())))
    return (("Content-Type", "application/x-www-form-urlencoded"),), text.encode("ascii")


def json_body(value: object) -> tuple[Headers, bytes]:
    """Return a value as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise PlanError("the input has NaN or an infinite number, which JSON does not know") from None
    return (("Content-Type", "application/json"),), text.encode("utf-8")


def text_body(value: object) -> tuple[Headers, bytes]:
    """Return a text as it is."""
    if not isinstance(value, str):
        raise PlanError("a raw body takes the input field 'body', as text")
    return (("Content-Type", "text/plain; charset=utf-8"),), value.encode("utf-8")


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[Headers, bytes]]]] = {
    "json": lambda values: json_body(dict(values)),
    "form": _form,
    "multipart": multipart_body,
    "raw": lambda values: text_body(values.get("body")),
    "none": lambda _: ((), b""),
}
BODY_KINDS: Final = tuple(_KINDS)
