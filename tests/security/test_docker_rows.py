"""Rows in the queue that ask for another container than the registry's, and workers that die: with the real worker.

Each is checked from outside: what stands in the row, which container lives, what was written to the shared folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from support.board import Board
from support.dockerd import BUSYBOX, OTHER_NAME, TestEngine
from support.dockerjobs import running
from support.processes import Started
from support.waiting import until

Spawn = Callable[..., Started]

REGISTRY: Final = """
services:
  box:
    execution_type: docker
    runner_config:
      image: "{image}"
      network_mode: {network}
      volumes: [{{host_path: "{folder}", container_path: /data, mode: rw}}]
    security_policy:
      allowed_images: ["{image}"]
      network_isolation: {isolated}
      resource_limits: {{memory_mb: 64, pids: 20, disk_mb: 8, cpu_cores: 1, open_files: 64}}
      volume_restrictions: {{allowed_host_paths: ["{folder}"], max_volumes: 1}}
      max_execution_time: 60
    operations:
      run: {{input_schema: {{code: string}}, command: [/bin/sh, "-c", "{{code}}"], timeout: 30, max_retries: 0}}
      ask: {{input_schema: {{command: array?, env_vars: object?}}, timeout: 30, max_retries: 2}}
"""


@pytest.fixture
def board(dsn: str, engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A migrated database without jobs, and commands that find the engine as users do."""
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    return Board(dsn)


def _registry(tmp_path: Path, folder: Path, *, bridge: bool = False, image: str = BUSYBOX) -> str:
    folder.chmod(0o777)
    path = tmp_path / "services.yaml"
    network, isolated = ("bridge", "false") if bridge else ("none", "true")
    path.write_text(REGISTRY.format(image=image, folder=folder, network=network, isolated=isolated))
    return str(path)


def _add(board: Board, code: str, operation: str = "run", **columns: Any) -> str:
    given = columns.pop("input", {"code": code})
    names = "".join(f", {name}" for name in columns)
    marks = ", %s" * len(columns)
    sql = f"INSERT INTO jobs.tb_job_run (service_name, operation, input_data{names}) VALUES ('box', %s, %s{marks})"
    values = [json.dumps(value) for value in columns.values()]
    ((made,),) = board.sql(f"{sql} RETURNING id", operation, json.dumps(given), *values)
    return str(made)


def _work(board: Board, registry: str) -> None:
    said = board("worker", "--registry", registry, "--until-empty", "--concurrency", "4")
    assert said.code == 0, said.err


def _row(board: Board, id_: str) -> tuple[Any, ...]:
    columns = "status, error_category, coalesce(error_message, ''), resource_usage, output_data, attempts"
    (found,) = board.sql(f"SELECT {columns} FROM jobs.tb_job_run WHERE id = %s", id_)
    return found


#: What a row may not ask of its runner: anything that the registry does not state.
OTHER_CONFIG: Final[list[dict[str, Any]]] = [
    {"image": OTHER_NAME},
    {"image": BUSYBOX.upper()},
    {"command": ["/bin/sh"]},
    {"entrypoint": ["/bin/sh"]},
    {"user": "root"},
    {"user": 0},
    {"network_mode": "bridge"},
    {"network_mode": "host"},
    {"volumes": [{"host_path": "/etc", "container_path": "/data", "mode": "rw"}]},
    {"volumes": []},
    {"read_only": False},
    {"privileged": True},
    {"cap_add": ["ALL"]},
    {"devices": ["/dev/sda"]},
    {"pid_mode": "host"},
    {"runtime": "runc"},
    {"environment": {"LD_PRELOAD": "/x"}},
    {"working_dir": "/proc/self/fd/7"},
    {"tmpfs": {"/x": 10000}},
    {"security_opt": ["seccomp=unconfined"]},
    {"extra_hosts": ["a:1"]},
    {"labels": {"specql-jobs.owner": "x"}},
]

#: What a row may not ask of its policy: more, or nonsense.
MORE: Final[list[dict[str, Any]]] = [
    {"allowed_images": [OTHER_NAME]},
    {"allowed_images": [BUSYBOX, OTHER_NAME]},
    {"allowed_images": ["*"]},
    {"resource_limits": {"memory_mb": 65}},
    {"resource_limits": {"memory": "unlimited"}},
    {"resource_limits": {"pids": -1}},
    {"resource_limits": {"cpu_cores": 2}},
    {"resource_limits": {"disk_mb": 9}},
    {"volume_restrictions": {"allowed_host_paths": ["/"]}},
    {"volume_restrictions": {"max_volumes": 2}},
    {"network_isolation": False},
    {"network_access": "all"},
    {"max_execution_time": 61},
    {"max_output_bytes": 10**9},
    {"allowed_env": ["LD_PRELOAD"]},
    {"privileged": True},
]


def test_rows_that_ask_for_another_container(board: Board, tmp_path: Path, volume: Path) -> None:
    """Another image, command, user, network, folder, right or limit refuses the job; nothing of it is run."""
    marker = "touch /data/{}"
    config = [_add(board, marker.format(f"c{n}"), runner_config=each) for n, each in enumerate(OTHER_CONFIG)]
    policy = [_add(board, marker.format(f"p{n}"), security_context=each) for n, each in enumerate(MORE)]
    _work(board, _registry(tmp_path, volume))
    ends = zip([*OTHER_CONFIG, *MORE], (_row(board, id_)[:2] for id_ in [*config, *policy]), strict=True)
    assert [(asked, end) for asked, end in ends if end != ("failed", "policy_violation")] == []
    assert list(volume.iterdir()) == []


#: Less than the policy, what the job then tries, and the words of its end.
LESS: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "memory": ({"resource_limits": {"memory_mb": 16}}, "head -c 30000000 /dev/zero | tr '\\0' x | awk 1", "16 MiB"),
    "processes": ({"resource_limits": {"pids": 5}}, "for n in 1 2 3 4 5 6 7 8; do sleep 2 & done; wait", "fork"),
    "scratch": (
        {"resource_limits": {"disk_mb": 1}},
        "dd if=/dev/zero of=/tmp/x bs=1M count=3 2>&1 | grep No >&2; exit 1",
        "No space left",
    ),
    "files": ({"resource_limits": {"open_files": 30}}, "ulimit -n 40", "setting limit"),
    "time": ({"max_execution_time": 1}, "sleep 30", "timeout of 1 s"),
    "output": ({"max_output_bytes": 100}, "yes", "max_output_bytes is 100"),
    "volumes": ({"volume_restrictions": {"max_volumes": 0}}, "touch /data/x", "volumes"),
    "folders": ({"volume_restrictions": {"allowed_host_paths": []}}, "touch /data/x", "nothing is allowed"),
    "images": ({"allowed_images": []}, "touch /data/x", "nothing is allowed"),
    "digest": ({"require_digest": True}, "touch /data/x", "not pinned"),
}


def test_rows_that_ask_for_less_get_less(board: Board, tmp_path: Path, volume: Path) -> None:
    """What a row takes away is gone for its job, though the registry grants more."""
    added = {name: _add(board, code, security_context=asked) for name, (asked, code, _) in LESS.items()}
    plain = _add(board, "dd if=/dev/zero of=/tmp/x bs=1M count=3; touch /data/planted")
    _work(board, _registry(tmp_path, volume))
    for name, (_, _, words) in LESS.items():
        status, category, message, *_ = _row(board, added[name])
        assert (name, status) == (name, "failed"), (name, category, message)
        assert words in message, (name, message)
    assert _row(board, plain)[0] == "completed"
    assert [path.name for path in volume.iterdir()] == ["planted"]


def test_a_row_may_take_the_network_away(board: Board, tmp_path: Path, volume: Path, engine: TestEngine) -> None:
    """A service with a network serves a row that wants none."""
    if not engine.has_bridge:
        pytest.skip("this engine has no bridge")
    code = "ls /sys/class/net | wc -l"
    without = _add(board, code, security_context={"network_isolation": True})
    plain = _add(board, code)
    _work(board, _registry(tmp_path, volume, bridge=True))
    assert [_row(board, id_)[4]["stdout"].strip() for id_ in (without, plain)] == ["1", "2"]


def test_input_is_data_not_a_program(board: Board, tmp_path: Path, volume: Path) -> None:
    """Where the operation has a command, a `command` in the input is refused by its schema or is only data."""
    extra = _add(board, "", input={"code": "true", "command": ["/bin/touch", "/data/x"]})
    loader = _add(board, "", "ask", input={"command": ["/bin/touch", "/data/y"], "env_vars": {"LD_PRELOAD": "/x"}})
    _work(board, _registry(tmp_path, volume))
    assert [_row(board, id_)[1] for id_ in (extra, loader)] == ["invalid_input", "policy_violation"]
    assert list(volume.iterdir()) == []


def test_a_missing_image_burns_no_attempts(board: Board, tmp_path: Path, volume: Path) -> None:
    """A job whose image is not there fails at its first attempt, with the command that brings the image."""
    id_ = _add(board, "", "ask", input={"command": ["/bin/true"]})
    _work(board, _registry(tmp_path, volume, image="absent:1"))
    status, category, message, _, _, attempts = _row(board, id_)
    assert (status, category, attempts) == ("failed", "infrastructure", 1)
    assert "docker pull absent:1" in message


def test_a_killed_worker_leaves_nothing_after_the_next_sweep(
    board: Board, tmp_path: Path, volume: Path, spawn: Spawn, engine: TestEngine
) -> None:
    """kill -9 of a worker: its container runs on, until the next worker starts, which removes it."""
    mark = uuid4().hex
    _add(board, f"sleep 120; : {mark}")
    registry = _registry(tmp_path, volume)
    first = spawn("worker", "--registry", registry, "--dsn", board.dsn)
    until(lambda: running(f"; : {mark}"), "the container runs")
    first.kill()
    assert running(f"; : {mark}")
    board.sql("UPDATE jobs.tb_job_run SET status = 'failed', completed_at = now(), error_category = 'worker_lost'")
    spawn("worker", "--registry", registry, "--dsn", board.dsn).wait_for("worker_started")
    until(lambda: not engine.ours(), "the sweep")
    assert running(f"; : {mark}") == []
    until(lambda: not list(Path("/sys/fs/cgroup").glob(f"*/specql-docker-*.{first.pid}.*")), "its groups are gone too")


def test_a_worker_without_its_engine_leaves_the_jobs(
    board: Board, tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that finds no engine claims no container jobs, says so, and burns no attempt."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    id_ = _add(board, "true")
    said = board("worker", "--registry", _registry(tmp_path, volume), "--until-empty")
    assert said.code == 5
    assert "cannot be reached" in said.err
    assert (_row(board, id_)[0], _row(board, id_)[5]) == ("pending", 0)


def test_cancel_of_a_queued_job_stops_its_container(
    board: Board, tmp_path: Path, volume: Path, spawn: Spawn, engine: TestEngine
) -> None:
    """`specql-jobs cancel` of a running container job ends what runs in it, and then the job."""
    mark = uuid4().hex
    id_ = _add(board, f"(setsid sleep 300; : {mark}) & wait")
    spawn("worker", "--registry", _registry(tmp_path, volume), "--dsn", board.dsn).wait_for("worker_started")
    until(lambda: running(mark), "the container runs")
    assert board("cancel", id_, "--yes").code == 0
    until(lambda: board.status(id_) == "cancelled", "the job is cancelled")
    assert (running(mark), engine.ours()) == ([], [])


def test_nothing_is_left_after_random_kills(
    board: Board, tmp_path: Path, volume: Path, spawn: Spawn, engine: TestEngine
) -> None:
    """Workers killed one after another in the middle of their jobs leave no container and no control group."""
    registry = _registry(tmp_path, volume)
    mark = uuid4().hex
    for _ in range(12):
        _add(board, f"sleep 0.3; : {mark}")
    killed = []
    for _ in range(3):
        worker = spawn("worker", "--registry", registry, "--dsn", board.dsn, "--concurrency", "3")
        until(lambda: running(f"; : {mark}"), "a container runs")
        worker.kill()
        killed.append(worker.pid)
    board.sql("UPDATE jobs.tb_job_run SET status = 'failed', completed_at = now() WHERE status = 'running'")
    spawn("worker", "--registry", registry, "--dsn", board.dsn).wait_for("worker_started")
    until(lambda: not board.ids("--status", "pending,running") and not engine.ours(), "the rest, and the sweep")
    assert running(f"; : {mark}") == []
    groups = [f"*/specql-docker-*.{pid}.*" for pid in killed]
    until(lambda: not [path for each in groups for path in Path("/sys/fs/cgroup").glob(each)], "no group is left")
