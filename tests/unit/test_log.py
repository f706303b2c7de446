"""The worker's log: closed list of events, one redaction point, one line each."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from specql_jobs.core import log
from specql_jobs.core.log import EVENTS, Level, configure, log_event


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged from here on; the process's own settings are put back."""
    written: list[str] = []
    configure(write=written.append)
    yield written
    configure()


def test_text_line(lines: list[str]) -> None:
    """A text line has time, level, event and key=value pairs; anything unusual is quoted onto the one line."""
    log_event("worker_started", worker_id="w1", note="two words\nand \x1b more")
    (line,) = lines
    assert line.endswith("\n")
    assert " info    worker_started worker_id=w1 " in line
    assert '"two words\\nand \\u001b more"' in line
    assert line.count("\n") == 1


def test_json_line(lines: list[str]) -> None:
    """A JSON line holds the same as one object."""
    configure(as_json=True, write=lines.append)
    log_event("job_failed", job_id="j", attempt=2, error="late")
    found = json.loads(lines[0])
    assert (found["event"], found["level"], found["attempt"], found["error"]) == ("job_failed", "warning", 2, "late")


def test_secrets_are_masked_everywhere(lines: list[str]) -> None:
    """Known secrets and DSN passwords are masked in fields and tracebacks, before the line is made."""
    configure(redact=lambda text: text.replace("s3cret", "•••"), write=lines.append)
    log_event(
        "runner_bug",
        error="token s3cret at postgresql://me:hunter2@db",
        exc_info=ValueError("s3cret hunter"),
    )
    assert "s3cret" not in lines[0]
    assert "hunter2" not in lines[0]
    assert "ValueError" in lines[0]


def test_levels(lines: list[str]) -> None:
    """Below the level nothing is written; an event that the table lacks is loud."""
    log_event("job_succeed", job_id="j")
    assert lines == []
    configure(level=Level.DEBUG, write=lines.append)
    log_event("job_succeed", job_id="j")
    log_event("never_heard_of")
    assert len(lines) == 2
    assert " error " in lines[1]


def test_long_fields_are_cut(lines: list[str]) -> None:
    """A field that is a document does not fill the log."""
    log_event("job_failed", error="x" * 100_000)
    assert len(lines[0]) < 3000


def test_a_stream_that_has_gone_is_no_error() -> None:
    """Logging never stops the work."""

    def gone(_line: str) -> None:
        raise BrokenPipeError

    configure(write=gone)
    log_event("worker_started")
    configure()
    assert log.EVENTS


def test_every_event_in_the_code_is_in_the_table() -> None:
    """Each log_event call with a fixed name uses a name of the closed list."""
    root = Path(log.__file__).parent.parent
    names = {
        node.args[0].value
        for path in [*root.glob("core/**/*.py"), *root.glob("runners/*.py"), *root.glob("cli/**/*.py")]
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "log_event"
        and isinstance(node.args[0], ast.Constant)
    }
    assert names
    assert names <= set(EVENTS)
