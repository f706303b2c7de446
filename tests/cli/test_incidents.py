"""`demo incident`: what it says before, without and after an incident."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.nights import night, written
from support.processes import Started

from specql_jobs.cli.demo.incidents import INCIDENTS


def test_the_six_are_listed() -> None:
    """Without a name every incident is listed with what it teaches, also as JSON."""
    listed = specql_jobs("demo", "incident")
    assert listed.code == 0
    assert all(f"{each.name} " in listed.out and each.teaches in listed.out for each in INCIDENTS)
    assert [each["name"] for each in specql_jobs("demo", "incident", "-o", "json").data["known"]] == [
        each.name for each in INCIDENTS
    ]


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_the_page_has_the_way_out_that_walk_shows(incident: object) -> None:
    """docs/incidents.md and --walk have the same commands, fewer than ten of them."""
    assert incident in INCIDENTS
    (known,) = [each for each in INCIDENTS if each is incident]
    assert written(known.name) == list(known.walk)
    assert len(known.walk) < 10
    assert 2 <= len(known.page) <= 4


def test_an_unknown_incident_is_not_found() -> None:
    """A mistyped name is exit 3 with the nearest, on stderr or as JSON."""
    said = specql_jobs("demo", "incident", "api-dwn")
    assert (said.code, "did you mean api-down?" in said.err) == (3, True)
    assert specql_jobs("demo", "incident", "api-dwn", "-o", "json").error["exit_code"] == 3


@pytest.mark.parametrize("flag", ["--mend", "--check", "--end"])
def test_an_incident_that_is_not_there_is_not_found(flag: str, tmp_path: Path) -> None:
    """--mend, --check and --end of an incident that nobody made are exit 3, and make no folder."""
    said = specql_jobs("demo", "incident", "api-down", flag, folder=tmp_path)
    assert (said.code, list(tmp_path.iterdir())) == (3, [])


@pytest.mark.parametrize(
    "wrong", [("api-down", "--mend", "--check"), ("--mend",), ("--folder", "x")], ids=lambda words: words[0]
)
def test_a_wrong_call_is_a_usage_error(wrong: tuple[str, ...], tmp_path: Path) -> None:
    """Two things at once, or a flag without a name, are exit 2."""
    assert specql_jobs("demo", "incident", *wrong, folder=tmp_path).code == 2


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """An incident is made only where nothing is: exit 2, and what is there stays."""
    (tmp_path / "notes").write_text("mine")
    assert specql_jobs("demo", "incident", "api-down", "--folder", str(tmp_path)).code == 2
    assert [each.name for each in tmp_path.iterdir()] == ["notes"]


def test_without_an_engine_no_image_can_be_missing(tmp_path: Path) -> None:
    """`image-missing` on a host without a container engine is exit 5, says what to do, and leaves nothing."""
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none"}
    said = specql_jobs("demo", "incident", "image-missing", "-o", "json", env=env, folder=tmp_path)
    assert (said.code, said.error["exit_code"]) == (5, 5)
    assert said.error["hint"]
    assert list(tmp_path.iterdir()) == []


def test_an_incident_is_made_once_and_found_from_its_own_folder(tmp_path: Path) -> None:
    """Made twice is exit 6; in its folder no flag is needed; an unmended one is not healthy; mended twice is exit 2."""
    with night("bad-deploy", tmp_path / "night") as made:
        assert specql_jobs("demo", "incident", "bad-deploy", "--folder", str(made.folder)).code == 6
        assert len(made.wrong()) == 3
        assert [made("demo", "incident", "bad-deploy", "--mend").code for _ in range(2)] == [0, 2]


def test_an_interrupted_making_leaves_nothing(spawn: Callable[..., Started], tmp_path: Path) -> None:
    """Ctrl-C while an incident is made: exit 130, no folder (the session checks for processes)."""
    folder = tmp_path / "night"
    making = spawn("demo", "incident", "worker-lost", "--folder", str(folder), folder=tmp_path)
    making.wait_until((folder / "worker.log").exists, "a worker is started")
    making.send(signal.SIGINT)
    assert making.finish() == 130
    assert not folder.exists()
