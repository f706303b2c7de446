"""Secrets: references in the registry, values at the last moment, and their removal from everything that is kept.

A plan holds a SecretRef; only `execute` asks for the value; every value that was handed out is redacted from messages,
logs and outputs. Transformed copies (hex, reversed) cannot be caught.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .errors import Denied

#: Shorter values would make redaction eat ordinary words.
SHORTEST_REDACTED = 6
MASK = "•••"
#: A secret is a token or a key, not a document.
LARGEST_SECRET = 65536  # bytes


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is found: kind "env" and a variable's name, or kind "file" and a path."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Secrets:
    """Resolves references and remembers what to redact. One per worker or command."""

    def __init__(self, extra: dict[str, str] | None = None) -> None:
        """`extra` holds variables from an env file; they win over the process environment."""
        self._extra = dict(extra or {})
        self._forms: set[str] = set()
        self._ordered: tuple[str, ...] = ()

    def resolve(self, ref: SecretRef) -> str:
        """Return the secret's value; raise Denied, naming the reference only, when there is none."""
        value = self._read_env(ref.name) if ref.kind == "env" else _read_file(ref.name)
        if not value:
            raise Denied(
                f"secret {ref} is not set on this host", code="E410", name="secret-missing", hint=_how_to_set(ref)
            )
        self.protect(value)
        return value

    def hold(self, name: str, value: str) -> None:
        """Keep a credential that was only obtained while executing (a token) as the variable `name`; redact it."""
        self._extra[name] = value
        self.protect(value)

    def is_set(self, ref: SecretRef) -> bool:
        """Whether the secret could be resolved; its value is not kept."""
        return bool(self._read_env(ref.name)) if ref.kind == "env" else Path(ref.name).is_file()

    def protect(self, value: str) -> None:
        """Redact `value` and its encoded forms from now on."""
        if len(value) >= SHORTEST_REDACTED:
            self._forms |= _forms(value)
            self._ordered = tuple(sorted(self._forms, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return `text` with every known secret replaced by a mask."""
        for form in self._ordered:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def _read_env(self, name: str) -> str:
        return self._extra.get(name) or os.environ.get(name, "")


def _forms(value: str) -> set[str]:
    """The value as it may appear: plain, percent-encoded, JSON-escaped, base64 at each of three alignments."""
    raw = value.encode("utf-8", "surrogateescape")
    found = {value, quote(raw, safe=""), json.dumps(value)[1:-1]}
    for shift in range(3):
        # The first and last characters mix in neighbouring bytes; the middle is the same wherever the value stands.
        encoded = base64.b64encode(b"\0" * shift + raw).decode("ascii").rstrip("=")
        middle = encoded[(4 if shift else 0) : len(encoded) - 1]
        found.add(middle)
    return {form for form in found if len(form) >= SHORTEST_REDACTED}


def _read_file(name: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > LARGEST_SECRET:
            return ""
        return path.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        return ""


def _how_to_set(ref: SecretRef) -> str:
    if ref.kind == "env":
        return f"set {ref.name} in the environment of the worker, or pass --env-file"
    return f"write the secret to {ref.name}, readable by the worker (at most {LARGEST_SECRET} bytes)"
