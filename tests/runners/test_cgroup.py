"""Control groups: where they are found on every kind of host, which limits are set, and groups of real processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from support.require import require
from support.waiting import until

from specql_jobs.core.contract import ResourceRequirements
from specql_jobs.runners.cgroup import Hierarchy, JobGroup, limits, write
from specql_jobs.runners.cgroup_host import CgroupHost, find

JOB = UUID(int=7)
SMALL = ResourceRequirements(memory_mb=32, pids=5, cpu_cores=0.5)


def _mount(point: str, kind: str, options: str, root: str = "/") -> str:
    return f"30 20 0:26 {root} {point} rw,relatime shared:9 - {kind} {kind} rw,{options}"


def test_unified_hierarchy_is_found() -> None:
    """On a v2 host the worker's own group is the base."""
    found = find("0::/system.slice/jobs.service\n", _mount("/sys/fs/cgroup", "cgroup2", "nsdelegate"))
    assert found == (Hierarchy(Path("/sys/fs/cgroup/system.slice/jobs.service"), frozenset(), unified=True),)


def test_leaf_that_the_worker_moved_into_is_not_the_base() -> None:
    """A worker that has moved itself into its leaf finds the group above again."""
    found = find("0::/jobs.service/specql-worker\n", _mount("/sys/fs/cgroup", "cgroup2", "nsdelegate"))
    assert found[0].base == Path("/sys/fs/cgroup/jobs.service")


def test_mixed_hierarchies_are_found_each_with_its_own_path() -> None:
    """On a v1 host every controller may have the worker in another group, and v2 may stand beside them."""
    cgroups = "4:memory:/nested/id\n3:cpu,cpuacct:/\n2:pids:/p\n1:name=systemd:/\n0::/\n"
    mounts = "\n".join(
        [
            _mount("/c/memory", "cgroup", "memory"),
            _mount("/c/cpu", "cgroup", "cpu,cpuacct"),
            _mount("/c/pids", "cgroup", "pids"),
            _mount("/c/pids-again", "cgroup", "pids"),
            _mount("/c/systemd", "cgroup", "xattr,name=systemd"),
            _mount("/c/unified", "cgroup2", "nsdelegate"),
            _mount("/", "ext4", "discard"),
        ]
    )
    found = {str(item.base): sorted(item.controllers) for item in find(cgroups, mounts)}
    assert found == {
        "/c/memory/nested/id": ["memory"],
        "/c/cpu": ["cpu", "cpuacct"],
        "/c/pids/p": ["pids"],
        "/c/unified": [],
    }


def test_path_inside_a_container_is_taken_from_the_mounts_root() -> None:
    """Where only a part of a hierarchy is mounted, the worker's path counts from that part."""
    mounts = _mount("/sys/fs/cgroup/pids", "cgroup", "pids", root="/docker/abc")
    assert find("2:pids:/docker/abc/inner\n", mounts)[0].base == Path("/sys/fs/cgroup/pids/inner")
    assert find("2:pids:/docker/abc\n", mounts)[0].base == Path("/sys/fs/cgroup/pids")


def test_limits_of_v2() -> None:
    """A unified group gets memory without swap, whole-group killing, processes, and a share of CPU time."""
    unified = Hierarchy(Path("/x"), frozenset({"memory", "pids", "cpu"}), unified=True)
    assert {name: value for name, value, _ in limits(unified, SMALL)} == {
        "memory.max": "33554432",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "6",
        "cpu.max": "50000 100000",
    }


def test_limits_of_v1_come_only_where_the_controller_is() -> None:
    """A v1 group is given only the limits of its own controllers, memory before memory with swap."""
    memory = Hierarchy(Path("/x"), frozenset({"memory"}), unified=False)
    assert [name for name, _, _ in limits(memory, SMALL)] == ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
    cpu = Hierarchy(Path("/x"), frozenset({"cpu"}), unified=False)
    tiny = ResourceRequirements(cpu_cores=0.001)
    assert list(limits(cpu, tiny))[-1] == ("cpu.cfs_quota_us", "1000", True)
    assert list(limits(memory, ResourceRequirements())) == []


def test_usage_is_read_from_files_of_either_version(tmp_path: Path) -> None:
    """CPU time, peak memory, traffic, kills and refused forks are read from v2's files as from v1's."""
    two, one = tmp_path / "v2", tmp_path / "v1"
    files = {
        two / "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
        two / "memory.peak": "1048576\n",
        two / "memory.events": "low 0\noom 1\noom_kill 2\n",
        two / "pids.events": "max 3\n",
        two / "io.stat": "8:0 rbytes=10 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n",
        one / "cpuacct.usage": "1500000000\n",
        one / "memory.max_usage_in_bytes": "1048576\n",
        one / "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        one / "pids.events": "max 3\n",
        one / "blkio.throttle.io_service_bytes": "8:0 Read 10\n8:0 Write 5\n8:0 Total 15\nTotal 15\n",
    }
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    seen = [JobGroup(((Hierarchy(path, frozenset(), unified=False), path),)).usage() for path in (two, one)]
    assert seen[0] == seen[1]
    assert (seen[0].cpu_seconds, seen[0].peak_bytes, seen[0].io_bytes) == (1.5, 1048576, 15)
    assert (seen[0].oom_kills, seen[0].forks_refused) == (2, 3)


def test_refused_write_is_an_error_at_once(tmp_path: Path) -> None:
    """A control file that cannot be written raises; nothing is buffered and forgotten."""
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "memory.max", "1")
    assert not (tmp_path / "memory.max").exists()


# ---- real groups -----------------------------------------------------------------------------------------------------


@pytest.fixture
def host() -> Iterator[CgroupHost]:
    found = CgroupHost.detect()
    require("sandbox", found.can_kill and "pids" in found.enforces, "no control group can be written here")
    yield found
    found.close()


def test_group_holds_kills_and_goes(host: CgroupHost) -> None:
    """Processes born in a group are in it whatever session they make; kill ends all, and the group can be removed."""
    group = host.create("host:1", JOB, 1, SMALL)
    script = "read go; setsid sleep 60 & setsid sleep 60 & exec sleep 60"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE) as process:
        group.attach(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        until(lambda: len(group.pids()) == 3, "three processes are in the group")
        group.kill()
        until(lambda: not group.pids(), "the group is empty")
    assert process.returncode == -9
    assert group.remove()
    assert not any(path.exists() for _, path in group.places)


def test_processes_are_limited(host: CgroupHost) -> None:
    """Forks beyond the limit fail and are counted."""
    group = host.create("host:1", JOB, 2, SMALL)
    script = "read go; for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; wait"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        group.attach(process.pid)
        process.communicate(b"\n")
        assert group.usage().forks_refused >= 1
        assert len(group.pids()) <= 6
        group.kill()
        until(lambda: not group.pids(), "the group is empty")
    assert group.remove()


def test_sweep_leaves_living_workers_alone(host: CgroupHost) -> None:
    """The folder of a worker that lives is kept, known to the database or not: its lock says that it lives."""
    group = host.create("host:2", JOB, 3, SMALL)
    other = CgroupHost.detect()
    swept = other.sweep(frozenset())
    assert not [path for path in swept if any(str(place.parent) == path for _, place in group.places)]
    assert all(place.exists() for _, place in group.places)
    assert group.remove()


def test_sweep_takes_what_a_dead_worker_left(host: CgroupHost) -> None:
    """Groups without a living worker are removed and their processes killed, unless the worker is said to be alive."""
    group = host.create("dead:1", JOB, 4, SMALL)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        group.attach(process.pid)
        for held in host._held.pop("dead:1"):
            os.close(held[2])  # as the kernel does when the worker dies
        assert not [path for path in host.sweep(frozenset({"dead:1"})) if "dead_1" in path]
        removed = [path for path in host.sweep(frozenset()) if "dead_1" in path]
    assert process.returncode == -9
    assert len(removed) == len(group.places)
    assert not any(place.exists() for _, place in group.places)
