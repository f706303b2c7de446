"""`doctor`: what it finds out about the database, each failure with what to type."""

from __future__ import annotations

import asyncio
from pathlib import Path

from psycopg.conninfo import make_conninfo
from support.board import Board
from support.cli import specql_jobs, write_registry
from support.pooler import pgbouncer


def _checks(dsn: str, *arguments: str, folder: Path | None = None) -> dict[str, dict[str, str]]:
    said = specql_jobs("doctor", *arguments, "--dsn", dsn, "-o", "json", folder=folder)
    found = {each["name"]: each for each in said.data["checks"]}
    assert not [each for each in found.values() if each["status"] in ("fail", "warn") and not each["fix"]]
    assert said.code == (1 if any(each["status"] == "fail" for each in found.values()) else 0)
    return found


def test_a_database_that_is_well(board: Board, tmp_path: Path) -> None:
    """Connected directly as the owner, everything about the database is ok; services without a worker are told of."""
    found = _checks(board.dsn, "-r", str(write_registry(tmp_path)))
    assert {found[name]["status"] for name in ("database", "schema", "pooler", "clock", "rights", "registry")} == {"ok"}
    assert found["workers"]["status"] == "warn"
    assert "specql-jobs worker --types docker,http" in found["workers"]["fix"]


def test_live_workers_count_for_their_types(board: Board, tmp_path: Path) -> None:
    """A type that a live worker executes is served; one whose heartbeat is old serves nobody."""
    columns = "worker_id, host, pid, version, lock_key, execution_types, concurrency, heartbeat_at"
    alive = "('a', 'h', 1, '1', 1, '{http}', 1, now())"
    silent = "('b', 'h', 2, '1', 2, '{docker}', 1, now() - interval '1 h')"
    board.sql(f"INSERT INTO jobs.tb_worker ({columns}) VALUES {alive}, {silent}")
    found = _checks(board.dsn, "-r", str(write_registry(tmp_path)))["workers"]
    assert found["detail"] == "1 alive, none for docker: such jobs wait"


def test_rights_that_are_missing_come_with_the_grant(board: Board) -> None:
    """Each step that a role lacks is named with the statement that gives it, until it may run a worker."""
    ((name,),) = board.sql("SELECT 'doctor_' || substr(md5(random()::text), 1, 12)")
    board.sql(f"CREATE ROLE {name} LOGIN")
    dsn = make_conninfo(board.dsn, user=name)
    seen = []
    try:
        for _ in range(3):
            rights = _checks(dsn)["rights"]
            seen.append(rights["status"])
            board.sql(rights["fix"].partition(";")[0])
        assert seen == ["fail", "fail", "warn"]
        assert _checks(dsn)["rights"]["status"] == "ok"
    finally:
        board.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_pooler_is_told_by_its_mode(dsn: str) -> None:
    """A pooler that keeps sessions is ok."""
    async with pgbouncer(dsn, "session") as pooled:
        found = (await asyncio.to_thread(_checks, pooled))["pooler"]
    assert (found["status"], found["detail"]) == ("ok", "one that keeps a session for each connection")


async def test_a_pooler_without_sessions_fails(dsn: str) -> None:
    """A pooler that gives each transaction another session fails, with the setting that mends it."""
    async with pgbouncer(dsn, "transaction") as pooled:
        found = (await asyncio.to_thread(_checks, pooled))["pooler"]
    assert found["status"] == "fail"
    assert "pool_mode = session" in found["fix"]


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """An unreachable server fails with what to type, and the rest is still checked."""
    found = _checks("postgresql://me@127.0.0.1:1/app", folder=tmp_path)
    assert found["database"]["status"] == "fail"
    assert found["python"]["status"] == "ok"


def test_an_embedded_database_has_room(tmp_path: Path) -> None:
    """The disk of an embedded database is looked at."""
    assert specql_jobs("db", "init", "--dsn", f"embedded:{tmp_path / 'data'}").code == 0
    found = _checks(f"embedded:{tmp_path / 'data'}", folder=tmp_path)
    assert found["disk"]["status"] in ("ok", "warn")
    assert str(tmp_path / "data") in found["disk"]["detail"]
