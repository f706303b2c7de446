"""Pauses of an execution type: the claim, `--until-empty`, `pause` and `show` judge the same type of the same job."""

from __future__ import annotations

from dataclasses import replace

from support.queue import Queue, queue, registry

from specql_jobs.core.job import ExecutionType
from specql_jobs.core.registry.model import Registry
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.store import gates, report
from specql_jobs.core.store.gates import Behind, PauseScope
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.runners import RunnerRegistry

HTTP, DOCKER = PauseScope(execution_type="http"), PauseScope(execution_type="docker")


async def _untyped(it: Queue) -> None:
    await it.rows("SELECT jobs.enqueue('SVC', 'op')")
    await it.rows("SELECT jobs.pause(execution_type => 'http')")


async def _pause_shown(it: Queue) -> object:
    (row,) = await it.rows("SELECT id FROM jobs.tb_job_run")
    return (await report.jobs(it.connection, [row["id"]]))[row["id"]]["pause"]


async def test_until_empty_ends_before_a_paused_type_that_rows_leave_open(dsn: str) -> None:
    """All that is left is of a paused type, known to the registry alone: the worker ends, and counts what it leaves."""
    async with queue(dsn) as it:
        await _untyped(it)
        await it.add(delay_seconds=3600)
        worker = await it.drain()
        assert sum(each.jobs for each in worker.left or ()) == 2
        assert await it.rows("SELECT 1 AS n FROM jobs.tb_job_run WHERE lease_seq > 0") == []


async def test_until_empty_goes_by_the_type_that_its_claims_go_by(dsn: str) -> None:
    """A row that says docker of a service that the registry has as http is claimed, so it is waited for too."""
    async with queue(dsn) as it:
        await it.rows("SELECT jobs.pause(execution_type => 'docker')")
        id_ = await it.add()
        await it.rows("UPDATE jobs.tb_job_run SET execution_type = 'DOCKER', lease_seq = 1")
        await it.drain()
        assert (await it.job(id_))["status"] != "pending"


async def test_people_are_told_by_the_registries_of_live_workers(dsn: str) -> None:
    """A job whose row has no type is behind a pause of the type that a live worker's registry gives its service."""
    async with queue(dsn) as it:
        await _untyped(it)
        assert await gates.behind(it.connection, HTTP) == Behind(0, 1)
        assert await _pause_shown(it) is None
        async with it.working():
            await it.until(lambda: it.rows("SELECT 1 AS n FROM jobs.tb_worker WHERE waiting"), "the worker has looked")
            assert await gates.behind(it.connection, HTTP) == Behind(1, 0)
            assert await gates.behind(it.connection, DOCKER) == Behind(0, 0)
            assert (await _pause_shown(it) or {})["kind"] == "type"
        assert await gates.behind(it.connection, HTTP) == Behind(0, 1)  # that worker has ended


async def test_a_row_that_says_its_type_needs_no_worker(dsn: str) -> None:
    """Where no live worker knows the service, the row's own type counts, however it is spelled."""
    async with queue(dsn) as it:
        await _untyped(it)
        await it.rows("UPDATE jobs.tb_job_run SET execution_type = 'HTTP'")
        assert await gates.behind(it.connection, HTTP) == Behind(1, 0)
        assert await _pause_shown(it) is not None


async def test_a_registry_that_is_loaded_anew_is_told(dsn: str) -> None:
    """After a reload the worker's row tells the new registry and its types, without a new connection."""
    async with queue(dsn) as it, it.working() as worker:
        await it.until(lambda: _tells(it, "d" * 64, "http"), "the first registry is told")
        worker.reload(Surroundings(Planner(_as_docker(), RunnerRegistry([it.puppet])), Secrets()))
        await it.until(lambda: _tells(it, "e" * 64, "docker"), "the second registry is told")


def _as_docker() -> Registry:
    service = replace(registry().services["svc"], execution_type=ExecutionType.DOCKER)
    return Registry(services={"svc": service}, digest="e" * 64)


async def _tells(it: Queue, digest: str, kind: str) -> bool:
    (row,) = await it.rows(
        "SELECT coalesce(max(registry_digest), '') AS digest, jobs.served_types() ->> 'svc' AS type FROM jobs.tb_worker"
    )
    return (row["digest"].strip(), row["type"]) == (digest, kind)
