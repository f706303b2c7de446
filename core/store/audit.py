"""The audit trail as people read it: events selected, and every chain checked link by link. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..selector import Moment, Words
from .db import Connection
from .report import Page
from .statements import Questions, Row

#: What a link can be, other than whole; the words of `audit verify`.
BREAKS = {
    "link_missing": "the link before it is not there",
    "link_changed": "it does not follow the link before it",
    "event_missing": "events that it covers are not there",
    "event_added": "it covers events that were not there when it was made",
    "event_changed": "its events are not what they were when it was made",
    "head_moved": "the chain was cut: its head is not its last link",
    "event_unlinked": "events that no link covers were written past the trigger",
    "chain_missing": "another chain saw it, and it is not there any more",
    "head_unknown": "the hash that was logged is in no chain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSelector:
    """Which events are meant. Fields AND together; an empty one means every event."""

    ids: tuple[UUID, ...] = ()
    service: Words = field(default_factory=Words)
    operation: Words = field(default_factory=Words)
    outcome: Words = field(default_factory=Words)
    worker: Words = field(default_factory=Words)
    since: Moment | None = None
    until: Moment | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the selector as the queries' parameters; None asks nothing."""
        found: dict[str, Any] = {"ids": list(self.ids) or None}
        for name in ("service", "operation", "outcome"):
            found |= _words(name, getattr(self, name), lower=True)
        found |= _words("worker", self.worker, lower=False)
        for name, moment in (("since", self.since), ("until", self.until)):
            found[f"{name}_at"] = moment.at if moment else None
            found[f"{name}_ago"] = moment.ago_seconds if moment else None
        return found


def _words(name: str, words: Words, *, lower: bool) -> dict[str, Any]:
    wanted, excluded = ([word.lower() if lower else word for word in part] for part in (words.wanted, words.excluded))
    return {name: wanted or None, f"not_{name}": excluded or None}


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold. `seq` is the link's number, None where no link is to blame."""

    chain: str
    seq: int | None
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain that was checked. `head` is the hash of its last link, in hex."""

    name: str
    links: int
    events: int
    head: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the whole trail found; no breaks means that it is as it was written."""

    chains: tuple[Chain, ...]
    breaks: tuple[Break, ...]


_rows = Questions("audit.sql", spliced="chosen").rows


async def list_events(connection: Connection, selector: EventSelector, limit: int | None) -> Page:
    """Return the newest selected events and the number of all; `limit` None means every one."""
    given = selector.parameters()
    rows = await _rows(connection, "list_events", given | {"limit": limit})
    if limit is None or len(rows) < limit:
        return Page(rows, len(rows))
    total = await _rows(connection, "count_events", given)
    return Page(rows, int(total[0]["total"]))


async def verify(connection: Connection, known: Sequence[str] = ()) -> Verdict:
    """Check every chain, as of one moment, and that each hash of `known` is still in one."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        chains = await _rows(connection, "chains")
        unlinked = await _rows(connection, "unlinked")
        lost = await _rows(connection, "lost_anchors")
        unknown = await _rows(connection, "known_heads", {"hashes": list(known)}) if known else []
    breaks = [
        *(found for row in chains if (found := _break(row)) is not None),
        *(
            Break(row["chain"], None, "event_unlinked", f"{row['events']} from id {row['first_id']}")
            for row in unlinked
        ),
        *_lost(lost, {row["chain"] for row in chains if _break(row) is not None}),
        *(Break("", None, "head_unknown", row["hash"]) for row in unknown),
    ]
    return Verdict(tuple(Chain(r["chain"], r["links"], r["events"], r["head"]) for r in chains), tuple(breaks))


def _break(row: Row) -> Break | None:
    if row["broken_seq"] is not None:
        return Break(row["chain"], row["broken_seq"], row["broken"], _covered(row))
    if (row["last_seq"], row["head"]) != (row["kept_seq"], row["kept_hash"]):
        there = f"{row['links']} links are there, the head is number {row['kept_seq']}"
        return Break(row["chain"], row["last_seq"], "head_moved", there)
    return None


def _covered(row: Row) -> str:
    return (
        f"events {row['first_id']} to {row['last_id']}: {row['broken_events']} were written, {row['present']} are there"
    )


def _lost(rows: Sequence[Row], reported: set[str]) -> Iterator[Break]:
    """A chain that is reported already is not reported again by those that saw it whole."""
    for row in rows:
        if row["chain"] not in reported:
            yield Break(row["chain"], row["seq"], "chain_missing", f"seen by {row['seen_by']}")
