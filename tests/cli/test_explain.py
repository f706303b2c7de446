"""`explain`: pages of rules and errors."""

from __future__ import annotations

import pytest
from support.cli import specql_jobs

from specql_jobs.core.registry.codes import RULES


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
