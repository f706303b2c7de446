"""`help` and `man`: topics and pages, as text and as roff that man and mandoc find nothing wrong with."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.at_terminal import at_terminal
from support.cli import specql_jobs
from support.processes import COMMAND
from support.require import require
from support.tree import ROOT

from specql_jobs.cli.catalogue import COMMANDS
from specql_jobs.cli.command_tree import whole_tree
from specql_jobs.cli.exits import Exit
from specql_jobs.cli.manual import pages
from specql_jobs.cli.manual.roff import roff
from specql_jobs.cli.topic_texts import topics

PAGES = dict(zip(pages.files(), pages.names(), strict=True))


# ---- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exit-codes", "selectors", "time", "output"])
def test_each_topic_is_told(name: str) -> None:
    """`help TOPIC` prints its title and text, and the list of commands names it."""
    said = specql_jobs("help", name)
    assert said.code == 0
    assert said.out.startswith(f"{topics()[name].title}\n")
    assert name in specql_jobs("help").out


def test_every_exit_code_is_explained() -> None:
    """The topic exit-codes has a line for each code that a command can end with."""
    first = [line.split()[0] for line in topics()["exit-codes"].body.splitlines() if line.startswith("    ")]
    assert {str(int(code)) for code in Exit} <= set(first)


def test_help_names_every_selector() -> None:
    """The topic selectors has every option that `list` selects with."""
    node = next(each for each in whole_tree().children if each.path == ("list",))
    shared = {"--output", "--quiet", "--verbose", "--color", "--dsn", "--profile", "--help"}
    wanted = {option.name for option in node.options} - shared
    text = topics()["selectors"].body
    assert not {name for name in wanted - {"--group-by", "--exact"} if name not in text}


def test_help_as_json() -> None:
    """With -o json the topics are listed, or one is given with its text."""
    assert {each["name"] for each in specql_jobs("help", "-o", "json").data["topics"]} == set(topics())
    assert "Ctrl-C" in specql_jobs("help", "exit-codes", "-o", "json").data["text"]


def test_an_unknown_topic_is_not_found() -> None:
    """A word that is neither topic nor command is exit 3 with the nearest."""
    said = specql_jobs("help", "exit-code", "-o", "json")
    assert (said.code, said.error["code"]) == (3, "E313")
    assert "exit-codes" in said.error["hint"]


# ---- man -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", PAGES)
def test_the_page_is_fresh(file: str) -> None:
    """The committed page is what the commands make; `make gen` would change nothing."""
    assert (ROOT / "man" / file).read_text("ascii") == roff(pages.page(PAGES[file]))


def test_no_page_is_left_over() -> None:
    """The folder man/ holds the pages of the commands that there are, and no other."""
    assert {path.name for path in (ROOT / "man").iterdir()} == set(PAGES)
    assert set(PAGES) == {"specql-jobs.1", "specql-jobs-registry.5", *(f"specql-jobs-{name}.1" for name in COMMANDS)}


def test_readers_of_manuals_find_nothing_wrong() -> None:
    """man warns of nothing, and mandoc's lint of nothing but the length of lines that one types."""
    for tool in ("man", "mandoc"):
        require("manual", available=shutil.which(tool) is not None, reason=f"{tool} is not installed")
    files = sorted(map(str, (ROOT / "man").iterdir()))
    for file in files:
        done = subprocess.run(["man", "--warnings", "-l", file], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert "EXIT STATUS" in done.stdout or file.endswith(".5")
    lint = subprocess.run(["mandoc", "-T", "lint", *files], capture_output=True, text=True, check=False)
    assert not [line for line in (lint.stdout + lint.stderr).splitlines() if "longer than 80 bytes" not in line]


def test_every_option_is_in_the_manual() -> None:
    """Each command's page names every option and argument of everything below it."""
    for node in whole_tree().children:
        text = json.dumps([[block.term for block in part.blocks] for part in pages.page(node.path[0]).parts])
        missing = [
            name
            for leaf in node.walk()
            if not leaf.children
            for o in leaf.options
            for name in o.names
            if name not in text
        ]
        assert missing == []


def test_the_registry_page_has_every_key() -> None:
    """specql-jobs-registry(5) names every key that the JSON Schema of the registry knows."""
    schema = json.loads((ROOT / "schemas" / "registry.schema.json").read_text("utf-8"))
    keys = {key for each in schema["$defs"].values() for key in each.get("properties", {})}
    terms = {block.term.removesuffix(" (required)") for part in pages.page("registry").parts for block in part.blocks}
    assert keys - terms == set()


@pytest.mark.parametrize("word", ["retry", "specql-jobs-retry", "specql-jobs-retry.1"])
def test_a_page_in_a_pipe_is_plain_text(word: str) -> None:
    """`man PAGE | cat` is text without escapes, under each of the page's names."""
    said = specql_jobs("man", word)
    assert said.out.startswith("SPECQL-JOBS-RETRY(1)\n")
    assert "--fingerprint F" in said.out
    assert "\x1b" not in said.out + said.err
    assert "\b" not in said.out


def test_the_manual_as_json_and_its_list() -> None:
    """-o json has the page's text, --list every page's name, and an unknown page is exit 3."""
    assert specql_jobs("man", "registry", "-o", "json").data["text"].startswith("SPECQL-JOBS-REGISTRY(5)")
    assert specql_jobs("man", "--list").out.split() == pages.names()
    assert specql_jobs("man", "--list", "-o", "json").data["text"] is None
    said = specql_jobs("man", "rety", "-o", "json")
    assert (said.code, said.error["code"]) == (3, "E314")
    assert "specql-jobs-retry" in said.error["hint"]


def test_man_opens_the_page_at_a_terminal() -> None:
    """At a terminal the system's man shows the page."""
    require("manual", available=shutil.which("man") is not None, reason="man is not installed")
    with at_terminal(str(COMMAND), "man", "retry", env={"MANPAGER": "cat", "PAGER": "cat"}) as terminal:
        assert terminal.finish() == 0
        assert "General Commands Manual" in terminal.text


def test_without_man_the_page_is_printed(tmp_path: Path) -> None:
    """A host without man shows the same page as text."""
    with at_terminal("/usr/bin/env", f"PATH={tmp_path}", str(COMMAND), "man", "retry") as terminal:
        assert terminal.finish() == 0
        assert "SPECQL-JOBS-RETRY(1)" in terminal.text
