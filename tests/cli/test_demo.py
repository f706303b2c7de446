"""`demo` on this very host: every job ends as the scene says, and nothing stays behind."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.processes import Started
from support.require import require


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of this test alone, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="sqj-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_the_demo_plays_as_its_scene_says_and_leaves_nothing(short_tmp: Path) -> None:
    """Jobs succeed, retry and then succeed, are refused and time out; the temporary folder is empty afterwards."""
    require("sandbox", available=Path("/usr/bin/bwrap").exists(), reason="bubblewrap is not installed")
    said = specql_jobs("demo", "-o", "json")
    assert said.code == 0, said.err
    rows = {row["operation"]: row for row in said.data["rows"]}
    assert said.data["as_expected"]
    assert said.data["skipped"] == []
    assert rows["payments.refund"]["attempts"] == 3
    assert rows["reports.fingerprint"]["peak_memory_mb"] > 0
    assert list(short_tmp.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing_either(
    short_tmp: Path, spawn: Callable[..., Started], tmp_path: Path
) -> None:
    """Ctrl-C in the middle: exit 130, the server and its folder are gone (the session checks for processes)."""
    demo = spawn("demo", env={"TMPDIR": str(short_tmp)}, folder=tmp_path)
    demo.wait_for("enqueueing")
    demo.send(signal.SIGINT)
    assert demo.finish() == 130
    assert list(short_tmp.iterdir()) == []


def test_a_kept_demo_can_be_gone_on_with(tmp_path: Path) -> None:
    """--keep leaves registry and database; the commands it names work on them; it never writes into a full folder."""
    folder = tmp_path / "kept"
    assert specql_jobs("demo", "--keep", str(folder)).code == 0
    listed = specql_jobs("list", "--status", "failed", "--dsn", f"embedded:{folder}/postgres", "-o", "json")
    assert {row["operation"] for row in listed.data} == {"decline", "call", "peek", "nap"}
    again = specql_jobs("demo", "--keep", str(folder))
    assert (again.code, "not empty" in again.err) == (2, True)
