"""Schedules in the database: who decides about them, which tick was done last, and the job that a tick makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from ..job import ExecutionType, folded
from ..registry.frozen import thaw
from ..registry.model import Operation, Schedule, Service
from ..ticks import tick_key
from .db import Connection, is_the_data, queries, translate

#: Service, operation and name of a schedule, in lower case.
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One schedule of a registry with what its jobs need; the digest tells it from another version of itself."""

    place: Place
    service: str
    operation: str
    execution_type: ExecutionType
    schedule: Schedule
    expression: str
    input: str  # JSON text
    digest: str

    @property
    def words(self) -> str:
        """What people call it: SERVICE.OPERATION NAME."""
        return f"{self.service}.{self.operation} {self.schedule.name}"

    @classmethod
    def of(cls, service: Service, operation: Operation, schedule: Schedule) -> Entry:
        """Return the entry of one operation's schedule."""
        document = json.dumps(thaw(schedule.input), ensure_ascii=False, sort_keys=True)
        parts = (schedule.cron, schedule.timezone, document, schedule.tenant_id, schedule.priority)
        meaning = "\0".join(map(str, (*parts, schedule.on_missed, schedule.skip_overlap, service.execution_type)))
        return cls(
            place=(folded(service.name), folded(operation.name), folded(schedule.name)),
            service=service.name,
            operation=operation.name,
            execution_type=service.execution_type,
            schedule=schedule,
            expression=f"{schedule.cron} {schedule.timezone}",
            input=document,
            digest=hashlib.sha256(meaning.encode()).hexdigest(),
        )


def entries_of(services: Iterable[Service]) -> Iterator[Entry]:
    """Yield every schedule of these services, enabled or not."""
    return (Entry.of(s, o, each) for s in services for o in s.operations.values() for each in o.schedules)


@dataclass(frozen=True, slots=True)
class Due:
    """A tick of a schedule that is to be done."""

    entry: Entry
    tick: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a tick that was asked for: the words are in schedules.sql. `last_tick` is as it was before."""

    place: Place
    job_id: UUID | None
    last_tick: datetime | None
    outcome: str
    at: datetime  # when, by the database's clock


class TickRefused(Exception):
    """The database refuses a job of these ticks, as a constraint or trigger of somebody's may; the text says why."""


async def tell_registry(connection: Connection, worker_id: str, registry: str) -> None:
    """Say which registry a worker has: whether others may take its schedules over depends on it."""
    await _rows(connection, "tell_registry", {"worker_id": worker_id, "registry": registry})


async def take(
    connection: Connection, entries: Sequence[Entry], served: Sequence[str], registry: str
) -> dict[Place, datetime]:
    """Decide about schedules from now on; return the last tick of each. Others of the services `served` are gone."""
    parameters = {
        **_places(entries),
        "expressions": [each.expression for each in entries],
        "digests": [each.digest for each in entries],
        "served": list(served),
        "registry": registry,
    }
    return {(row[0], row[1], row[2]): row[3] for row in await _rows(connection, "take", parameters)}


async def tick(connection: Connection, due: Sequence[Due]) -> list[Done]:
    """Do ticks, one of a schedule at most; each makes one job at most, whoever else asks. Raise TickRefused."""
    entries = [each.entry for each in due]
    parameters = {
        **_places(entries),
        "digests": [each.digest for each in entries],
        "ticks": [each.tick for each in due],
        "service_words": [each.service for each in entries],
        "operation_words": [each.operation for each in entries],
        "types": [each.execution_type.value for each in entries],
        "inputs": [each.input for each in entries],
        "priorities": [each.schedule.priority for each in entries],
        "keys": [_key(each) for each in due],
        "tenants": [each.schedule.tenant_id for each in entries],
        "skips": [each.schedule.skip_overlap for each in entries],
    }
    try:
        rows = await _rows(connection, "tick", parameters)
    except psycopg.Error as error:
        if is_the_data(error):
            raise TickRefused(translate(error).message) from None
        raise
    return [Done((row[0], row[1], row[2]), *row[3:]) for row in rows]


async def clock(connection: Connection) -> datetime:
    """Return what time it is in the database."""
    return (await _rows(connection, "clock", {}))[0][0]  # type: ignore[no-any-return] # one row of one timestamptz


async def known(connection: Connection) -> dict[Place, dict[str, Any]]:
    """Return every schedule that a worker has ever loaded, with its last tick and job; raise in our words."""
    try:
        cursor = await connection.execute(queries("schedules.sql")["known"].encode())
        rows = await cursor.fetchall()
    except psycopg.Error as error:
        raise translate(error) from None
    return {(row["service_name"], row["operation"], row["name"]): row for row in rows}


async def paused(connection: Connection, entries: Sequence[Entry]) -> dict[Place, dict[str, Any]]:
    """Return the pause that keeps each of these schedules' jobs back, where there is one; raise in our words."""
    parameters = {
        **_places(entries),
        "types": [each.execution_type.value for each in entries],
        "tenants": [each.schedule.tenant_id for each in entries],
    }
    try:
        rows = await _rows(connection, "paused", parameters)
    except psycopg.Error as error:
        raise translate(error) from None
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _key(due: Due) -> str:
    service, operation, name = due.entry.place
    return tick_key(f"{service}.{operation}", name, due.tick)


def _places(entries: Sequence[Entry]) -> dict[str, list[str]]:
    names = ("services", "operations", "names")
    return {name: [each.place[index] for each in entries] for index, name in enumerate(names)}


async def _rows(connection: Connection, name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(queries("schedules.sql")[name].encode(), parameters)
        return await cursor.fetchall() if cursor.description else []
