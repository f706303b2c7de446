"""The incident `api-down`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path

from support.nights import night


def test_the_dead_jobs_of_an_outage_come_back(tmp_path: Path) -> None:
    """After the walkthrough 340 calls are answered, 3 declined ones stay failed, the ledger has the changes."""
    with night("api-down", tmp_path / "night") as made:
        assert made.wrong()
        made.walk()
        assert made.wrong() == []
        assert made.jobs() == {("charge", "completed"): 300, ("refund", "completed"): 40, ("decline", "failed"): 3}
        assert made.served() == made.ids("--status", "completed")
        assert [kind for kind, _ in made.changes()] == ["pause", "resume", "retry"]
        assert ("retry", "INC-412") in made.changes()
