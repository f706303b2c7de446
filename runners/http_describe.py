"""A planned request for people: as data, and as a curl line to paste. Secrets by name only."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..core.secrets import MASK
from .http_auth import Auth
from .http_credentials import curl_arguments, masked
from .http_headers import merged, sensitive
from .http_request import PlannedRequest

SHOWN_BODY = 4096  # bytes; a larger one is described by its size


def shown_headers(request: PlannedRequest, auth: Auth | None) -> dict[str, str]:
    """Return the headers as they will be sent, with a mask for each value that proves something."""
    own = tuple((name, MASK if sensitive(name) else value) for name, value in request.headers)
    return dict(merged(own, masked(auth)))


def shown_body(request: PlannedRequest) -> Any:
    """Return a small body as data, None where there is none or it is too large to show."""
    if not request.body or len(request.body) > SHOWN_BODY:
        return None
    text = request.body.decode("utf-8", "replace")
    return json.loads(text) if _content_type(request) == "application/json" else text


def curl_line(request: PlannedRequest, auth: Auth | None, timeout_seconds: float) -> str:
    """Return the command that makes the same request by hand; a large body is read from ./body."""
    parts = ["curl", "--globoff", "--max-time", f"{timeout_seconds:g}", "-X", request.method]
    proven = {name.lower() for name, _ in masked(auth)}
    for name, value in request.headers:
        if name.lower() not in proven:
            parts += ["-H", shlex.quote(f"{name}: {MASK if sensitive(name) else value}")]
    parts += [*curl_arguments(auth), *_curl_body(request), shlex.quote(str(request.url))]
    return " ".join(parts)


def _curl_body(request: PlannedRequest) -> list[str]:
    if not request.body:
        return []
    if len(request.body) > SHOWN_BODY:
        return ["--data-binary", "@body"]
    return ["--data-raw", shlex.quote(request.body.decode("utf-8", "replace"))]


def _content_type(request: PlannedRequest) -> str:
    found = (value for name, value in request.headers if name.lower() == "content-type")
    return next(found, "").partition(";")[0].strip().lower()
