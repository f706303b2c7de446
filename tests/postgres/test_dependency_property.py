"""Random graphs of jobs, run by a real worker: every job ends as the rules say, whatever the graph and its timing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.queue import Queue, queue

from specql_jobs.core.job import DependencyFailure, NewJob
from specql_jobs.core.store.store import new_job_id


@dataclass(frozen=True, slots=True)
class _Node:
    """One job of a graph: the numbers of those that it waits for, its choice, and how it ends where it runs."""

    after: tuple[int, ...]
    choice: DependencyFailure
    fails: bool


@st.composite
def _graphs(draw: st.DrawFn) -> list[_Node]:
    size = draw(st.integers(1, 9))
    return [
        _Node(
            after=tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else (),
            choice=draw(st.sampled_from(DependencyFailure)),
            fails=draw(st.booleans()),
        )
        for number in range(size)
    ]


def _expected(graph: list[_Node]) -> list[str]:
    """How each job ends, by the rules of docs/dependencies.md alone."""
    ends: list[str] = []
    for node in graph:
        broken = any(ends[each] != "completed" for each in node.after)
        if broken and node.choice is not DependencyFailure.RUN:
            ends.append("failed" if node.choice is DependencyFailure.FAIL else "cancelled")
        else:
            ends.append("failed" if node.fails else "completed")
    return ends


def _started(graph: list[_Node], ends: list[str]) -> set[int]:
    """Which jobs run at all."""
    return {
        number
        for number, node in enumerate(graph)
        if node.choice is DependencyFailure.RUN or all(ends[each] == "completed" for each in node.after)
    }


async def _played(dsn: str, graph: list[_Node], first: int) -> tuple[list[UUID], list[dict[str, Any]], list[UUID]]:
    """Enqueue the first jobs and run them, then the others; return ids, rows and the order of execution."""
    async with queue(dsn) as it:
        ids = [new_job_id() for _ in graph]
        new = [_new(node, id_, ids) for node, id_ in zip(graph, ids, strict=True)]
        for part in (new[:first], new[first:]):
            if part:
                await it.store.enqueue(part)
                await it.drain()
        rows = await _rows(it, ids)
        return ids, rows, [UUID(id_) for id_, _ in it.puppet.ran]


def _new(node: _Node, id_: UUID, ids: list[UUID]) -> NewJob:
    orders = '{"fail": "target_error"}' if node.fails else "{}"
    after = tuple(ids[each] for each in node.after)
    return NewJob("svc", "op", orders, id=id_, depends_on=after, on_dependency_failure=node.choice)


async def _rows(it: Queue, ids: list[UUID]) -> list[dict[str, Any]]:
    columns = "id, status, blocked_by, attempts, error_category"
    rows = await it.rows(f"SELECT {columns} FROM jobs.tb_job_run WHERE id = ANY (%s)", ids)
    found = {row["id"]: row for row in rows}
    return [found[id_] for id_ in ids]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(graph=_graphs(), data=st.data())
def test_every_job_of_any_graph_ends_as_the_rules_say(dsn: str, graph: list[_Node], data: st.DataObject) -> None:
    """Ends, attempts and order of execution follow from the graph, whether a job was made before or after an end."""
    first = data.draw(st.integers(0, len(graph)), label="made first")
    ids, rows, order = asyncio.run(_played(dsn, graph, first))
    ends = _expected(graph)
    ran = _started(graph, ends)
    assert [row["status"] for row in rows] == ends
    assert {ids.index(id_) for id_ in order} == ran
    assert len(order) == len(ran)
    for number, (node, row) in enumerate(zip(graph, rows, strict=True)):
        assert (row["attempts"], row["error_category"] == "dependency_failed") == (
            (1, False) if number in ran else (0, True)
        )
        if number in ran:
            before = [order.index(ids[each]) for each in node.after if each in ran]
            assert all(place < order.index(ids[number]) for place in before)
