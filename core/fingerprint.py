"""An error message with its variable parts removed, so that 4,000 failures group into 3."""

from __future__ import annotations

import hashlib
import re

#: Most specific first: a UUID must not be read as hex words, a timestamp not as numbers.
_VARIABLE_PARTS = (
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?"), "<address>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b"), "<hex>"),
    (re.compile(r"(['\"])(?:(?!\1).){1,200}\1"), "<text>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
    (re.compile(r"\s+"), " "),
)

#: Messages are stored whole; for grouping their head is enough, and it bounds the regular expressions' work.
_HEAD = 2000


def template(message: str) -> str:
    """Return `message` with ids, numbers, times, addresses and quoted values replaced by their kind."""
    text = message[:_HEAD]
    for pattern, kind in _VARIABLE_PARTS:
        text = pattern.sub(kind, text)
    return text.strip()


def fingerprint(service: str, operation: str, category: str, message: str) -> str:
    """Return the group that a failure belongs to: 12 hex digits over place, category and message template.

    HTTP status and exit codes are part of the category's meaning, so the three digits after "status" or "code" stay.
    """
    kept = " ".join(re.findall(r"(?:status|code|signal) (-?\d{1,3})\b", message[:_HEAD]))
    text = "\0".join((service.lower(), operation.lower(), category, kept, template(message)))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
