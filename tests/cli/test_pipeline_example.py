"""The pipeline of examples/pipeline, enqueued and run as its page says."""

from __future__ import annotations

import json
from pathlib import Path

from support.board import Board

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline"
REGISTRY = ("--registry", str(EXAMPLE / "services.yaml"))


def test_the_example_ends_as_its_page_says(board: Board) -> None:
    """One step fails: what needed it fails or is skipped, what runs all the same ran; a retry brings both back."""
    lines = (EXAMPLE / "pipeline.jsonl").read_text().splitlines()
    refs = [json.loads(line)["ref"] for line in lines]
    made = board("enqueue", "--batch", str(EXAMPLE / "pipeline.jsonl"), *REGISTRY, "-o", "json").data["jobs"]
    ids = dict(zip(refs, (job["id"] for job in made), strict=True))
    assert board("worker", *REGISTRY, "--until-empty").code == 0
    assert {ref: board.status(id_) for ref, id_ in ids.items()} == {
        "extract": "completed",
        "count": "completed",
        "check": "failed",
        "publish": "failed",
        "notify": "cancelled",
        "cleanup": "completed",
    }
    assert board("retry", ids["check"]).code == 0
    assert [board.status(ids[ref]) for ref in ("check", "publish", "notify")] == ["pending"] * 3
