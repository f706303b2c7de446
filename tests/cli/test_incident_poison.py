"""The incident `poison`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path

from support.nights import night


def test_a_job_that_kills_workers_is_run_once_it_cannot(tmp_path: Path) -> None:
    """After three workers the job is failed, after the walkthrough it is completed, and none was lost."""
    with night("poison", tmp_path / "night") as made:
        assert made.jobs() == {
            ("transcode", "completed"): 20,
            ("transcode", "failed"): 1,
            ("transcode", "pending"): 5,
        }
        lost = [each for each in made("worker", "list", "-o", "json").data if each["state"] == "lost"]
        assert len(lost) == 3
        made.walk()
        assert made.wrong() == []
        assert made.jobs()["transcode", "completed"] >= 21
        assert sum(made.jobs().values()) == 26
        assert [kind for kind, _ in made.changes()] == ["pause", "resume", "retry"]
