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


#: An image where a runner or an engine names one; its digest is read by its first digits.
_IMAGE = re.compile(
    r"(?P<before>\b(?:image:?|docker pull|manifest for|access denied for) )(?P<quote>['\"]?)"
    r"(?P<image>[\w.-]+(?::\d+)?(?:/[\w.-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{7,64})?)(?P=quote)"
)
_DIGEST = re.compile(r"(@sha256:[0-9a-f]{12})[0-9a-f]+")
_KEPT = "\ue000"  # stands for an image while the rest is made a template


def readable(message: str) -> str:
    """Return the template for people: images keep their names and tags, for these are what is wrong or is not."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        if not re.search(r"[:/@]", found["image"]):  # a word: "the image cannot …"
            return found[0]
        kept.append(_DIGEST.sub(r"\1…", found["image"]))
        return found["before"] + _KEPT

    text = template(_IMAGE.sub(keep, message[:_HEAD].replace(_KEPT, "")))
    for image in kept:
        text = text.replace(_KEPT, image, 1)
    return text


def fingerprint(service: str, operation: str, category: str, message: str) -> str:
    """Return the group that a failure belongs to: 12 hex digits over place, category and message template.

    HTTP status and exit codes are part of the category's meaning, so the three digits after "status" or "code" stay.
    """
    kept = " ".join(re.findall(r"(?:status|code|signal) (-?\d{1,3})\b", message[:_HEAD]))
    text = "\0".join((service.lower(), operation.lower(), category, kept, template(message)))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
