"""`explain`: pages of rules and errors."""

from __future__ import annotations

import shlex

import pytest
from support.cli import specql_jobs

from specql_jobs.cli.catalogue import meant
from specql_jobs.cli.command_tree import whole_tree
from specql_jobs.core.job import Category
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.pages import Page, page, pages

CATEGORIES = [page(str(each)) for each in Category]


def test_a_rule_is_explained_with_both_examples() -> None:
    """A page has why, bad, good, how to mend it, and the comment that suppresses it."""
    said = specql_jobs("explain", "sqj301")
    assert said.code == 0
    assert said.out.startswith("SQJ301 timeout-above-limit (warning)\n")
    for part in (
        "To mend it: ",
        "\nBad:\n",
        "\nGood:\n",
        "  >         timeout: 5m",
        "# specql-jobs: ignore[SQJ301] reason",
    ):
        assert part in said.out


def test_an_error_code_is_explained() -> None:
    """An error has a page too, without examples."""
    said = specql_jobs("explain", "E502", "-o", "json")
    (page,) = said.data
    assert (page["name"], page["severity"], page["bad"]) == ("db-unreachable", None, None)
    assert "reached" in page["why"]


def test_all_pages_as_json() -> None:
    """`--all -o json` has every rule, valid against its schema; errors cannot be suppressed."""
    pages = {each["code"]: each for each in specql_jobs("explain", "--all", "-o", "json").data}
    assert set(RULES) <= set(pages)
    assert pages["SQJ101"]["suppress"] is None
    assert pages["SQJ101"]["bad"]


def test_all_pages_as_a_list_and_as_markdown() -> None:
    """In text `--all` is a line a code; in Markdown it is all pages, each code a heading."""
    listed = specql_jobs("explain", "--all").out.splitlines()
    assert {line.split()[0] for line in listed[1:]} >= set(RULES)
    said = specql_jobs("explain", "--all", "-o", "markdown").out
    assert said.count("\n## SQJ") + said.startswith("## SQJ") == len(RULES)


@pytest.mark.parametrize(("typed", "hint"), [("SQJ30", "SQJ30"), ("nonsense", "--all")])
def test_an_unknown_code_is_exit_3(typed: str, hint: str) -> None:
    """A code that does not exist is exit 3 and names near ones."""
    said = specql_jobs("explain", typed, "-o", "json")
    assert (said.code, said.error["code"]) == (3, "E311")
    assert hint in said.error["hint"]


@pytest.mark.parametrize("arguments", [[], ["SQJ301", "--all"]])
def test_codes_or_all(arguments: list[str]) -> None:
    """Neither a code nor --all, or both, is a wrong call."""
    assert specql_jobs("explain", *arguments).code == 2


# ---- categories of failed jobs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", CATEGORIES, ids=lambda each: each.code)
def test_every_category_has_a_page(each: Page) -> None:
    """Whatever word a failed job carries has a page that says why, how `show` says it, and what to type."""
    assert each.why.endswith(".")
    assert each.fix.endswith(".")
    assert each.looks
    assert len(each.commands) >= 2


def test_no_page_is_about_a_category_that_is_gone() -> None:
    """The pages that are neither a rule's nor an error's are those of the categories, each once."""
    assert [code for code in pages() if code.islower()] == [str(each) for each in Category]


@pytest.mark.parametrize("each", CATEGORIES, ids=lambda each: each.code)
def test_the_commands_of_a_page_can_be_typed(each: Page) -> None:
    """Every command and every flag that a page has somebody type exists."""
    known = {node.name: {name for option in node.options for name in option.names} for node in whole_tree().walk()}
    for line in each.commands:
        program, *typed = shlex.split(line)
        words = meant(typed)
        command = max((name for name in known if words[: len(name.split())] == name.split()), key=len)
        assert program == "specql-jobs"
        assert command, line
        assert {word for word in words if word.startswith("-")} <= known[command], line


def test_a_category_is_explained() -> None:
    """A category's page has what `show` says and lines to type, in text, Markdown and JSON; a slip names it."""
    said = specql_jobs("explain", "Crash_Loop")
    assert said.out.startswith("crash_loop takes-workers-down\n")
    assert "To type:\n    specql-jobs list --category crash_loop --service SERVICE\n" in said.out
    (found,) = specql_jobs("explain", "crash_loop", "-o", "json").data
    assert found["commands"][0] == "specql-jobs list --category crash_loop --service SERVICE"
    assert "```sh\nspecql-jobs list --cat" in specql_jobs("explain", "crash_loop", "-o", "markdown").out
    listed = [line.split()[:3] for line in specql_jobs("explain", "--all").out.splitlines()]
    assert ["crash_loop", "job", "takes-workers-down"] in listed
    assert "crash_loop" in specql_jobs("explain", "crashloop", "-o", "json").error["hint"]
