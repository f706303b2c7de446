"""Thousands of jobs while workers are killed and PostgreSQL restarts; `python -m support.storm` is the large one."""

from __future__ import annotations

from pathlib import Path

from support.postgres import PostgresAbsent, serve_private
from support.require import require
from support.storm import Terms, storm


async def test_every_job_ends_once_in_a_storm(tmp_path: Path) -> None:
    """Whatever is killed, each job ends once, and each result is of the execution that its lease made."""
    terms = Terms(jobs=1500, workers=4, kills=3, restarts=1)
    try:
        with serve_private() as server:
            reckoning = await storm(terms, server, tmp_path)
    except PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))
    assert (reckoning.kills, reckoning.restarts) == (3, 1)
    reckoning.check()
