"""`# specql-jobs: ignore[CODE] reason` in a registry."""

from __future__ import annotations

import pytest

from specql_jobs.core.registry.load import Loaded, load_text

FILE = """\
services:
  pay:
    category: money
    {above}
    runner_config: {{base_url: "http://pay.example", timeout: 30s}}{beside}
    security_policy: {{allowed_domains: [pay.example]}}
    operations: {{charge: {{input_schema: {{cents: integer}}}}}}
"""


def read(beside: str = "", above: str = "# -", environment: str = "", tail: str = "") -> Loaded:
    return load_text(FILE.format(beside=beside, above=above) + tail, "f", environment=environment, variables={})


def codes(loaded: Loaded) -> list[str]:
    return [found.code for found in loaded.findings]


@pytest.mark.parametrize(
    "comments",
    [
        {"beside": "  # specql-jobs: ignore[SQJ502] no TLS inside"},
        {"above": "# specql-jobs: ignore[SQJ502] no TLS inside"},
        {"above": "# specql-jobs: ignore[SQJ502] no TLS inside\n    # and more words about it"},
        {"above": "# specql-jobs: ignore[SQJ502] no TLS\n\n    # x", "beside": "  #specql-jobs:ignore[SQJ502] no TLS"},
    ],
)
def test_a_finding_is_suppressed_on_its_line_or_above(comments: dict[str, str]) -> None:
    """A comment on the line, or alone above it with other comments between, takes the finding away and keeps count."""
    loaded = read(**comments)
    assert "SQJ502" not in codes(loaded)
    assert [found.code for found in loaded.suppressed] == ["SQJ502"]


def test_several_codes_in_one_comment() -> None:
    """Codes are separated by commas, and each that finds nothing is reported alone."""
    loaded = read(beside="  # specql-jobs: ignore[SQJ502, SQJ406] no TLS inside")
    assert codes(loaded) == ["SQJ090"]
    assert "SQJ406" in loaded.findings[0].message


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("specql-jobs: ignore[SQJ406] because", ["SQJ090", "SQJ502"]),
        ("specql-jobs: ignore[SQJ502]", ["SQJ092"]),
        ("specql-jobs: ignore[sqj502] because", ["SQJ091", "SQJ502"]),
        ("specql-jobs: ignore[SQJ090] because", ["SQJ091", "SQJ502"]),
        ("specql-jobs: ignore all of it", ["SQJ094", "SQJ502"]),
        ("a word about specql-jobs: ignore[SQJ502] because", ["SQJ502"]),
    ],
)
def test_a_comment_that_does_not_do_what_it_says_is_found(comment: str, expected: list[str]) -> None:
    """Unused, unknown, malformed and unexplained comments are findings at the comment."""
    loaded = read(beside=f"  # {comment}")
    assert sorted(codes(loaded)) == sorted(expected)
    for found in loaded.findings:
        if found.code.startswith("SQJ09"):
            line = FILE.format(beside="  # -", above="").split("\n")[4]
            assert (found.position.line, found.position.column) == (5, line.index("# -") + 1)


def test_an_unknown_code_names_a_near_one() -> None:
    """A code in lower case, or with a digit wrong, is answered with the one that was meant."""
    (found,) = [each for each in read(beside="  # specql-jobs: ignore[sqj502] x").findings if each.code == "SQJ091"]
    assert found.help == "did you mean SQJ502?"


def test_an_error_cannot_be_suppressed() -> None:
    """A registry that cannot work stays refused whatever its comments say."""
    text = "services:\n  pay: {category: c, oprations: {}}  # specql-jobs: ignore[SQJ101, SQJ103] later\n"
    loaded = load_text(text, "f", variables={})
    assert loaded.registry is None
    assert {"SQJ101", "SQJ093"} <= set(codes(loaded))


@pytest.mark.parametrize("quote", ['"{}"', "'{}'", "|\n      {}\n"])
def test_the_same_words_in_a_value_are_no_comment(quote: str) -> None:
    """Text that talks about suppressions suppresses nothing and is not complained about."""
    described = "    description: " + quote.format("see # specql-jobs: ignore[SQJ999] x")
    loaded = read(above=described.strip())
    assert codes(loaded) == ["SQJ502"]


def test_unused_is_not_said_where_rules_did_not_run() -> None:
    """With an environment chosen, or with an error elsewhere, a comment may be needed all the same."""
    overlay = "environments: {test: {services: {pay: {runner_config: {base_url: 'https://pay.example'}}}}}\n"
    comment = "  # specql-jobs: ignore[SQJ502] no TLS inside"
    assert "SQJ090" not in codes(read(comment, environment="test", tail=overlay))
    assert "SQJ090" not in codes(read("  # specql-jobs: ignore[SQJ406] x", tail="services_: {}\n"))


def test_what_depends_on_the_host_is_never_unused() -> None:
    """A comment for a program that only other hosts lack stays without complaint."""
    text = """\
services:
  s:
    category: c
    execution_type: shell
    security_policy:
      resource_limits: {memory: 64MB}
      allowed_commands: [/bin/ls]  # specql-jobs: ignore[SQJ506] not on laptops
    operations: {o: {input_schema: {}, argv: [/bin/ls], timeout: 1s}}
"""
    assert codes(load_text(text, "f", variables={})) == []
