"""What fails: failures between two moments, by fingerprint or by any field, beside the window before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ..errors import UsageError
from ..selector import Moment, Selector
from . import selection
from .counting import ALIASES, Tally, as_tally, grouped
from .db import Connection, queries, translate

Row = dict[str, Any]

#: The failure's own columns: in the text of a selector over attempts, `j.` of these becomes `a.`.
_OF_THE_ATTEMPT = re.compile(r"\bj\.(worker_id|error_category|error_message|fingerprint)\b")


@dataclass(frozen=True, slots=True)
class Window:
    """Failures after `since` up to `until` are meant; they are held against those after `before` up to `since`."""

    before: datetime
    since: datetime
    until: datetime
    now: datetime  # the database's


@dataclass(frozen=True, slots=True)
class Group:
    """Failures that read alike. `failed` and `retrying` count the jobs whose last error this is."""

    fingerprint: str | None  # None: of a program that is not ours, grouped by operation and category
    failures: int
    previous: int  # failures in the window before
    jobs: int
    failed: int
    retrying: int
    tenants: int
    workers: int
    first_at: datetime
    last_at: datetime
    operations: tuple[str, ...]
    sample: Row  # the newest: id, category, message, status_code, exit_code


@dataclass(frozen=True, slots=True)
class Failures:
    """The groups with the most failures, and what all of them add up to."""

    window: Window
    groups: list[Group]
    all_groups: int = 0
    failures: int = 0
    failed: int = 0
    retrying: int = 0


async def window(connection: Connection, since: Moment, until: Moment | None) -> Window:
    """Return the window on the database's clock; raise UsageError when it is empty."""
    until = until or Moment()
    given = {"since_at": since.at, "since_ago": since.ago_seconds, "until_at": until.at, "until_ago": until.ago_seconds}
    (row,) = await _fetched(connection, queries("failures.sql")["moments"], given)
    if row["since"] >= row["until"]:
        raise UsageError("--since is not before --until", hint="--since 2h --until 1h is the hour before the last")
    return Window(row["before"], row["since"], row["until"], row["database_now"])


async def groups(connection: Connection, selector: Selector, meant: Window, limit: int | None) -> Failures:
    """Return what fails by fingerprint, the most failures first. The selector's own times are not asked."""
    text = queries("failures.sql")["groups"].replace("{failures}", _source())
    given = _given(selector, meant.before, meant.until) | {"since": meant.since, "limit": limit}
    rows = await _fetched(connection, text, given)
    if not rows:
        return Failures(meant, [])
    samples = await _samples(connection, rows)
    found = [_group(row, samples[row["sample_id"], row["fingerprint"]]) for row in rows]
    first = rows[0]
    return Failures(
        meant, found, first["all_groups"], first["all_failures"], first["all_failed"], first["all_retrying"]
    )


async def tally(
    connection: Connection, selector: Selector, meant: Window, fields: Sequence[str], limit: int | None
) -> Tally:
    """Return the number of failures by fields, of counting.EXPRESSIONS; status and correlation are the jobs' own."""
    given = _given(selector, meant.since, meant.until) | {"limit": limit, "aliases": ALIASES}
    return as_tally(await _fetched(connection, grouped(_source(), fields), given), fields)


def _source() -> str:
    words = selection.words()
    text = queries("failures.sql")["failures"]
    text = text.replace("{words_of_attempts}", _OF_THE_ATTEMPT.sub(r"a.\1", words)).replace("{words}", words)
    return f"({text})"


def _given(selector: Selector, begin: datetime, until: datetime) -> Row:
    return replace(selector, since=None, until=None).parameters() | {"from": begin, "until": until}


def _group(row: Row, sample: Row) -> Group:
    own = (
        "fingerprint",
        "failures",
        "previous",
        "jobs",
        "failed",
        "retrying",
        "tenants",
        "workers",
        "first_at",
        "last_at",
    )
    return Group(**{key: row[key] for key in own}, operations=tuple(row["operations"]), sample=sample)


async def _samples(connection: Connection, rows: Sequence[Row]) -> dict[tuple[UUID, str | None], Row]:
    given = {
        "ids": [row["sample_id"] for row in rows],
        "fingerprints": [row["fingerprint"] for row in rows],
        "ats": [row["sample_at"] for row in rows],
    }
    found = await _fetched(connection, queries("failures.sql")["samples"], given)
    return {(row["id"], row["fingerprint"]): row for row in found}


async def _fetched(connection: Connection, text: str, given: Row) -> list[Row]:
    try:
        return await (await connection.execute(text.encode(), given)).fetchall()
    except psycopg.Error as error:
        raise translate(error) from None
