"""Sandboxes that were being built when their worker was killed: they wait at their gate for ever.

`--die-with-parent` is asked for by bubblewrap's processes themselves: one that was just born when its parent died never
hears of it. In that state no program of a job has run, and no control group holds it yet; a sweep finds it by its name.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(rb"bwrap \(specql-jobs ([0-9]+)\)\0")


def name_for(worker_pid: int) -> str:
    """Return what a sandbox's processes are called (argv[0]) while they wait: whose they are."""
    return f"bwrap (specql-jobs {worker_pid})"


def sweep_orphans(uid: int | None) -> list[str]:
    """Kill the waiting sandboxes of workers that are gone; return which. `uid` None: jobs run as this user."""
    owner = os.geteuid() if uid is None else uid
    found = {pid: worker for pid in _pids() if (worker := _worker_of(pid)) is not None}
    return [f"process {pid}" for pid, worker in found.items() if _killed(pid, worker, owner, found)]


def _killed(pid: int, worker: int, owner: int, found: dict[int, int]) -> bool:
    """The process is held by a descriptor before it is looked at again: its number may have been given away."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        parent, user = _parent_and_user(pid)
        orphan = parent != worker and parent not in found and user == owner and _worker_of(pid) == worker
        if orphan:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return orphan
    except (OSError, ValueError):
        return False
    finally:
        os.close(descriptor)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _worker_of(pid: int) -> int | None:
    """Return whose sandbox a process belongs to, None if it is no sandbox of ours."""
    with suppress(OSError):
        match = _NAME.match(Path(f"/proc/{pid}/cmdline").read_bytes())
        return int(match[1]) if match else None
    return None


def _parent_and_user(pid: int) -> tuple[int, int]:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(fields["PPid"]), int(fields["Uid"].split()[0])
