"""`top` on a real terminal: what it shows, what its keys do, and how it leaves the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.board import Board
from support.postgres import Server
from support.terminal import FIRST_SCREEN, OTHER_SCREEN, Terminal, terminal
from support.waiting import until


@contextmanager
def _top(board: Board, **more: object) -> Iterator[Terminal]:
    env = {"SPECQL_JOBS_DSN": board.dsn, "SPECQL_JOBS_ACTOR": "mo"}
    with terminal("top", "--interval", "1s", env=env, **more) as found:  # type: ignore[arg-type] # the size alone
        before = found.settings
        yield found
        assert found.settings == before


@pytest.fixture
def busy(board: Board) -> Board:
    """Three services; one of them has failed jobs of one kind."""
    board.add("mail", "send")
    board.add("mail", "send", status="running")
    board.add("thumbs", "resize", status="completed")
    board.add("thumbs", "resize")
    for number in range(3):
        failed = {"error_category": "target_error", "error_message": f"HTTP status 503 \x1b[2J{number}"}
        board.add("pay", "charge", status="failed", fingerprint="f0f0f0", **failed)
    return board


def test_numbers_errors_and_leaving(busy: Board) -> None:
    """Services with their counts, the groups of errors below; q gives the terminal back and ends with 0."""
    with _top(busy) as seen:
        seen.shows("thumbs")
        mail = next(line for line in seen.screen if line.startswith("mail")).split()
        assert mail[:5] == ["mail", "1", "·", "1", "·"]
        assert next(line for line in seen.screen if line.startswith("pay ")).split()[4] == "3"
        seen.shows("HTTP status 503 \\x1b[2J")
        assert OTHER_SCREEN in seen.written
        seen.press("q")
        assert seen.finish() == 0
        assert FIRST_SCREEN in seen.written


def test_actions_ask_and_show_their_command(busy: Board) -> None:
    """r asks, y does it, any other key is a no; the command is on the screen, and once more after leaving."""
    with _top(busy) as seen:
        seen.shows("thumbs")
        seen.press("jr")
        seen.shows("retry 3 jobs of --service pay? y/N")
        seen.press("n")
        seen.shows("nothing was changed")
        seen.press("r")
        seen.shows("y/N")
        seen.press("y")
        seen.shows("retry: 3 of 3 jobs")
        seen.shows("ran: specql-jobs retry --service pay --status failed --since 1h --reason 'from top' --yes")
        seen.press("q")
        assert seen.finish() == 0
        after = seen.written.split(FIRST_SCREEN)[1]
    assert "specql-jobs retry --service pay --status failed --since 1h --reason 'from top' --yes" in after
    assert busy.sql("SELECT count(*) FROM jobs.tb_job_run WHERE service_name = 'pay' AND status = 'pending'") == [(3,)]
    assert busy.sql("SELECT kind, actor, reason FROM jobs.tb_change") == [("retry", "mo", "from top")]


def test_pause_resume_and_cancel(busy: Board) -> None:
    """p pauses the chosen service and resumes a paused one; x cancels its open jobs, after a question."""
    with _top(busy) as seen:
        seen.shows("thumbs")
        seen.press("p")
        seen.shows("service mail is paused for 30m, until 2")
        seen.shows("PAUSED until ")
        lasts = "SELECT name, actor, until <= paused_at + interval '30 min' FROM jobs.tb_pause"
        assert busy.sql(lasts) == [("mail", "mo", True)]
        seen.press("p")
        seen.shows("service mail is dispatched again")
        seen.press("x")
        seen.shows("cancel 2 jobs of --service mail? y/N")
        seen.press("y")
        seen.shows("cancel: 2 of 2 jobs")
        seen.press("q")
        assert seen.finish() == 0
        left = seen.written.split(FIRST_SCREEN)[1].replace("\r", "").split("\n")
    commands = [line for line in left if line.startswith("specql-jobs ")]
    assert [line.split()[1] for line in commands] == ["pause", "resume", "cancel"]
    assert "--for 30m" in commands[0]
    for line in commands[:2]:  # they are what they say: typed, they are accepted
        assert busy(*line.replace("'", "").replace("from top", "again").split()[1:]).code == 0


def test_panes(busy: Board) -> None:
    """e shows the groups of errors, enter the jobs of one, enter again its command; escape leads back; / filters."""
    with _top(busy) as seen:
        seen.shows("thumbs")
        seen.press("e")
        seen.shows("GROUP")
        seen.press("\r")
        seen.shows("jobs of --fingerprint f0f0f0")
        until(lambda: sum("  failed  pay.charge" in line for line in seen.screen) == 3, "its three jobs are shown")
        seen.press("\r")
        seen.shows("ran: specql-jobs show ")
        seen.press("\x1b")
        seen.shows("GROUP")
        seen.press("e/thu")
        seen.shows("/thu_")
        until(lambda: not any(line.startswith("mail") for line in seen.screen), "the others are gone")
        seen.press("\x1b?")
        seen.shows("choose a line")
        seen.press("q")
        assert seen.finish() == 0


@pytest.mark.parametrize("size", [(40, 12), (20, 4), (200, 50)])
def test_sizes(busy: Board, size: tuple[int, int]) -> None:
    """No line is longer than the terminal, no frame higher; a change of size is drawn at once."""
    with _top(busy, size=size) as seen:
        seen.shows("q quit")
        assert max(map(len, seen.screen)) <= size[0]
        assert len(seen.screen) <= size[1]
        seen.resize(80, 20)
        until(lambda: len(seen.screen) == 20, "it fills the new height")
        assert max(map(len, seen.screen)) <= 80
        seen.press("q")
        assert seen.finish() == 0


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x1a q", 0)])
def test_control_keys(busy: Board, key: str, code: int) -> None:
    """Ctrl-C is 130 and leaves the terminal as it was; Ctrl-Z, which would leave it changed, does nothing."""
    with _top(busy) as seen:
        seen.shows("thumbs")
        seen.press(key)
        assert seen.finish() == code
        assert seen.written.rstrip().count(FIRST_SCREEN) == 1


def test_without_a_terminal(board: Board) -> None:
    """In a pipe, with -o json and on a dumb terminal it is exit 2 and names stats."""
    said = board("top")
    assert (said.code, said.out) == (2, "")
    assert "specql-jobs stats" in said.err
    assert board("top", "-o", "json").error["hint"] == "specql-jobs stats"
    with terminal("top", env={"SPECQL_JOBS_DSN": board.dsn, "TERM": "dumb"}) as seen:
        assert seen.finish() == 2


def test_no_database() -> None:
    """A database that does not answer is exit 5, told before the screen is taken."""
    with terminal("top", env={"SPECQL_JOBS_DSN": "postgresql://me@127.0.0.1:1/app"}) as seen:
        assert seen.finish() == 5
        assert OTHER_SCREEN not in seen.written
        assert "E502" in seen.written


def test_the_database_goes_away(own_server: Server) -> None:
    """While PostgreSQL is away the screen says how old it is; when it is back the numbers go on."""
    board = Board(own_server.dsn)
    board.add("mail", "send")
    with _top(board) as seen:
        seen.shows("mail")
        assert own_server.private is not None
        own_server.private.leave()
        seen.shows("the database does not answer")
        own_server.private.join()
        board.add("new", "one")
        seen.shows("new ")
        seen.press("q")
        assert seen.finish() == 0
