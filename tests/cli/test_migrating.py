"""docs/migrating.md, walked on a database as SpecQL builds it: every command of the page is typed, in its order."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.board import Board
from support.cli import Said, answering, specql_jobs
from support.older_installation import TABLES, build, commerce, place_order
from support.older_worker import OlderWorker
from support.tree import ROOT

PAGE: Final = ROOT / "docs" / "migrating.md"

REGISTRY: Final = """\
services:
  - name: stripe
    type: payment
    category: financial
    runner_config: {{base_url: "{url}", timeout: 30}}
    security_policy: {{allowed_domains: [127.0.0.1], allow_private_networks: true, allow_http: true}}
    operations:
      - name: create_charge
        input_schema: {{amount: integer, currency: string}}
        output_schema: {{got: object, authorization: boolean}}
        timeout: 30
        max_retries: 2
"""

ENTITY: Final = """\
entity: Order
schema: commerce
fields: {order_number: text!, status: text, total_amount: integer!}
actions:
  - name: place_order
    steps:
      - insert: Order
        as: order
      - call_service:
          service: stripe
          operation: create_charge
          input: {amount: $order.total_amount, currency: USD}
"""

#: What the page's numbered steps are called.
STEPS: Final = (
    "1. Look",
    "2. Migrate",
    "3. The registry",
    "4. Callbacks",
    "5. Both side by side",
    "6. Stop the old worker",
)


@dataclass(frozen=True, slots=True)
class Move:
    """One installation on its way, the page that says what to type, and its older worker."""

    dsn: str
    role: str
    folder: Path
    older: OlderWorker

    def step(self, title: str) -> str:
        """Type the commands of a section; each is answered with 0. Return what they printed."""
        section = PAGE.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
        lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
        assert lines
        return "".join(self._typed(line.partition("  #")[0]) for line in lines)

    def _typed(self, line: str) -> str:
        program, *words = shlex.split(line)
        said = self(*words)
        assert (program, said.code) == ("specql-jobs", 0), f"{line}\n{said.out}{said.err}"
        return said.out

    def __call__(self, *words: str) -> Said:
        """Run a command in the installation's folder."""
        return specql_jobs(*words, env={"SPECQL_JOBS_DSN": self.dsn}, folder=self.folder)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return Board(self.dsn).sql(statement)

    def orders(self) -> dict[str, str]:
        """Return the status of each order."""
        return dict(self.sql("SELECT order_number, status FROM commerce.tb_order"))

    def jobs(self) -> dict[str, tuple[str, str | None]]:
        """Return status and worker of the jobs that were there before, by identifier."""
        rows = self.sql("SELECT identifier, status, worker_id FROM jobs.tb_job_run WHERE identifier !~ '^Order'")
        return {name: (status, worker) for name, status, worker in rows}


@pytest.fixture
def move(empty_dsn: str, tmp_path: Path) -> Iterator[Move]:
    """An installation with its registry and entities, and a payment server that says yes."""
    (tmp_path / "entities").mkdir()
    (tmp_path / "entities" / "order.yaml").write_text(ENTITY)
    with answering() as url, commerce(empty_dsn) as role:
        (tmp_path / "services.yaml").write_text(REGISTRY.format(url=url))
        yield Move(empty_dsn, role, tmp_path, OlderWorker(empty_dsn))


def test_the_guide_leads_from_specqls_table_to_ours_and_back(move: Move) -> None:
    """Each step's commands are answered; no row is lost, actions and the older worker go on, callbacks pay orders."""
    said = move.step(STEPS[0])
    assert "rows       6 in" in said
    assert "1 running for over an hour" in said
    assert move.sql("SELECT to_regclass('jobs.tb_worker')") == [(None,)]
    assert "applied 0001_jobs" in move.step(STEPS[1])
    assert len(move.jobs()) == 6
    move.step(STEPS[2])
    assert "order_stripe_create_charge_success" in move.step(STEPS[3])
    _both(move)
    _the_older_one_ends(move)
    _and_back(move)


def _both(move: Move) -> None:
    place_order(move.dsn, move.role, "theirs")
    assert move.older.take()  # what waited before the migration
    theirs = move.older.take()
    assert theirs
    move.older.complete(theirs, {"charge_id": "ch_1"})
    ours = place_order(move.dsn, move.role, "ours")
    said = move.step(STEPS[4])
    assert (theirs in said, ours in said) == (True, False)
    assert move.orders() == {"theirs": "pending", "ours": "paid"}  # its own callbacks are the older worker's affair


def _the_older_one_ends(move: Move) -> None:
    assert move.jobs()["stuck"] == ("running", "external")
    said = move.step(STEPS[5])
    assert "external-stuck" not in said
    jobs = move.jobs()
    assert {name: status for name, (status, _) in jobs.items()} == {
        "waits": "completed",
        "stuck": "completed",
        "done": "completed",
        "once": "failed",
        "spent": "failed",
        "given up": "cancelled",
    }


def _and_back(move: Move) -> None:
    assert "external" not in move.step("Going back")
    place_order(move.dsn, move.role, "after")
    section = PAGE.read_text("utf-8").split("\n## Going back\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    for statement in filter(str.strip, block.split(";")):
        move.sql(statement)
    job = move.older.take()
    assert job
    move.older.fail(job, "declined")
    assert move.older.try_again() == 2  # this one, and the one that had attempts left before all this
    indexes = {name for (name,) in move.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'tb_job_run'")}
    assert {"idx_tb_job_run_pending", "idx_tb_job_run_retry"} <= indexes


def test_a_callback_that_specql_wrote_wrongly_costs_nobody_the_result(move: Move) -> None:
    """A job that fails stays failed when its generated callback cannot run, and the job says what became of it."""
    move.step(STEPS[1])
    move.step(STEPS[3])
    text = (move.folder / "services.yaml").read_text()
    (move.folder / "services.yaml").write_text(
        text.replace("max_retries: 2", "max_retries: 0\n        request: {method: POST, path: /no, body: json}")
    )
    job = place_order(move.dsn, move.role, "declined")
    move("worker", "--registry", "services.yaml", "--until-empty")
    (shown,) = move("show", job, "-o", "json").data
    assert (shown["status"], move.orders()) == ("failed", {"declined": "pending"})
    ((error,),) = move.sql("SELECT error FROM jobs.tb_callback_run")
    assert "integer = text" in error


@pytest.mark.parametrize("table", TABLES)
def test_the_preview_says_what_the_migration_does(empty_dsn: str, table: str) -> None:
    """What is announced as dropped is gone afterwards, what as kept is there, and the rows are as many."""
    build(empty_dsn, table, "INSERT INTO jobs.tb_job_run (identifier, service_name, operation) VALUES ('a', 's', 'o')")
    board = Board(empty_dsn)
    found = board("db", "migrate", "--dry-run", "-o", "json").data["adoption"]
    assert (found["rows"], found["statuses"]["pending"], found["hindrances"]) == (1, 1, [])
    assert board("db", "migrate").code == 0
    there = {name for (name,) in board.sql("SELECT relname FROM pg_class WHERE relnamespace = 'jobs'::regnamespace")}
    assert len(found["dropped"]["indexes"]) == (3 if table == TABLES[0] else 5)
    assert not there & set(found["dropped"]["indexes"])
    assert {name.removeprefix("jobs.") for name in found["kept"]["view"]} <= there
    assert len(found["kept"]["view"]) == (5 if table == TABLES[0] else 8)
    assert board("db", "migrate", "--dry-run", "-o", "json").data["adoption"] is None


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE jobs.tb_job_run SET status = 'retrying'", "1 row has no known status, such as 'retrying'"),
        ("UPDATE jobs.tb_job_run SET execution_type = 'ftp'", "1 row has no known execution_type, such as 'ftp'"),
        ("UPDATE jobs.tb_job_run SET attempts = -1", "fewer than no attempts"),
        ("ALTER TABLE jobs.tb_job_run DROP correlation_id", "lacks correlation_id"),
        ("ALTER TABLE jobs.tb_job_run RENAME TO t; CREATE VIEW jobs.tb_job_run AS SELECT * FROM jobs.t", "is a view"),
    ],
    ids=["status", "type", "attempts", "column", "view"],
)
def test_what_hinders_it_is_said_before_and_instead(empty_dsn: str, statement: str, says: str) -> None:
    """The preview names the hindrance (1), the migration refuses with it (6, E611), and both change nothing."""
    checks = "tb_job_run_status_check", "tb_job_run_execution_type_check"
    rows = "INSERT INTO jobs.tb_job_run (identifier, service_name, operation) VALUES ('a', 's', 'o');"
    drops = ", ".join(f"DROP CONSTRAINT {check}" for check in checks)
    build(empty_dsn, "later_table.sql", f"{rows} ALTER TABLE jobs.tb_job_run {drops}; {statement}")
    board = Board(empty_dsn)
    said = board("db", "migrate", "--dry-run")
    assert (said.code, says in said.out) == (1, True), said.out
    refused = board("db", "migrate", "-o", "json")
    assert (refused.code, refused.error["code"]) == (6, "E611")
    assert says in refused.error["message"]
    assert board.sql("SELECT to_regclass('jobs.tb_schema_migration')") == [(None,)]


def test_the_preview_says_that_calls_may_be_refused(empty_dsn: str) -> None:
    """Where identifiers are not held to be unique, the preview says what becomes of a second call for one entity."""
    build(empty_dsn, "older_table.sql", "ALTER TABLE jobs.tb_job_run DROP CONSTRAINT tb_job_run_identifier_key")
    said = Board(empty_dsn)("db", "migrate", "--dry-run")
    assert (said.code, "identifiers may repeat" in said.out) == (0, True)


def test_the_preview_names_who_holds_the_table(empty_dsn: str) -> None:
    """A session with the table in an open transaction is named, and one that has it locked is exit 6."""
    build(empty_dsn, "older_table.sql")
    board = Board(empty_dsn)
    with psycopg.connect(empty_dsn, application_name="forgotten") as other:
        other.execute("SELECT count(*) FROM jobs.tb_job_run")
        said = board("db", "migrate", "--dry-run")
        assert (said.code, "forgotten" in said.out) == (0, True), said.out
        other.execute("LOCK TABLE jobs.tb_job_run")
        locked = board("db", "migrate", "--dry-run", "-o", "json")
    assert (locked.code, json.loads(locked.out)["error"]["name"]) == (6, "conflict")


def test_jobs_that_another_program_left_running_are_named(empty_dsn: str) -> None:
    """db status names jobs that were started by another program over an hour ago, and what takes them back."""
    build(
        empty_dsn,
        "older_table.sql",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, status, attempts, started_at) "
        "VALUES ('a', 's', 'o', 'running', 1, now() - interval '2 hours'), ('b', 's', 'o', 'running', 1, now())",
    )
    board = Board(empty_dsn)
    assert board("db", "migrate").code == 0
    found = board("db", "status", "-o", "json").data["queue"]["concerns"]
    assert [each["message"][:9] for each in found if each["code"] == "external-stuck"] == ["1 job was"]
