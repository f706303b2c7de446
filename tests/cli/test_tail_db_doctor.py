"""`tail`, `db` and `doctor`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.board import Board
from support.cli import specql_jobs, write_registry
from support.processes import Started

from specql_jobs.cli.feed import OVERLAP, Feed


def test_tail_shows_the_latest_events(board: Board) -> None:
    """`tail` shows the last change of the selected jobs, oldest first, and filters like `list`."""
    first = board.add(updated_at="2020-01-01")
    last = board.add("mail", "send", "failed", error_category="timeout", error_message="late")
    said = board("tail", "-o", "json")
    assert [each["id"] for each in said.data] == [first, last]
    assert [each["event"] for each in said.data] == ["enqueued", "failed"]
    assert [each["id"] for each in board("tail", "--service", "mail", "-o", "json").data] == [last]
    assert "timeout: late" in board("tail").out


def test_tail_follows(board: Board, spawn: Callable[..., Started]) -> None:
    """`tail -f` writes each new change once, as one line of JSON."""
    old = board.add()
    process = spawn("tail", "-f", "-o", "jsonl", env={"SPECQL_JOBS_DSN": board.dsn})
    process.wait_for(old)
    new = board.add("mail", "send")
    process.wait_for(new)
    board.sql("UPDATE jobs.tb_job_run SET status = 'cancelled', completed_at = now(), updated_at = now()")
    process.wait_until(lambda: len(process.stdout) >= 4, "both changes are told")
    events = [(each["id"], each["event"]) for each in map(json.loads, process.stdout)]
    assert sorted(events) == sorted([(old, "enqueued"), (new, "enqueued"), (old, "cancelled"), (new, "cancelled")])


def test_feed_repeats_nothing_and_keeps_latecomers() -> None:
    """A change that commits late, inside the overlap, is told once; what was told is not told again."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    feed = Feed([{"id": 1, "at": start}])
    assert feed.cursor == start - OVERLAP
    late = {"id": 2, "at": start - timedelta(seconds=1)}
    assert feed.new([{"id": 1, "at": start}, late]) == [late]
    assert feed.new([{"id": 1, "at": start}, late]) == []
    assert feed.cursor == start - OVERLAP


def test_db_from_nothing(empty_dsn: str) -> None:
    """status says what is missing (1), migrate -n changes nothing, init applies it, and then status is 0."""
    board = Board(empty_dsn)
    before = board("db", "status", "-o", "json")
    assert before.code == 1
    assert before.data["version"] == 0
    plan = board("db", "migrate", "-n", "-o", "json")
    assert (plan.code, plan.data["pending"]) == (0, before.data["pending"])
    assert board("db", "status").code == 1
    done = board("db", "init", "-o", "json")
    assert (done.code, done.data["applied"]) == (0, before.data["pending"])
    assert board("db", "status", "-o", "json").code == 0
    assert board("db", "migrate").out.startswith("nothing to do")


def test_db_unreachable() -> None:
    """A server that does not answer is exit 5, retryable, with its place named."""
    said = Board("postgresql://me@127.0.0.1:1/app")("db", "status", "-o", "json")
    assert said.code == 5
    assert said.error["code"] == "E502"
    assert said.error["retryable"] is True
    assert "127.0.0.1:1" in said.error["message"]


def test_doctor_is_well(board: Board, tmp_path: Path) -> None:
    """doctor checks database, schema, registry and runners; a skipped check is no failure."""
    said = board("doctor", "-r", str(write_registry(tmp_path)), "-o", "json")
    found = {each["name"]: each["status"] for each in said.data["checks"]}
    assert {found[name] for name in ("python", "tls", "database", "schema", "registry")} == {"ok"}
    assert found["docker"] in ("skip", "ok")  # an engine may run here
    assert said.code == (1 if "fail" in found.values() else 0)


def test_doctor_finds_the_missing(empty_dsn: str, tmp_path: Path) -> None:
    """A database without the schema fails the check, with the command that mends it."""
    said = Board(empty_dsn)("doctor", "-o", "json")
    assert said.code == 1
    schema = next(each for each in said.data["checks"] if each["name"] == "schema")
    assert (schema["status"], schema["fix"]) == ("fail", "specql-jobs db migrate")
    broken = tmp_path / "r.yaml"
    broken.write_text("services: 5\n")
    text = specql_jobs("doctor", "-r", str(broken))
    assert text.code == 1
    assert f"-> specql-jobs validate {broken}" in text.out


def test_doctor_does_not_tell_the_password() -> None:
    """A database that refuses is a failed check without its password."""
    said = Board("postgresql://me:hunter2hunter2@127.0.0.1:1/app")("doctor", "-o", "json")
    assert said.code == 1
    assert "hunter2" not in said.out + said.err


def test_tail_tells_requests_to_stop_and_other_days(board: Board) -> None:
    """A running job that was asked to stop is `cancelling`; a change of another day has its date."""
    board.add(status="running", cancel_requested_at="now")
    assert board("tail", "-o", "json").data[0]["event"] == "cancelling"
    assert re.match(r"\d\d:\d\d:\d\d", board("tail").out)
    board.sql("UPDATE jobs.tb_job_run SET updated_at = '2020-05-01T12:00:00Z'")
    assert board("tail").out.startswith("2020-05-01 ")


def test_a_database_hint_names_the_profiles(tmp_path: Path) -> None:
    """With profiles but no database chosen, the hint names the profiles."""
    (tmp_path / "specql-jobs.toml").write_text('[profiles.prod]\nhost = "db-1"\n[profiles.dev]\nhost = "db-2"\n')
    said = specql_jobs("list", "-o", "json", folder=tmp_path, env={"SPECQL_JOBS_DSN": "", "DATABASE_URL": ""})
    assert said.error["code"] == "E213"
    assert "--profile (dev, prod)" in said.error["hint"]


def test_a_mistyped_embedded_path_does_not_become_a_database(tmp_path: Path) -> None:
    """Only `db init` and `db migrate` make a new embedded database; everything else says that there is none."""
    folder = tmp_path / "typo"
    for words in (("list",), ("db", "status"), ("db", "migrate", "--dry-run")):
        said = specql_jobs(*words, "--dsn", f"embedded:{folder}")
        assert (said.code, "E507 embedded-absent" in said.err) == (5, True)
        assert "db migrate" not in said.err
        assert f"specql-jobs db init --dsn embedded:{folder}    makes one there" in said.err
    assert not folder.exists()
    assert specql_jobs("db", "init", "--dsn", f"embedded:{folder}").code == 0
    beside = specql_jobs("list", "--dsn", f"embedded:{tmp_path / 'tipo'}", "-o", "json").error
    assert beside["hint"].splitlines()[0] == f"specql-jobs db status --dsn embedded:{folder}    is one nearby"
