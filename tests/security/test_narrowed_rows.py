"""Rows that ask for less than the policy: granted, and held by the kernel, seen from outside the job."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from support.board import Board
from support.shelljobs import folder, sandbox_here

__all__ = ["folder", "sandbox_here"]  # fixtures, imported for their names

REGISTRY: Final = """
services:
  box:
    execution_type: shell
    security_policy:
      allowed_commands: [/usr/bin/python3]
      resource_limits: {{memory_mb: 256, pids: 30, disk_mb: 32, open_files: 200, cpu_cores: 1}}
      network_access: all
      file_access: read_write
      write_paths: ["{folder}"]
      max_execution_time: 60
    operations:
      run: {{input_schema: {{code: string}}, argv: [/usr/bin/python3, "-c", "{{code}}"], timeout: 12, max_retries: 0}}
"""

#: What a row narrows, what its job then tries, and how it must fail: category and words.
CASES: Final[dict[str, tuple[dict[str, Any], str, str, str]]] = {
    "memory": (
        {"resource_limits": {"memory_mb": 40}},
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "resource_exhausted",
        "memory limit of 40 MiB",
    ),
    "processes": (
        {"resource_limits": {"pids": 4}},
        "import os, time\nfor n in range(9):\n  if os.fork() == 0: time.sleep(60)",
        "resource_exhausted",
        "limit of 4 processes",
    ),
    "scratch": (
        {"resource_limits": {"disk_mb": 1}},
        "import os\nf = os.open('/work/x', 65)\nfor n in range(4): os.write(f, bytes(1 << 19))",
        "target_error",
        "File too large",
    ),
    "descriptors": (
        {"resource_limits": {"open_files": 20}},
        "x = [open('/dev/null') for n in range(30)]",
        "target_error",
        "Too many open files",
    ),
    "cpu": (
        {"resource_limits": {"cpu_seconds": 1}},
        "while True: pass",
        "resource_exhausted",
        "cpu_seconds limit of 1 s",
    ),
    "time": ({"max_execution_time": 1}, "import time; time.sleep(60)", "timeout", "timeout of 1 s"),
    "output": (
        {"max_output_bytes": 1000},
        "while True: print('x' * 1000)",
        "resource_exhausted",
        "max_output_bytes is 1000",
    ),
    "network": (
        {"network_access": "none"},
        "import socket; socket.create_connection(('127.0.0.1', PORT), 5)",
        "target_error",
        "",
    ),
    "files": ({"file_access": "read"}, "open('FOLDER/planted', 'w')", "target_error", "Read-only file system"),
    "commands": ({"allowed_commands": []}, "pass", "policy_violation", "nothing is allowed"),
}


@pytest.fixture
def board(dsn: str) -> Board:
    """A migrated database without jobs."""
    return Board(dsn)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on this host's loopback, which the policy lets a job reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield server


def _add(board: Board, code: str, asked: dict[str, Any] | None) -> str:
    sql = (
        "INSERT INTO jobs.tb_job_run (service_name, operation, input_data, security_context)"
        " VALUES ('box', 'run', %s, %s) RETURNING id"
    )
    ((made,),) = board.sql(sql, json.dumps({"code": code}), None if asked is None else json.dumps(asked))
    return str(made)


def _work(board: Board, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "services.yaml"
    path.write_text(REGISTRY.format(folder=folder))
    said = board("worker", "--registry", str(path), "--until-empty", "--concurrency", "3")
    assert said.code == 0, said.err


def _row(board: Board, id_: str) -> tuple[Any, ...]:
    columns = "status, error_category, coalesce(error_message, ''), resource_usage, output_data"
    (found,) = board.sql(f"SELECT {columns} FROM jobs.tb_job_run WHERE id = %s", id_)
    return found


def test_what_a_row_narrows_is_what_the_kernel_holds(
    board: Board, tmp_path: Path, folder: Path, listener: socket.socket
) -> None:
    """Each limit and permission that a row takes away is gone for its job, though the registry grants more."""
    folder.chmod(0o777)
    added = {}
    for name, (asked, code, _, _) in CASES.items():
        added[name] = _add(board, _filled(code, folder, listener), asked)
    _work(board, tmp_path, folder)
    for name, (_, _, category, words) in CASES.items():
        status, found, message, usage, output = _row(board, added[name])
        assert (name, status, found) == (name, "failed", category), (message, output)
        assert words in message
        assert (usage or {}).get("peak_memory_mb", 0) < 50
    assert list(folder.iterdir()) == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_without_the_row_the_same_jobs_may(board: Board, tmp_path: Path, folder: Path, listener: socket.socket) -> None:
    """Under the registry's own policy those jobs write, connect and have room: it was the row that took it away."""
    folder.chmod(0o777)
    names = ("scratch", "descriptors", "network", "files", "commands")
    added = [_add(board, _filled(CASES[name][1], folder, listener), None) for name in names]
    _work(board, tmp_path, folder)
    assert [_row(board, id_)[:3] for id_ in added] == [("completed", None, "")] * len(names)
    assert [path.name for path in folder.iterdir()] == ["planted"]
    listener.accept()[0].close()


def _filled(code: str, folder: Path, listener: socket.socket) -> str:
    return code.replace("PORT", str(listener.getsockname()[1])).replace("FOLDER", str(folder))


#: More than the policy, or nonsense.
BEYOND: Final[list[dict[str, Any]]] = [
    {"resource_limits": {"memory_mb": 257}},
    {"resource_limits": {"memory": "1GB"}},
    {"resource_limits": {"pids": 31}},
    {"resource_limits": {"cpu_cores": 1.1}},
    {"resource_limits": {"cpu": 1e300}},
    {"resource_limits": {"memory_mb": 40, "max_processes": 64}},
    {"resource_limits": {"memory_mb": 0}},
    {"resource_limits": {"memory_mb": -1}},
    {"resource_limits": {"memory_mb": 0.4}},
    {"resource_limits": {"memory_mb": None}},
    {"resource_limits": {"memory_mb": "unlimited"}},
    {"resource_limits": {"pids": True}},
    {"resource_limits": []},
    {"resource_limits": {"oom_score": 1}},
    {"sandbox": "none"},
    {"sandbox": None},
    {"write_paths": ["/"]},
    {"write_paths": ["FOLDER/../.."]},
    {"read_paths": ["/etc"]},
    {"allowed_env": ["LD_PRELOAD"]},
    {"allowed_commands": ["/usr/bin/python3", "/bin/sh"]},
    {"allowed_commands": "/usr/bin/python3"},
    {"localhost_ports": [5432]},
    {"max_execution_time": 61},
    {"network_access": "host"},
    {"working_directory_restrictions": "/"},
    {"allow_unsandboxed": True},
    {"__class__": "x"},
]


def test_nothing_is_run_for_a_row_that_asks_for_more_or_for_nonsense(
    board: Board, tmp_path: Path, folder: Path
) -> None:
    """A term beyond the policy, of the wrong kind, or unknown, refuses the job: it leaves no trace in its folder."""
    folder.chmod(0o777)
    asked = json.loads(json.dumps(BEYOND).replace("FOLDER", str(folder)))
    added = [_add(board, f"open('{folder}/ran{number}', 'w')", each) for number, each in enumerate(asked)]
    _work(board, tmp_path, folder)
    ends = {json.dumps(each): _row(board, id_)[:2] for each, id_ in zip(asked, added, strict=True)}
    assert [(each, end) for each, end in ends.items() if end != ("failed", "policy_violation")] == []
    assert list(folder.iterdir()) == []


#: Next to nothing, and how a job that needs more must fail.
SMALLEST: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "memory": ({"resource_limits": {"memory_mb": 1}}, "resource_exhausted"),
    "files": ({"resource_limits": {"open_files": 1}}, "target_error"),
    "processes": ({"resource_limits": {"pids": 1}}, "resource_exhausted"),
    "cpu": ({"resource_limits": {"cpu_cores": 1e-9}}, "timeout"),
    "cpu time": ({"resource_limits": {"cpu_seconds": 1e-9}}, "resource_exhausted"),
    "time": ({"max_execution_time": 1e-9}, "timeout"),
    "output": ({"max_output_bytes": 1}, "resource_exhausted"),
}

NEEDY: Final = """
import os, time
if os.fork() == 0:
    time.sleep(60)
kept = [open('/dev/null') for number in range(99)]
start = time.process_time()
while time.process_time() < start + 2:
    pass
os.write(1, bytes(99))
time.sleep(1)
"""


def test_the_smallest_limits_do_not_turn_into_none(board: Board, tmp_path: Path, folder: Path) -> None:
    """A limit next to zero is still a limit: a job that needs more than it is ended by just that limit."""
    added = {name: _add(board, NEEDY, asked) for name, (asked, _) in SMALLEST.items()}
    _work(board, tmp_path, folder)
    ends = {name: _row(board, id_)[1] for name, id_ in added.items()}
    assert ends == {name: category for name, (_, category) in SMALLEST.items()}
