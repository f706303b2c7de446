"""PostgreSQL dies or has no room while jobs run: the worker waits, and each job ends once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.postgres import PostgresAbsent, Server, serve_private
from support.queue import Queue, queue
from support.require import require
from support.waiting import until_async

from specql_jobs.core.store import audit, db, migrate
from specql_jobs.core.worker.worker import End

PATIENCE: Final = 90.0
ROOM: Final = 160  # MiB: a new server has 40 and its log takes up to 80
MIB: Final = 1 << 20


@contextmanager
def _server(**settings: Any) -> Iterator[Server]:
    try:
        with serve_private(**settings) as server:
            asyncio.run(_migrate(server.dsn))
            yield server
    except PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))


async def _migrate(dsn: str) -> None:
    async with db.open_database(dsn) as connection:
        await migrate.migrate(connection)


async def _has(it: Queue, condition: str, count: int) -> bool:
    (row,) = await it.rows(f"SELECT count(*) AS n FROM jobs.tb_job_run WHERE {condition}")
    return bool(row["n"] == count)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT], ids=["killed", "immediate"])
def test_a_server_that_dies_mid_batch_loses_no_job(number: signal.Signals) -> None:
    """Killed, or stopped the immediate way, while jobs run: each is completed once when the server is back."""
    with _server(durable=True) as server:
        asyncio.run(_dies_mid_batch(server, number))


async def _dies_mid_batch(server: Server, number: signal.Signals) -> None:
    async with queue(server.dsn) as it:
        ids = await it.add_many(60, '{"wait": 0.5, "output": {"n": 1}}')
        worker = it.worker(concurrency=20, until_empty=True)
        working = asyncio.create_task(worker.run())
        await it.until(lambda: _has(it, "status = 'completed'", 20), "a batch is completed")
    await asyncio.to_thread(server.crash, number)
    assert await asyncio.wait_for(working, PATIENCE) is End.DRAINED
    async with queue(server.dsn) as it:
        rows = await it.rows("SELECT id, status, crash_count FROM jobs.tb_job_run")
        assert sorted(row["id"] for row in rows) == sorted(ids)
        assert {(row["status"], row["crash_count"]) for row in rows} == {("completed", 0)}
        ends = await it.rows("SELECT job_id FROM jobs.tb_audit_event WHERE outcome = 'succeeded'")
        assert Counter(row["job_id"] for row in ends) == Counter(ids)
        assert (await audit.verify(it.connection)).breaks == ()
    assert worker.settler.lost == 0


# ---- no room -------------------------------------------------------------------------------------------------------


@contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of its own in memory; only root may have one."""
    place = Path(tempfile.mkdtemp(prefix="sqjd-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}m,mode=0755", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        require("sandbox", mounted, "no file system may be mounted here")
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def _fill(ballast: Path) -> None:
    """Leave no room at all."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def test_a_full_disk_is_waited_out() -> None:
    """While PostgreSQL has no room nothing is lost; with room again every job is completed, by the same worker."""
    with _small_disk() as place, _server(below=place) as server:
        asyncio.run(_without_room(server, place / "ballast"))


async def _without_room(server: Server, ballast: Path) -> None:
    """Results of 400 kB that do not compress: a few of them need more room than a full disk's last pages."""
    result = "".join(map(chr, (ord("a") + byte % 26 for byte in os.urandom(400_000))))
    async with queue(server.dsn) as it:
        it.puppet.says = {"result": result}
        ids = await it.add_many(40, '{"wait": 1}')
        worker = it.worker(concurrency=20, until_empty=True)
        working = asyncio.create_task(worker.run())
        await it.until(lambda: _has(it, "status = 'running'", 20), "jobs run")
        await asyncio.to_thread(_fill, ballast)
        await _refused(server)
        settling = worker._links["settle"]
        await until_async(lambda: _is(settling._failing_since is not None), "a settlement is refused", PATIENCE)
        assert not working.done()
    ballast.unlink()
    await asyncio.to_thread(_start_if_down, server)
    assert await asyncio.wait_for(working, PATIENCE) is End.DRAINED
    async with queue(server.dsn) as it:
        rows = await it.rows("SELECT id, status, output_data->>'result' AS result FROM jobs.tb_job_run")
    assert sorted(row["id"] for row in rows) == sorted(ids)
    assert {(row["status"], row["result"]) for row in rows} == {("completed", result)}


async def _is(value: object) -> object:
    return value


async def _refused(server: Server) -> None:
    """Wait until somebody else is told that there is no room; a server without room for its log goes down instead."""

    async def is_full() -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(server.dsn, autocommit=True) as other:
                await other.execute("CREATE TABLE IF NOT EXISTS more (filler text)")
                await other.execute(
                    "INSERT INTO more SELECT repeat(md5(random()::text), 60) FROM generate_series(1, 1000)"
                )
        except psycopg.OperationalError:
            return True
        return False

    await until_async(is_full, "the disk is full", PATIENCE)


def _start_if_down(server: Server) -> None:
    """As an operator does after making room."""
    try:
        psycopg.connect(server.dsn).close()
    except psycopg.OperationalError:
        server.crash(signal.SIGQUIT)
