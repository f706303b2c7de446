"""Options and ids on stdin made into a core Selector."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core import selector as read
from ..core.errors import NotFound, UsageError
from ..core.selector import Selector
from .options import Selection

if TYPE_CHECKING:
    from ..core.store.db import Connection

#: A shell's mistake, not a wish: `specql-jobs list | … | retry -` on a table of millions.
MOST_IDS = 100_000


def read_selector(selection: Selection) -> Selector:
    """Return the selector without its ids; raise UsageError for an empty or unknown word."""
    return Selector(
        status=read.parse_statuses(selection.status or ()),
        service=read.parse_words("--service", selection.service or ()),
        operation=read.parse_operations(selection.operation or ()),
        execution_type=read.parse_types(selection.type or ()),
        tenant=_tenants(selection.tenant or []),
        worker=read.parse_words("--worker", selection.worker or ()),
        category=read.parse_categories(selection.category or ()),
        fingerprint=_fingerprints(selection.fingerprint or []),
        correlation=read.parse_words("--correlation", selection.correlation or ()),
        error=_texts(selection.error or []),
        input=tuple(read.parse_input_match(text) for text in selection.input or ()),
        since=read.parse_moment(selection.since) if selection.since is not None else None,
        until=read.parse_moment(selection.until) if selection.until is not None else None,
    )


def _tenants(values: list[str]) -> read.Words:
    words = read.parse_words("--tenant", values)
    for word in (*words.wanted, *words.excluded):
        try:
            UUID(word)
        except ValueError:
            raise UsageError(f"--tenant {word!r} is not a UUID", hint="tenant ids look like job ids") from None
    return words


def _fingerprints(values: list[str]) -> read.Words:
    words = read.parse_words("--fingerprint", values)
    wanted, excluded = (tuple(word.removeprefix("f:") for word in part) for part in (words.wanted, words.excluded))
    return read.Words(wanted, excluded)


def _texts(values: list[str]) -> tuple[str, ...]:
    if any(not value.strip() for value in values):
        raise UsageError("--error is empty", hint="leave --error out, or give it a text")
    return tuple(values)


# ---- ids -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids as typed: whole ones, and prefixes that only the database can complete."""

    whole: tuple[UUID, ...]
    prefixes: tuple[str, ...] = ()
    from_stdin: bool = False

    def __bool__(self) -> bool:
        return bool(self.whole or self.prefixes or self.from_stdin)


def read_ids(texts: list[str] | None, *, prefixes: bool = False) -> Ids:
    """Return the ids that were typed, `-` meaning stdin; raise UsageError for a malformed one."""
    texts = texts or []
    if "-" in texts and len(texts) > 1:
        raise UsageError("- and ids together", hint="give ids, or - alone to read them from stdin")
    words = list(_stdin_ids()) if texts == ["-"] else texts
    short = tuple(word for word in words if prefixes and _is_prefix(word))
    whole = tuple(dict.fromkeys(read.parse_id(word) for word in words if word not in short))
    return Ids(whole, short, from_stdin=texts == ["-"])


def _is_prefix(word: str) -> bool:
    digits = word.strip().replace("-", "")
    return read.SHORTEST_PREFIX <= len(digits) < 32 and all(each in "0123456789abcdefABCDEF" for each in digits)


def _stdin_ids() -> Iterator[str]:
    """Ids on stdin: separated by white space, or JSON lines with an `id`."""
    count = 0
    for line in sys.stdin:
        for word in _line_ids(line):
            count += 1
            if count > MOST_IDS:
                raise UsageError(f"more than {MOST_IDS} ids on stdin", hint="use selectors instead of ids")
            yield word


def _line_ids(line: str) -> list[str]:
    if not line.lstrip().startswith("{"):
        return line.split()
    try:
        return [str(json.loads(line)["id"])]
    except (ValueError, KeyError, RecursionError):
        raise UsageError(
            "a line on stdin is JSON without an id", hint="one id, or one object with `id`, a line"
        ) from None


async def complete(connection: Connection, ids: Ids) -> tuple[UUID, ...]:
    """Return whole ids, completing unique prefixes; raise NotFound or UsageError for the others."""
    from ..core.store import report  # noqa: PLC0415 - psycopg, once a connection is there anyway

    found = list(ids.whole)
    for prefix in ids.prefixes:
        matches = await report.ids_between(connection, *read.prefix_bounds(prefix))
        if not matches:
            raise NotFound(
                f"no job's id begins with {prefix}", code="E301", name="job-unknown", hint="specql-jobs list"
            )
        if len(matches) > 1:
            raise UsageError(f"more than one job's id begins with {prefix}", hint="type more of it")
        found += matches
    return tuple(dict.fromkeys(found))


def as_record(selector: Selector, limit: int | None) -> dict[str, Any]:
    """Return a selector as the ledger keeps it: what was asked and nothing else, `!word` for what was excluded."""
    record: dict[str, Any] = {}
    for each in fields(selector):
        value = getattr(selector, each.name)
        if value and each.name != "ids":
            record[each.name] = _recorded(value)
    return record | ({"ids": len(selector.ids)} if selector.ids else {}) | ({"limit": limit} if limit else {})


def _recorded(value: Any) -> Any:
    match value:
        case read.Words():
            return [*value.wanted, *(f"!{word}" for word in value.excluded)]
        case read.Moment():
            return value.at.isoformat() if value.at else f"{value.ago_seconds}s ago"
        case _:
            return [each.as_json if isinstance(each, read.InputMatch) else each for each in value]
