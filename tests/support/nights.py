"""Incidents as somebody on call meets them: made, walked out of by the lines of docs/incidents.md, and looked at."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .cli import Said, specql_jobs
from .processes import command

PAGE: Final = Path(__file__).parents[2] / "docs" / "incidents.md"

#: A word in capitals of the page, and how what the commands before printed says it.
WORDS: Final = {
    "PLAN": re.compile(r"--plan (\S+)"),
    "ID": re.compile(r"\b([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\b"),
    "FINGERPRINT": re.compile(r"^([0-9a-f]{12}) ", re.MULTILINE),
}


def written(name: str) -> list[str]:
    """Return the commands of an incident's section, without the program's name and the remarks."""
    section = PAGE.read_text("utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]
    lines = section.split("```sh\n")[1].split("```")[0].splitlines()
    return [
        re.sub(r"(^|\| )specql-jobs ", r"\1", line.partition("  #")[0].rstrip().partition(" # ")[0]) for line in lines
    ]


@dataclass
class Night:
    """One incident that is there."""

    name: str
    folder: Path
    env: Mapping[str, str]
    found: dict[str, str] = field(default_factory=dict)  # what words in capitals stand for, from their first use on
    said: list[str] = field(default_factory=list)  # what the lines printed

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run a command in the incident's folder, its DSN from the environment."""
        return specql_jobs(*arguments, stdin=stdin, env=self.env, folder=self.folder)

    def walk(self) -> None:
        """Type every line of the page; each ends with 0, or with what its remark says."""
        for line in written(self.name):
            self.said.append(self._typed(line))

    def _typed(self, line: str) -> str:
        result = Said(0, "", "")
        for part in line.split(" | "):
            words = [self._meant(word) for word in shlex.split(part)]
            result = self(*words, stdin=result.out)
            assert result.code == (1 if words[:2] == ["services", "diff"] else 0), f"{line}\n{result.out}{result.err}"
        return result.out

    def _meant(self, word: str) -> str:
        if word in WORDS and word not in self.found:
            match = next(filter(None, map(WORDS[word].search, reversed(self.said))), None)
            assert match, f"no {word} in what was printed before:\n{''.join(self.said)}"
            self.found[word] = match[1]
        return self.found.get(word, word)

    def wrong(self) -> list[str]:
        """Return what `--check` finds wrong; its exit code says the same."""
        said = self("demo", "incident", self.name, "--check", "-o", "json")
        incident = said.data["incident"]
        assert (said.code == 0) == incident["healthy"] == (not incident["wrong"])
        return list(incident["wrong"])

    def jobs(self) -> Counter[tuple[str, str]]:
        """Return how many jobs there are of each operation and status."""
        said = self("list", "--limit", "0", "-o", "json")
        return Counter((job["operation"], job["status"]) for job in said.data)

    def changes(self) -> list[tuple[str, Any]]:
        """Return kind and reason of each change of the ledger, oldest first."""
        said = self("changes", "list", "-o", "json")
        return [(change["kind"], change["reason"]) for change in reversed(said.data)]

    def served(self) -> set[str]:
        """Return the jobs whose call the far end answered with 200: their idempotency keys."""
        calls = map(json.loads, (self.folder / "calls.jsonl").read_text("utf-8").splitlines())
        return {call["idempotency_key"] for call in calls if call["status"] == 200}

    def ids(self, *selector: str) -> set[str]:
        """Return the ids that `list` selects."""
        return set(self("list", "-q", "--limit", "0", *selector).out.split())


@contextmanager
def night(name: str, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Night]:
    """Make an incident in a folder that is not there yet; it is ended afterwards, and nothing of it is left."""
    code, said, talk = command("demo", "incident", name, "--folder", str(folder), env=env)
    assert code == 0, said + talk
    assert said.startswith("PAGE ")
    made = Night(name, folder, {**(env or {}), "SPECQL_JOBS_DSN": f"embedded:{folder}/postgres"})
    try:
        yield made
    finally:
        ended = specql_jobs("demo", "incident", name, "--end", "--folder", str(folder), env=env)
    assert ended.code == 0, ended.err
    assert not folder.exists()
