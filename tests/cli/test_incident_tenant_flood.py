"""The incident `tenant-flood`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path

from support.nights import night

FLOODER = "ac3e0000-0000-4000-8000-000000000001"


def test_a_flood_is_cancelled_and_the_others_are_served(tmp_path: Path) -> None:
    """After the walkthrough the others' 40 reports are completed, the flood is cancelled, and no row is gone."""
    with night("tenant-flood", tmp_path / "night") as made:
        made.walk()
        assert made.wrong() == []
        counts = made("list", "--status", "cancelled", "--limit", "1", "-o", "json").document["page"]
        assert counts["total"] > 29_000
        assert len(made.ids("--tenant", f"!{FLOODER}", "--status", "completed")) == 40
        assert len(made.ids()) >= 30_040
        assert [kind for kind, _ in made.changes()] == ["pause", "cancel", "resume"]
