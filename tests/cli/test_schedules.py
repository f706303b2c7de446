"""`schedules list`: what the registry says of each schedule, and what the database knows of its ticks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.board import TENANT, Board
from support.cli import specql_jobs
from support.processes import Started
from support.waiting import until

from specql_jobs.core.ticks import read_tick_key

Spawn = Callable[..., Started]

REGISTRY = f"""\
services:
  pay:
    category: money
    runner_config: {{base_url: "http://127.0.0.1:9", timeout: 5s}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true}}
    operations:
      settle:
        input_schema: {{}}
        schedules:
          often: {{cron: "* * * * * *", overlap: skip}}
          nightly: {{cron: "30 3 * * *", timezone: Europe/Berlin, tenant_id: {TENANT}}}
          off: {{cron: "@daily", enabled: false}}
"""
WITHOUT = REGISTRY[: REGISTRY.index("        schedules:")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A registry of one operation with three schedules."""
    path = tmp_path / "services.yaml"
    path.write_text(REGISTRY)
    return path


def listed(board: Board, file: Path) -> dict[str, dict[str, Any]]:
    """All schedules by their short names."""
    found = board("schedules", "list", "-r", str(file), "-o", "json").data["schedules"]
    return {each["schedule"]: each for each in found}


def loaded(board: Board, spawn: Spawn, file: Path, done: str = "SELECT 1 FROM jobs.tb_schedule") -> None:
    """Have a worker load the registry, and end it when the database has rows of `done`."""
    worker = spawn("worker", "-r", str(file), "--dsn", board.dsn)
    worker.wait_until(lambda: board.sql(done), done)
    worker.terminate()
    worker.finish()


def test_what_no_worker_has_loaded(board: Board, file: Path) -> None:
    """Before any worker, each schedule of the registry is there with its next tick and its line, and no last one."""
    found = listed(board, file)
    assert {name: each["state"] for name, each in found.items()} == {
        "often": "not_loaded",
        "nightly": "not_loaded",
        "off": "disabled",
    }
    nightly = found["nightly"]
    assert (nightly["name"], nightly["timezone"], nightly["line"]) == ("pay.settle:nightly", "Europe/Berlin", 11)
    assert nightly["next_tick"][11:] in ("01:30:00Z", "02:30:00Z")
    assert (nightly["last_tick"], nightly["last_job"], nightly["paused"]) == (None, None, None)
    assert (found["off"]["enabled"], found["off"]["next_tick"]) == (False, None)


def test_what_workers_make_jobs_of(board: Board, file: Path, spawn: Spawn) -> None:
    """A loaded schedule is active, with its last tick and the status of that job; one without a tick has none."""
    loaded(board, spawn, file, "SELECT 1 FROM jobs.tb_schedule WHERE last_job_id IS NOT NULL")
    ((id_, tick),) = board.sql(
        """SELECT last_job_id::text, to_char(last_tick AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
             FROM jobs.tb_schedule WHERE name = 'often'"""
    )
    found = listed(board, file)
    often = found["often"]
    assert (often["state"], often["last_tick"]) == ("active", tick)
    assert often["last_job"] == {"id": id_, "status": board.status(id_)}
    assert (found["nightly"]["state"], found["nightly"]["last_tick"]) == ("active", None)


def test_the_last_tick_outlives_its_job(board: Board, file: Path, spawn: Spawn) -> None:
    """After the last job was pruned its tick and id are still told, its status is not."""
    loaded(board, spawn, file, "SELECT 1 FROM jobs.tb_schedule WHERE last_job_id IS NOT NULL")
    before = listed(board, file)["often"]
    board.sql("DELETE FROM jobs.tb_job_run")
    after = listed(board, file)["often"]
    assert after["last_tick"] == before["last_tick"]
    assert after["last_job"] == before["last_job"] | {"status": None}


def test_what_differs_and_what_is_gone(board: Board, file: Path, spawn: Spawn) -> None:
    """Another version, a registry without the schedule, and a schedule that nobody has are told apart."""
    loaded(board, spawn, file)
    file.write_text(REGISTRY.replace("30 3", "45 3"))
    assert listed(board, file)["nightly"]["state"] == "differs"
    file.write_text(WITHOUT)
    elsewhere = listed(board, file)["nightly"]
    assert (elsewhere["state"], elsewhere["enabled"], elsewhere["cron"]) == ("elsewhere", None, "30 3 * * *")
    assert elsewhere["next_tick"]
    loaded(board, spawn, file, "SELECT 1 FROM jobs.tb_schedule WHERE digest = ''")
    removed = listed(board, file)["nightly"]
    assert (removed["state"], removed["cron"], removed["next_tick"]) == ("removed", None, None)
    file.write_text(REGISTRY)
    assert listed(board, file)["nightly"]["state"] == "not_loaded"


@pytest.mark.parametrize(
    ("scope", "says", "covers"),
    [
        (("--service", "pay"), "service pay was paused by mo: audit", {"often", "nightly", "off"}),
        (("--operation", "pay.settle"), "operation pay.settle was paused by mo: audit", {"often", "nightly", "off"}),
        (("--tenant", TENANT), f"tenant {TENANT} was paused by mo: audit", {"nightly"}),
        (("--service", "other"), "", set()),
    ],
)
def test_a_pause_that_covers_a_schedule_is_told(
    board: Board, file: Path, scope: tuple[str, ...], says: str, covers: set[str]
) -> None:
    """The pause of a service, an operation or a tenant is named for each schedule whose jobs it keeps back."""
    assert board("pause", *scope, "--reason", "audit").code == 0
    found = {name: each["paused"] for name, each in listed(board, file).items() if each["paused"]}
    assert found == dict.fromkeys(covers, says)


def test_every_format_names_every_schedule(board: Board, file: Path) -> None:
    """Text, tables and lines hold all schedules; -q prints their names alone; none at all is said."""
    for form in ("text", "jsonl", "tsv", "markdown"):
        said = board("schedules", "list", "-r", str(file), "-o", form)
        assert said.code == 0
        assert [name in said.out for name in ("pay.settle:often", "pay.settle:nightly", "@daily")] == [True] * 3
    names = board("schedules", "list", "-r", str(file), "-q").out.split()
    assert names == ["pay.settle:often", "pay.settle:nightly", "pay.settle:off"]
    file.write_text(WITHOUT)
    said = board("schedules", "list", "-r", str(file))
    assert (said.code, said.out) == (0, "")
    assert "there are no schedules" in said.err


def test_services_show_names_the_next_ticks(file: Path) -> None:
    """Without a database, an operation has its schedules and the next three ticks of each that is enabled."""
    said = specql_jobs("services", "show", "pay.settle", "-r", str(file), "-o", "json")
    found = {each["name"]: each for each in said.data["operations"][0]["schedules"]}
    assert {name: len(each["next_ticks"]) for name, each in found.items()} == {"often": 3, "nightly": 3, "off": 0}
    days = [
        datetime.fromisoformat(tick).astimezone(ZoneInfo("Europe/Berlin")) for tick in found["nightly"]["next_ticks"]
    ]
    assert [(day.hour, day.minute) for day in days] == [(3, 30)] * 3
    assert [later.date() - day.date() for day, later in pairwise(days)] == [timedelta(days=1)] * 2
    assert (found["often"]["overlap"], found["often"]["on_missed"], found["often"]["line"]) == ("skip", "run_once", 10)
    text = specql_jobs("services", "show", "pay", "-r", str(file)).out
    assert text.count("03:30:00+0") == 3
    assert "@daily UTC; disabled" in text


def test_a_database_without_schedules_says_how_to_migrate(empty_dsn: str, file: Path) -> None:
    """Where the schema is not there, the answer is exit 5 and what to type."""
    said = specql_jobs("schedules", "list", "-r", str(file), "--dsn", empty_dsn, "-o", "json")
    assert said.code == 5
    assert "db migrate" in said.error["hint"]


# ---- ticks of real workers -------------------------------------------------------------------------------------------


PASSED = "SELECT 1 FROM jobs.tb_schedule WHERE name = 'often' AND clock_timestamp() > last_tick + interval '2 s'"


def ticks(board: Board) -> list[datetime]:
    """The ticks of all jobs that schedules made, in order."""
    rows = board.sql("SELECT idempotency_key FROM jobs.tb_job_run WHERE idempotency_key LIKE 'schedule:%%'")
    return sorted(made.tick for (key,) in rows if (made := read_tick_key(key)))


def test_a_paused_service_still_gets_its_jobs(board: Board, file: Path, spawn: Spawn) -> None:
    """A pause stops dispatch, not ticks: the jobs wait untouched, and are executed after the pause."""
    file.write_text(REGISTRY.replace(", overlap: skip", ""))
    assert board("pause", "--service", "pay").code == 0
    worker = spawn("worker", "-r", str(file), "--dsn", board.dsn)
    worker.wait_until(lambda: len(ticks(board)) >= 3, "three ticks made jobs")
    assert board.sql("SELECT DISTINCT status, attempts FROM jobs.tb_job_run") == [("pending", 0)]
    assert board("resume", "--service", "pay").code == 0
    worker.wait_until(lambda: board.sql("SELECT 1 FROM jobs.tb_job_run WHERE attempts > 0"), "a job is tried")


def test_a_worker_that_is_killed_loses_no_tick(board: Board, file: Path, spawn: Spawn) -> None:
    """SIGKILL between ticks, three times over: whoever comes next makes the jobs of those that passed, each once."""
    file.write_text(REGISTRY.replace(", overlap: skip", ""))
    for count in (2, 4, 6):
        worker = spawn("worker", "-r", str(file), "--dsn", board.dsn)
        worker.wait_until(lambda wanted=count: len(ticks(board)) >= wanted, f"{count} ticks")
        worker.kill()
        until(lambda: board.sql(PASSED), "two ticks pass while nobody is there")
    last = spawn("worker", "-r", str(file), "--dsn", board.dsn)
    before = len(ticks(board))
    last.wait_until(lambda: len(ticks(board)) >= before + 2, "the ticks after the last kill")
    last.terminate()
    last.finish()
    found = ticks(board)
    assert found == [found[0] + timedelta(seconds=each) for each in range(len(found))]


# ---- rules -----------------------------------------------------------------------------------------------------------

RULES = """\
services:
  pay:
    category: money
    runner_config: {base_url: "https://pay.example.com", timeout: 30s}
    security_policy: {allowed_domains: [pay.example.com]}
    operations:
      unread: {input_schema: {}, schedule: "0 25 * * *"}
      nowhere:
        input_schema: {}
        schedules:
          nightly: {cron: "0 3 * * *", timezone: Europe/Berln}
      never: {input_schema: {}, schedule: "0 3 30 2 *"}
      unfit:
        input_schema: {days: integer}
        schedules:
          nightly: {cron: "0 3 * * *", input: {days: two}}
      moved:
        input_schema: {}
        schedules:
          nightly: {cron: "30 2 * * *", timezone: Europe/Berlin}
      often: {input_schema: {}, schedule: "* * * * *"}
"""


def test_each_rule_points_at_what_is_wrong(file: Path) -> None:
    """One file with each mistake of a schedule: `validate` names the rule, the line, and the very token."""
    file.write_text(RULES)
    said = specql_jobs("validate", str(file), "-o", "json")
    found = {each["code"]: each for each in said.data["findings"]}
    lines = RULES.splitlines()
    pointed = {code: lines[each["line"] - 1][each["column"] - 1 :] for code, each in found.items()}
    wanted = {
        "SQJ120": ('"0 25 * * *"', "error"),
        "SQJ121": ("Europe/Berln", "error"),
        "SQJ122": ('"0 3 30 2 *"', "error"),
        "SQJ123": ("{days: two}", "error"),
        "SQJ320": ('"30 2 * * *"', "info"),
        "SQJ321": ('"* * * * *"', "info"),
    }
    assert said.code == 1
    assert {code: found[code]["severity"] for code in wanted} == {code: word for code, (_, word) in wanted.items()}
    assert {code: pointed[code].startswith(token) for code, (token, _) in wanted.items()} == dict.fromkeys(wanted, True)
    assert [each["code"] for each in said.data["findings"] if each["severity"] == "error"] == sorted(wanted)[:4]
