"""A multipart/form-data body from a job's input: each field is a part, an object with `filename` a file. Pure.

A file is {filename, content} with text, or {filename, content_base64} with bytes, and may state its content_type. Lists
repeat their name, null is left out. Parts are written by httpx.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..core.contract import PlanError
from .http_headers import Headers

#: A media type with at most one parameter: nothing that could end the line.
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?[A-Za-z0-9_-]+=[A-Za-z0-9_.-]+)?")
_FILE_KEYS: Final = frozenset({"filename", "content", "content_base64", "content_type"})

#: As httpx takes a part: a file's name or None, its bytes, its media type or None.
Part = tuple[str | None, bytes, str | None]


def multipart_body(values: Mapping[str, Any]) -> tuple[Headers, bytes]:
    """Return the content type, with its boundary, and the bytes; raise PlanError for a value that is no part."""
    import httpx  # noqa: PLC0415 - planning any other body does not need it

    parts = [(name, part) for name, value in values.items() for part in _parts(name, value)]
    if not parts:
        raise PlanError("a multipart body needs at least one field of the input")
    kind = f"multipart/form-data; boundary={_boundary([content for _, (_, content, _) in parts])}"
    request = httpx.Request("POST", "http://unsent.invalid/", files=parts, headers={"Content-Type": kind})
    return (("Content-Type", kind),), request.read()


def _parts(name: str, value: object) -> Iterator[Part]:
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, Mapping):
            yield _file(name, item)
        elif isinstance(item, list | tuple):
            raise PlanError(f"{name!r} is a list of lists and cannot be parts of a form")
        elif item is not None:
            yield None, _encoded(item if isinstance(item, str) else json.dumps(item)), None


def _file(name: str, stated: Mapping[str, Any]) -> Part:
    """One file; both spellings of its content at once, or another key, would be a guess."""
    contents = [key for key in ("content", "content_base64") if key in stated]
    texts = all(isinstance(value, str) for value in stated.values())
    if not texts or "filename" not in stated or len(contents) != 1 or stated.keys() - _FILE_KEYS:
        raise PlanError(f"{name!r} is no file: write {{filename, content}} or {{filename, content_base64}}, as texts")
    kind = stated.get("content_type", "application/octet-stream")
    if not _MEDIA_TYPE.fullmatch(kind):
        raise PlanError(f"the content_type of {name!r} is no media type such as image/png")
    return stated["filename"], _content(name, contents[0], stated[contents[0]]), kind


def _content(name: str, key: str, text: str) -> bytes:
    if key == "content":
        return _encoded(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PlanError(f"the content_base64 of {name!r} is no base64") from None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise PlanError("the input holds half a surrogate pair, which no text has") from None


def _boundary(contents: list[bytes]) -> str:
    """The same for the same content, so that planning twice gives one plan; never within the content."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    boundary = digest.hexdigest()[:40]
    while any(boundary.encode("ascii") in content for content in contents):
        boundary = hashlib.sha256(boundary.encode("ascii")).hexdigest()[:40]
    return boundary
