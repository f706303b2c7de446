"""What the README shows is executed: its registry, its commands, its links to what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.processes import command
from support.tree import ROOT

from specql_jobs.cli.catalogue import COMMANDS

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The README's registry as a file."""
    match = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert match is not None
    path = tmp_path / "services.yaml"
    path.write_text(match[1], encoding="utf-8")
    return path


def test_the_commands_in_the_readme_exist() -> None:
    """Every command that the README types is one that the program has."""
    typed = set(re.findall(r"^specql-jobs ([a-z]+)", README, re.MULTILINE))
    assert typed
    assert not typed - COMMANDS.keys()


def test_the_registry_in_the_readme_is_valid(registry: Path) -> None:
    """The README's registry has no error and no warning."""
    code, out, err = command("validate", "--strict", str(registry))
    assert code == 0, out + err


def test_the_example_in_the_readme_is_allowed(registry: Path) -> None:
    """The README's first job has a plan that its policy allows."""
    arguments = ("--registry", str(registry), "--input", '{"text": "hello"}', "--dry-run", "-o", "json")
    code, out, err = command("run", "words.count", *arguments)
    assert code == 0, out + err
    assert json.loads(out)["data"]["verdict"] == "allowed"
