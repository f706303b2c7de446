"""A queue with known jobs in it, and the command line on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from .cli import Said, specql_jobs

TENANT = "6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11"


@dataclass(frozen=True, slots=True)
class Board:
    """One database, the command line on it, and a way to put rows into any state."""

    dsn: str

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run a command on this database, its DSN from the environment."""
        return specql_jobs(*arguments, stdin=stdin, env={"SPECQL_JOBS_DSN": self.dsn, "SPECQL_JOBS_ACTOR": "mo"})

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def add(self, service: str = "pay", operation: str = "ok", status: str = "pending", **columns: Any) -> str:
        """Insert one job in a state, with whatever that state demands; return its id."""
        filled: dict[str, Any] = {"service_name": service, "operation": operation, "status": status, **columns}
        if status != "pending":
            filled = {"started_at": "now", "worker_id": "w1", "attempts": 1, **filled}
        if status in ("completed", "failed", "cancelled"):
            filled = {"completed_at": "now", **filled}
        filled["input_data"] = json.dumps(filled.get("input_data", {}))
        names, marks = ", ".join(filled), ", ".join(["%s"] * len(filled))
        ((made,),) = self.sql(f"INSERT INTO jobs.tb_job_run ({names}) VALUES ({marks}) RETURNING id", *filled.values())
        return str(made)

    def status(self, id_: str) -> str:
        """Return one job's status."""
        ((found,),) = self.sql("SELECT status FROM jobs.tb_job_run WHERE id = %s", id_)
        return str(found)

    def ids(self, *selector: str) -> set[str]:
        """Return the ids that `list` selects."""
        said = self("list", *selector, "-o", "json")
        assert said.code == 0, said.err
        return {each["id"] for each in said.data}
