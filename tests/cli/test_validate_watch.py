"""`validate --watch`, `--summary`, `--max-findings`, `--fail-on info`: how often is checked, how much is said."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import specql_jobs, write_registry
from support.processes import COMMAND, Started
from support.waiting import until

WRONG = "services: {pay: {opertions: {}, securty: {}, operations: {a: {}}}}\n"
Spawn = Callable[..., Started]


def test_each_change_is_checked_and_ctrl_c_is_quiet(tmp_path: Path, spawn: Spawn) -> None:
    """The file is checked at once and after each change; Ctrl-C is 130, with no error and no escape in a pipe."""
    path = write_registry(tmp_path)
    watching = spawn("validate", str(path), "--watch", "--summary")
    watching.wait_for("0 errors")
    path.write_text(WRONG)
    watching.wait_for("2 errors")
    write_registry(tmp_path)
    watching.wait_until(lambda: watching.said().count("0 errors") == 2, "the mended file")
    watching.send(signal.SIGINT)
    assert watching.finish() == 130
    assert "error[" not in watching.said()
    assert "\x1b" not in watching.said()


def test_files_that_come_and_go_are_noticed(tmp_path: Path, spawn: Spawn) -> None:
    """A new file in the folder is checked too; a folder left without files is said, and the watch goes on."""
    path = write_registry(tmp_path)
    watching = spawn("validate", str(tmp_path), "--watch", "--summary")
    watching.wait_for("in 1 file (5 operations)")
    other = tmp_path / "other.yaml"
    other.write_text("services: {more: {operations: {a: {input_schema: {}}}}}\n")
    watching.wait_for("in 2 files (6 operations)")
    other.unlink()
    path.unlink()
    watching.wait_for("holds no *.yaml")
    write_registry(tmp_path)
    watching.wait_until(lambda: watching.said().count("in 1 file (5 operations)") >= 2, "the file that came back")


def test_a_changed_ceiling_is_checked_again(tmp_path: Path, spawn: Spawn) -> None:
    """The host's policy file is watched with the registry."""
    path, ceiling = write_registry(tmp_path), tmp_path / "host.toml"
    ceiling.write_text("allow_private_networks: true\n")
    watching = spawn("validate", str(path), "--watch", "--summary", "--select", "SQJ421", "--policy", str(ceiling))
    watching.wait_for("0 warnings")
    ceiling.write_text("allow_private_networks: false\n")
    watching.wait_for("1 warning")
    assert watching.running


def test_a_terminal_is_cleared_first(tmp_path: Path) -> None:
    """On a terminal each check begins on an empty screen."""
    ours, theirs = pty.openpty()
    command = [str(COMMAND), "validate", str(write_registry(tmp_path)), "--watch"]
    watching = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    try:
        until(lambda: select.select([ours], [], [], 0)[0], "something on the screen")
        assert os.read(ours, 4096).startswith(b"\x1b[2J")
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)


@pytest.mark.parametrize("arguments", [("-",), ("-o", "json"), ("-o", "sarif=x.sarif"), ("missing.yaml",)])
def test_what_cannot_be_watched_is_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Stdin, formats for programs and a path that is not there are wrong calls at once."""
    write_registry(tmp_path)
    said = specql_jobs("validate", *arguments, "--watch", folder=tmp_path)
    assert said.code == 2
    assert not (tmp_path / "x.sarif").exists()


def test_summary_is_one_line(tmp_path: Path) -> None:
    """--summary says how many of what, lists nothing, and keeps the exit code."""
    (tmp_path / "services.yaml").write_text(WRONG)
    said = specql_jobs("validate", "--summary", folder=tmp_path)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("2 errors")
    assert len(said.err.splitlines()) == 1


def test_the_worst_findings_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    """--max-findings lists the worst; the summary and the exit code are of all."""
    (tmp_path / "services.yaml").write_text(WRONG)
    every = specql_jobs("validate", "-o", "json", folder=tmp_path).data
    said = specql_jobs("validate", "--max-findings", "1", "-o", "json", folder=tmp_path)
    assert said.code == 1
    assert [each["severity"] for each in said.data["findings"]] == ["error"]
    assert said.data["summary"] == {**every["summary"], "not_shown": len(every["findings"]) - 1}
    text = specql_jobs("validate", "--max-findings", "1", folder=tmp_path)
    assert text.out.count("[SQJ") == 1
    assert f"{len(every['findings']) - 1} more not shown" in text.err


def test_notes_fail_when_asked(tmp_path: Path) -> None:
    """--fail-on info makes a mere note exit 1, which is else exit 0 even with --strict."""
    (tmp_path / "services.yaml").write_text(
        "services: {pay: {operations: {a: {input_schema: {endpoint: string}, timeout: 9}}}}\n"
    )
    said = specql_jobs("validate", "--strict", "-o", "json", folder=tmp_path)
    assert {each["severity"] for each in said.data["findings"]} == {"info"}
    assert said.code == 0
    assert specql_jobs("validate", "--fail-on", "info", folder=tmp_path).code == 1
    assert specql_jobs("validate", "--fail-on", "info", "--strict", folder=tmp_path).code == 1
