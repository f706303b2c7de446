"""The sides that stand beside each other: how each is started, and how Postgres says that its jobs are done."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from environments import NODE_ENVIRONMENT, peer_node, peer_python
from measuring import HERE


@dataclass(frozen=True, slots=True)
class SideOf:
    """One queue. `scale`: which part of a benchmark's jobs it gets, so that a slow one ends in time."""

    name: str
    command: tuple[str, ...]
    settled: str  # true when nothing is left, running or to be written
    table: str
    scale: float = 1.0
    concurrency: int = 500  # its best, measured

    def jobs(self, jobs: int) -> int:
        """Return how many of a benchmark's jobs this side gets."""
        return max(int(jobs * self.scale), 1)

    def environment(self) -> dict[str, str]:
        """Return the variables that its processes need beside ours."""
        return {"BENCH_NODE": str(NODE_ENVIRONMENT), "NODE_ENV": "production"}


OURS = SideOf(
    "specql-jobs",
    (sys.executable, str(HERE / "ours.py")),
    "SELECT NOT EXISTS (SELECT FROM jobs.tb_job_run WHERE status IN ('pending', 'running'))",
    "jobs.tb_job_run",
)


def peers() -> tuple[SideOf, ...]:
    """Return the peers that can run here, their environments made."""
    python = peer_python()
    found = [
        SideOf(
            "PgQueuer 1.6",
            (python, str(HERE / "peers" / "pgqueuer_side.py")),
            "SELECT NOT EXISTS (SELECT FROM pgqueuer)",
            "pgqueuer",
        ),
        SideOf(
            "Procrastinate 3.10",
            (python, str(HERE / "peers" / "procrastinate_side.py")),
            "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
            "procrastinate_jobs",
            scale=0.05,
            concurrency=50,
        ),
    ]
    return (*_from_npm(), *found)


def _from_npm() -> tuple[SideOf, ...]:
    node = peer_node()
    if node is None:
        print("node and npm are not here: Graphile Worker and pg-boss are left out", file=sys.stderr)
        return ()
    return (
        SideOf(
            "Graphile Worker 0.18",
            (node, str(HERE / "peers" / "graphile_side.mjs")),
            "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs)",
            "graphile_worker._private_jobs",
            concurrency=24,
        ),
        SideOf(
            "pg-boss 12.38",
            (node, str(HERE / "peers" / "pgboss_side.mjs")),
            "SELECT NOT EXISTS (SELECT FROM pgboss.job WHERE name = 'noop' AND state < 'completed')",
            "pgboss.job",
            concurrency=1000,
        ),
    )
