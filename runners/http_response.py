"""A target's answer, read within bounds: bytes on the wire, bytes after decoding, depth, numbers and characters.

Nothing here trusts the target: not its lengths, its coding or its charset. That it ends is the deadline's business.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpcore

from .answers import UNSTORABLE, AnswerInvalid, parse_json, scrubbed

ERROR_BODY_BYTES = 64 * 1024  # of an answer that is not a success
#: The only names of character sets that are obeyed.
_CHARSETS = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1", "windows-1252": "cp1252"}
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)
_JSON_TYPE = re.compile(r"application/([a-z0-9.+-]+\+)?json|text/json")


class AnswerTooLarge(Exception):
    """More bytes than allowed came, before or after decoding."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer. `truncated`: the body goes on, and was not read further."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False

    def header(self, name: str) -> str:
        """Return the first header of that lower-case name, or an empty text."""
        return next((value for found, value in self.headers if found == name), "")


async def read_answer(response: httpcore.Response, most: int) -> Answer:
    """Read the whole answer, at most `most` bytes; raise AnswerTooLarge or AnswerInvalid.

    Of an answer that is not a success only ERROR_BODY_BYTES are kept: people read it, programs do not.
    """
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
    head = Answer(response.status, headers, b"")
    success = 200 <= response.status < 300
    limit = most if success else min(most, ERROR_BODY_BYTES)
    body, whole = await _read(response.aiter_stream(), decoder(head.header("content-encoding")), limit)
    if success and not whole:
        raise AnswerTooLarge
    return Answer(response.status, headers, body, truncated=not whole)


async def _read(chunks: AsyncIterator[bytes], decode: Decoder, limit: int) -> tuple[bytes, bool]:
    """Return the decoded body, at most `limit` bytes, and whether that is all of it."""
    body, wire = bytearray(), 0
    async for chunk in chunks:
        wire += len(chunk)
        body += decode(chunk, limit + 1 - len(body))
        if wire > limit or len(body) > limit:
            return bytes(body[:limit]), False
    decode.finish()
    return bytes(body), True


# ---- content codings ------------------------------------------------------------------------------------------------


class Decoder:
    """No coding: the bytes as they are."""

    def __call__(self, chunk: bytes, most: int) -> bytes:
        """Return what `chunk` decodes to, but not more than `most` bytes."""
        return chunk[:most]

    def finish(self) -> None:
        """Raise AnswerInvalid unless the coded data came to its end."""


class Inflater(Decoder):
    """gzip or zlib, never producing more than asked: a bomb costs one buffer."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(47)  # 32 + 15: either header, largest window
        self._begun = False

    def __call__(self, chunk: bytes, most: int) -> bytes:
        """Return what `chunk` decodes to, but not more than `most` bytes."""
        self._begun = self._begun or bool(chunk)
        try:
            return self._inflate.decompress(chunk, most)
        except zlib.error:
            raise AnswerInvalid("is not the compressed data that it says it is") from None

    def finish(self) -> None:
        """Raise AnswerInvalid unless the compressed data is whole."""
        if self._begun and not self._inflate.eof:
            raise AnswerInvalid("ends in the middle of its compressed data")


def decoder(coding: str) -> Decoder:
    """Return the decoder of one Content-Encoding; raise AnswerInvalid for one that was not asked for."""
    match coding.strip().lower():
        case "" | "identity":
            return Decoder()
        case "gzip" | "x-gzip" | "deflate":
            return Inflater()
        case _:
            raise AnswerInvalid("has a Content-Encoding other than gzip or deflate")


# ---- content --------------------------------------------------------------------------------------------------------


def content(answer: Answer, clean: Callable[[str], str]) -> Any:
    """Return the body as JSON-able data, every text through `clean`; raise AnswerInvalid.

    JSON where the type says so, or where an object or a list stands in a body of another type; else
    {"body": text, "content_type": …} (base64 where it is not text); {} for no body at all.
    """
    kind = answer.header("content-type").partition(";")[0].strip().lower()
    if not answer.body.strip():
        return {}
    if _JSON_TYPE.fullmatch(kind):
        return scrubbed(parse_json(answer.body), clean)
    if answer.body.lstrip()[:1] in (b"{", b"["):
        try:
            return scrubbed(parse_json(answer.body), clean)
        except AnswerInvalid:
            pass
    return _as_text(answer, kind, clean)


def _as_text(answer: Answer, kind: str, clean: Callable[[str], str]) -> dict[str, Any]:
    text = text_of(answer)
    if text is None:
        encoded = base64.b64encode(answer.body).decode("ascii")
        return {"body": encoded, "content_type": clean(kind), "encoding": "base64"}
    return {"body": clean(UNSTORABLE.sub("\ufffd", text)), "content_type": clean(kind)}


def text_of(answer: Answer) -> str | None:
    """Return the body as text, None where it is not text in UTF-8 or in one of the few declared sets obeyed."""
    declared = _CHARSET.search(answer.header("content-type"))
    charset = _CHARSETS.get(declared[1].lower(), "utf-8") if declared else "utf-8"
    try:
        return answer.body.decode(charset)
    except UnicodeDecodeError:
        return None
