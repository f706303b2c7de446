"""`init`: what it writes is right at once, and what is there stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from support.cli import specql_jobs
from support.repository import new_repository
from support.tree import ROOT

FILES = ("services.yaml", "registry.schema.json", "specql-jobs.toml", ".github/workflows/specql-jobs.yml")


def test_a_new_project_is_clean(tmp_path: Path) -> None:
    """The registry that init writes has every execution type and passes validate --strict in its folder."""
    made = specql_jobs("init", "shop", folder=tmp_path)
    assert made.code == 0
    assert [line.split()[1] for line in made.out.splitlines()] == list(FILES)
    said = specql_jobs("validate", "--strict", "-o", "json", folder=tmp_path / "shop")
    assert said.code == 0
    assert [each for each in said.data["findings"] if each["severity"] != "info"] == []
    listed = specql_jobs("services", "list", "-o", "json", folder=tmp_path / "shop")
    kinds = [each["execution_type"] for each in listed.data["services"]]
    assert kinds == ["http", "shell", "docker", "serverless"]


def test_every_example_is_explained(tmp_path: Path) -> None:
    """Each service has a comment above it, and the first line tells editors where the schema is."""
    specql_jobs("init", folder=tmp_path)
    lines = (tmp_path / "services.yaml").read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=registry.schema.json"
    starts = [number for number, line in enumerate(lines) if line.startswith("  example_")]
    assert len(starts) == 4
    assert all(lines[number - 1].startswith("  # ") for number in starts)


def test_editors_find_no_fault(tmp_path: Path) -> None:
    """The schema beside the registry accepts it as it stands."""
    specql_jobs("init", folder=tmp_path)
    schema = json.loads((tmp_path / "registry.schema.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load((tmp_path / "services.yaml").read_text()))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that exists keeps every byte, the others are written, and the exit code is 6."""
    (tmp_path / "services.yaml").write_text("mine")
    said = specql_jobs("init", "-o", "json", folder=tmp_path)
    assert said.code == 6
    assert said.error["name"] == "file-exists"
    assert (tmp_path / "services.yaml").read_text() == "mine"
    assert [each["path"] for each in said.data["skipped"]] == ["services.yaml"]
    assert [each["path"] for each in said.data["created"]] == list(FILES[1:])
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    assert specql_jobs("init", folder=tmp_path).code == 6
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A dangling link counts as a file that exists: nothing is written through it."""
    (tmp_path / "services.yaml").symlink_to(tmp_path / "elsewhere")
    assert specql_jobs("init", folder=tmp_path).code == 6
    assert not (tmp_path / "elsewhere").exists()


def test_without_ci(tmp_path: Path) -> None:
    """--ci none writes no workflow."""
    said = specql_jobs("init", "--ci", "none", "-o", "json", folder=tmp_path)
    assert said.code == 0
    assert [each["path"] for each in said.data["created"]] == list(FILES[:3])
    assert all((tmp_path / each["path"]).stat().st_size == each["bytes"] for each in said.data["created"])


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_folder_that_cannot_be(tmp_path: Path, place: str) -> None:
    """Where a file stands in the way of the folder, init is exit 2 and says so."""
    (tmp_path / "taken").write_text("")
    said = specql_jobs("init", place, folder=tmp_path)
    assert said.code == 2
    assert "error[E209 folder-unwritable]" in said.err


def test_the_workflow_calls_what_exists(tmp_path: Path) -> None:
    """The workflow is YAML, and its validate line runs here as it stands."""
    specql_jobs("init", folder=tmp_path)
    workflow = yaml.safe_load((tmp_path / FILES[3]).read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["registry"]["steps"]]
    line = next(step for step in steps if step.startswith("specql-jobs validate"))
    assert specql_jobs(*line.split()[1:], folder=tmp_path).code == 0
    assert (tmp_path / "specql-jobs.sarif").exists()


def test_the_workflow_compares_with_the_branch(tmp_path: Path) -> None:
    """The line for pull requests accepts a registry that is new there, and fails when an operation goes."""
    repository = new_repository(tmp_path / "work")
    repository.write("words", "README")
    repository.commit()
    specql_jobs("init", folder=repository.folder)
    workflow = yaml.safe_load((repository.folder / FILES[3]).read_text())
    (step,) = [each for each in workflow["jobs"]["registry"]["steps"] if "env" in each]
    line = step["run"].replace('"$BASE"', "main").split()
    assert specql_jobs(*line[1:], folder=repository.folder).code == 0
    repository.commit()
    text = (repository.folder / "services.yaml").read_text()
    repository.write(text.replace("      create_order:", "      make_order:"))
    said = specql_jobs(*line[1:], folder=repository.folder)
    assert (said.code, "::error title=specql-jobs SQJ705" in said.out) == (1, True)


def test_the_pre_commit_hook_calls_what_exists(tmp_path: Path) -> None:
    """The hook's entry is a command of this program that takes several files."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    entry = hooks[0]["entry"].split()
    assert entry[0] == "specql-jobs"
    for name in ("services.yaml", "registry.yaml"):
        (tmp_path / name).write_text(f"services: {{{name[:4]}: {{operations: {{go: {{input_schema: {{}}}}}}}}}}")
    assert specql_jobs(*entry[1:], "services.yaml", "registry.yaml", folder=tmp_path).code == 0
