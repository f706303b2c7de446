"""`pause`, `resume`, `breaker`: dispatch stopped and begun again by people."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.board import Board
from support.cli import specql_jobs
from support.registries import far_end

OPEN = (
    "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
    "VALUES ('pay', 5, now(), now() + '1 h')"
)


def test_a_pause_says_what_waits_and_how_to_undo_it(board: Board) -> None:
    """The scope, the end, the pending jobs behind it, and the very command that lifts it."""
    board.add()
    board.add(operation="other")
    said = board("pause", "--service", "Pay", "--for", "30m", "--reason", "INC-1")
    assert said.code == 0
    assert "2 pending jobs wait" in said.out
    assert "specql-jobs resume --service Pay" in said.out
    document = board("pause", "--operation", "pay.other", "-o", "json").data
    assert document["in_force"][0]["until"].endswith("Z")
    assert (document["paused"], document["until"], document["pending"]) == ("operation pay.other", None, 1)
    assert [(each["kind"], each["name"], each["reason"]) for each in document["in_force"]] == [
        ("service", "pay", "INC-1"),
        ("operation", "pay.other", None),
    ]


def test_resume_lifts_exactly_its_scope(board: Board) -> None:
    """Another scope's pause stays, and is named; a second resume says that nothing was paused, exit 0."""
    board("pause", "--all")
    board("pause", "--type", "lambda")
    said = board("resume", "--all", "-o", "json")
    assert (said.data["resumed"], [each["name"] for each in said.data["in_force"]]) == (True, ["serverless"])
    again = board("resume", "--all")
    assert again.code == 0
    assert "was not paused" in again.out
    assert "still paused: type serverless, by mo" in again.out
    assert board.sql("SELECT kind, actor, scope FROM jobs.tb_change ORDER BY id") == [
        ("pause", "mo", "all:all"),
        ("pause", "mo", "type:serverless"),
        ("resume", "mo", "all:all"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--service", "a", "--all"),
        ("--service", ""),
        ("--operation", "nodot"),
        ("--type", "cobol"),
        ("--tenant", "acme"),
        ("--all", "--for", "0s"),
        ("--all", "--for", "soon"),
    ],
)
def test_a_pause_of_nothing_clear_is_exit_2(board: Board, words: tuple[str, ...]) -> None:
    """Never a guess, never `all`: exit 2 with what to type, and nothing is paused."""
    said = board("pause", *words, "-o", "json")
    assert said.code == 2
    assert said.error["hint"]
    assert board.sql("SELECT count(*) FROM jobs.tb_pause") == [(0,)]


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_missing_scope_is_answered_with_the_same_command(board: Board, command: str) -> None:
    """What to type next is the command that was typed, with a scope."""
    hint = f"specql-jobs {command} --service payments\nspecql-jobs pause list    shows what is paused"
    assert board(command, "-o", "json").error["hint"] == hint


def test_breakers_are_listed_and_closed(board: Board) -> None:
    """An open breaker is listed with its failures and its end; reset closes it and is in the ledger."""
    assert board("breaker", "list", "-o", "json").data == {"breakers": []}
    board.sql(OPEN)
    (found,) = board("breaker", "list", "-o", "json").data["breakers"]
    assert (found["service"], found["state"], found["failures"]) == ("pay", "open", 5)
    assert found["opened_at"].endswith("Z")
    text = board("breaker").out
    assert "pay" in text
    assert "+00:00" not in text
    assert board("breaker", "reset", "PAY", "--reason", "back", "-o", "json").data == {
        "service": "PAY",
        "was_open": True,
    }
    assert board("breaker", "reset", "pay", "-o", "json").data["was_open"] is False
    assert board.sql("SELECT kind, actor, reason FROM jobs.tb_change") == [("breaker_reset", "mo", "back")]


def test_a_pause_of_a_type_says_of_how_many_jobs_nothing_tells_it(board: Board) -> None:
    """Rows that leave their type open, while no worker lives: counted apart by pause and resume, not passed over."""
    board.sql("SELECT jobs.enqueue('pay', 'ok')")
    board.add(execution_type="HTTP")
    said = board("pause", "--type", "http")
    assert "1 pending job waits, and 1 more whose type no live worker tells" in said.out
    document = board("resume", "--type", "http", "-o", "json").data
    assert (document["pending"], document["untold"]) == (1, 1)
    assert board("pause", "--all", "-o", "json").data["untold"] == 0


def test_a_worker_that_leaves_pending_jobs_says_how_many(board: Board, tmp_path: Path) -> None:
    """A forgotten pause of a type does not hold `worker --until-empty`, and its last line counts what it leaves."""
    registry = tmp_path / "services.yaml"
    registry.write_text(far_end("http://127.0.0.1:9", "pay", ok={}))
    board.sql("SELECT jobs.enqueue('pay', 'ok')")
    board("pause", "--type", "http")
    said = board("worker", "--registry", str(registry), "--until-empty")
    assert said.code == 0
    (last,) = [line for line in said.err.splitlines() if "worker_stopped" in line]
    assert last.endswith("pending=1")
    (why,) = [line for line in said.err.splitlines() if "jobs_left" in line]
    assert 'jobs=1 code=paused why="type http was paused by mo"' in why


def test_a_worker_says_why_it_leaves_jobs(board: Board, tmp_path: Path) -> None:
    """Every reason with its number: not its service, scheduled with the next, blocked, an open breaker."""
    registry = tmp_path / "services.yaml"
    registry.write_text(far_end("http://127.0.0.1:9", "pay", ok={}))
    board.add(run_at="2100-01-01")
    board.add(blocked_by=1)
    board.add("mail")
    said = board("worker", "--registry", str(registry), "--until-empty", "--services", "pay")
    left = [line.partition("jobs_left ")[2] for line in said.err.splitlines() if "jobs_left" in line]
    assert len(left) == 3
    assert 'jobs=1 code=blocked why="blocked by jobs that they depend on"' in left
    assert 'jobs=1 code=not_served why="not of this worker\'s services or types"' in left
    assert any('jobs=1 code=scheduled why="scheduled, the next in ' in line for line in left)


def test_a_breaker_of_nobody_is_exit_3(board: Board) -> None:
    """A misspelt service is refused with the nearest that jobs, workers or pauses tell of, however long ago."""
    board.add(service="Payments", status="completed")
    board.sql("SELECT jobs.pause('mail')")
    said = board("breaker", "reset", "paymets", "-o", "json")
    assert (said.code, said.error["code"], said.error["hint"]) == (3, "E310", "did you mean payments?")
    assert "the queue has mail, payments" in board("breaker", "reset", "zzz").err
    for known in ("PAYMENTS", "mail"):
        assert board("breaker", "reset", known, "-o", "json").data["was_open"] is False


def test_a_breaker_of_a_service_of_the_registry_is_known(board: Board, tmp_path: Path) -> None:
    """Without any job yet: the registry of this folder tells of the service, and a broken one is no hindrance."""
    registry = tmp_path / "services.yaml"
    registry.write_text(far_end("http://127.0.0.1:9", "pay", ok={}))
    env = {"SPECQL_JOBS_DSN": board.dsn}
    assert specql_jobs("breaker", "reset", "pay", env=env, folder=tmp_path).code == 0
    said = specql_jobs("breaker", "reset", "payy", env=env, folder=tmp_path)
    assert (said.code, "did you mean pay?" in said.err) == (3, True)
    registry.write_text("services: [")
    said = specql_jobs("breaker", "reset", "pay", env=env, folder=tmp_path)
    assert (said.code, "E310" in said.err) == (3, True)


@pytest.mark.parametrize("command", ["stats", "errors", "list", "count", "list --group-by type", "errors --by type"])
def test_every_read_of_many_says_what_is_paused(board: Board, command: str) -> None:
    """Who looks at the queue learns what is paused, by whom, until when and why, and what ends it."""
    words = command.split()
    assert "paused" not in board(*words).err
    board("pause", "--service", "pay", "--for", "30m", "--reason", "INC-9")
    (warned,) = board(*words, "-o", "json").document["warnings"]
    assert "service pay was paused by" in str(warned)
    assert "INC-9; specql-jobs resume --service pay" in str(warned)
    assert " until 20" in str(warned)


def test_a_pause_of_a_name_that_nobody_knows_is_doubted(board: Board) -> None:
    """A slip at night is told with the nearest name; the pause stands, for the service may be about to come."""
    board.add("payments")
    slip = board("pause", "--operation", "paymets.charge")
    assert (slip.code, "no service is named 'paymets'; did you mean payments?" in slip.err) == (0, True)
    assert "named" not in board("pause", "--service", "payments").err
