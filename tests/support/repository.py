"""A git repository made by a test: its own folder, its own author, nothing of the user's configuration."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from .cli import Said, specql_jobs
from .require import require

#: No configuration of the machine or the user decides what a test sees.
PLAIN = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository, and the command line in it."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """Run git; fail the test when it fails."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **PLAIN},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str = "a change") -> str:
        """Commit everything; return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, text: str, name: str = "services.yaml") -> None:
        """Write a file of the work tree."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def validate(self, *arguments: str, **env: str) -> Said:
        """Run `validate` in it."""
        return specql_jobs("validate", *arguments, folder=self.folder, env={**PLAIN, **env})

    def codes(self, *arguments: str) -> dict[str, int]:
        """Return the codes of a run's findings, each with its line."""
        return {each["code"]: each["line"] for each in self.validate(*arguments, "-o", "json").data["findings"]}


def new_repository(folder: Path, text: str = "") -> Repository:
    """Return a repository on branch main; with a text, services.yaml is its first commit. Skip without git."""
    require("git", available=which("git") is not None, reason="it is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    if text:
        made.write(text)
        made.commit("the first")
    return made
