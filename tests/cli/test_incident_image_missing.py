"""The incident `image-missing`, resolved by the lines of docs/incidents.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from support.nights import night

if TYPE_CHECKING:
    from support.dockerd import TestEngine


def test_what_failed_for_its_image_runs_once_it_is_there(tmp_path: Path, engine: TestEngine) -> None:
    """After the walkthrough all nine jobs are completed; the image goes with the incident."""
    with night("image-missing", tmp_path / "night", {"DOCKER_HOST": engine.url}) as made:
        assert made.jobs() == {("resize", "failed"): 9}
        made.walk()
        assert made.wrong() == []
        assert made.jobs() == {("resize", "completed"): 9}
        assert ("retry", "INC-417") in made.changes()
    assert not engine.client.images(name="specql-jobs-demo/thumbs")
