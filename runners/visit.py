"""What a person at this machine wants of an execution beside its outcome: what it leaves, or a shell in its place."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Visit:
    """The default is nobody's: a worker's executions leave nothing and have no terminal.

    `keep`: folders and containers stay, and their names go to `kept`. `shell`: instead of the job's program an
    interactive shell runs, on the terminal of this process, confined exactly as the job would be.
    """

    keep: bool = False
    shell: bool = False
    kept: list[str] = field(default_factory=list)


NOBODY = Visit()

#: What runs instead of the job's program.
SHELL = ("/bin/sh", "-i")
