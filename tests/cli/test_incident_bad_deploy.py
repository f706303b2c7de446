"""The incident `bad-deploy`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path

from support.nights import night


def test_what_a_deploy_broke_runs_again_after_the_roll_back(tmp_path: Path) -> None:
    """After the walkthrough the worker has its old registry, and every job that the deploy broke is completed."""
    with night("bad-deploy", tmp_path / "night") as made:
        assert made.jobs()["charge", "failed"] == 120
        made.walk()
        assert made.wrong() == []
        assert made.jobs() == {("charge", "completed"): 160, ("settle", "completed"): 6}
        (worker,) = made("worker", "list", "-o", "json").data
        (first,) = {made("show", id_, "-o", "json").data[0]["registry_digest"] for id_ in sorted(made.ids())[:1]}
        assert worker["registry_digest"] == first
        assert [kind for kind, _ in made.changes()] == ["pause", "resume", "retry"]
