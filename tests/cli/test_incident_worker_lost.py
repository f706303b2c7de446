"""The incident `worker-lost`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path

from support.nights import night


def test_the_jobs_of_a_lost_worker_are_given_back(tmp_path: Path) -> None:
    """After the walkthrough all nine exports are completed, and the ledger has the rescue."""
    with night("worker-lost", tmp_path / "night") as made:
        held = made.ids("--status", "running")
        assert len(held) == 6
        made.walk()
        assert made.wrong() == []
        assert made.jobs() == {("build", "completed"): 9}
        assert made.served() == made.ids("--status", "completed") > held
        assert made.changes() == [("rescue", "INC-413 app-2 lost its disk")]
