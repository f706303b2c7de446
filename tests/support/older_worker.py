"""A worker as people wrote them for SpecQL's table, which has none: it polls, and tries failed jobs again itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

TAKE: Final = (
    "SELECT id FROM jobs.tb_job_run WHERE status = 'pending' ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
TAKE_DIRECTLY: Final = (
    "UPDATE jobs.tb_job_run SET status = 'running', started_at = now(), updated_at = now(), attempts = attempts + 1 "
    f"WHERE id = ({TAKE}) RETURNING id"
)
TRY_AGAIN: Final = (
    "UPDATE jobs.tb_job_run SET status = 'pending', updated_at = now() "
    "WHERE status = 'failed' AND attempts < max_attempts"
)
GIVE_BACK: Final = (
    "UPDATE jobs.tb_job_run SET status = 'pending', updated_at = now() WHERE status = 'running' AND started_at < %s"
)


@dataclass(frozen=True, slots=True)
class OlderWorker:
    """It takes jobs through SpecQL's functions, or `directly` with an UPDATE of its own."""

    dsn: str
    directly: bool = False

    def take(self) -> str | None:
        """Start the oldest pending job that nobody holds; return its id."""
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(TAKE_DIRECTLY if self.directly else TAKE).fetchone()
            if row and not self.directly:
                connection.execute("SELECT jobs.mark_job_started(%s)", row)
            return str(row[0]) if row else None

    def complete(self, job: str, output: dict[str, Any]) -> None:
        """Say that a job is done."""
        self._do(
            "UPDATE jobs.tb_job_run SET output_data = %(output)s, status = 'completed' WHERE id = %(job)s"
            if self.directly
            else "SELECT jobs.complete_job_successfully(%(job)s, %(output)s)",
            {"job": job, "output": Jsonb(output)},
        )

    def fail(self, job: str, error: str) -> None:
        """Say that a job failed."""
        self._do(
            "UPDATE jobs.tb_job_run SET error_message = %(error)s, status = 'failed' WHERE id = %(job)s"
            if self.directly
            else "SELECT jobs.fail_job(%(job)s, %(error)s)",
            {"job": job, "error": error},
        )

    def try_again(self) -> int:
        """Make pending what failed with attempts left; return how many."""
        return self._do(TRY_AGAIN)

    def give_back(self, before: str) -> int:
        """Make pending what was started before a time and still runs; return how many."""
        return self._do(GIVE_BACK, (before,))

    def _do(self, statement: str, values: Any = None) -> int:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(statement.encode(), values).rowcount
