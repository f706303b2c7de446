"""The pages of `explain`: each rule's own examples are its tests, so that neither can drift."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from support import tree
from support.online import World, asked

from specql_jobs.core.entities.load import hold
from specql_jobs.core.entities.load import load as load_entities
from specql_jobs.core.errors import NotFound
from specql_jobs.core.job import JobRecord
from specql_jobs.core.online.subjects import Kind
from specql_jobs.core.registry.ceiling import load_ceiling, wider
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.compatibility import change_findings, compare_loaded
from specql_jobs.core.registry.load import Loaded, load, load_text
from specql_jobs.core.registry.model import Finding, Severity
from specql_jobs.core.registry.pages import Page, page, pages
from specql_jobs.core.registry.queued import Group, QueueCheck
from specql_jobs.core.specql.compiler import Wanted, compile_entities

#: Rules that ask the world outside, and what it has.
ONLINE = {
    "SQJ901": Kind.DNS,
    "SQJ902": Kind.DNS,
    "SQJ903": Kind.SECRETS,
    "SQJ904": Kind.IMAGE,
    "SQJ905": Kind.FUNCTION,
}
WORLD = World(frozenset({"scorer:2.0.0"}), ("resize",))
RULE_PAGES = [each for each in pages().values() if each.code in RULES]


def read(each: Page, text: str, folder: Path) -> Loaded:
    """One example as a user would have it: in a file, and held against what the page gives for it."""
    for given, reader in (
        (each.code in ONLINE, online),
        (each.ceiling, held),
        (each.registry, called),
        (each.before, compared),
        (each.queued, queued),
        (each.beside, beside),
    ):
        if given:
            return reader(each, text, folder)
    return load_text(text, "f.yaml", variables=each.variables)


def online(each: Page, text: str, _folder: Path) -> Loaded:
    """One example of which the world outside is asked, as `validate --online` does."""
    loaded = load_text(text, "f.yaml", variables={})
    return replace(loaded, findings=asked(loaded, ONLINE[each.code], each.variables, WORLD).findings)


def beside(each: Page, text: str, folder: Path) -> Loaded:
    """One example with the page's other file beside it."""
    (folder / "a.yaml").write_text(each.beside)
    (folder / "f.yaml").write_text(text)
    return load([folder], variables=each.variables)


def held(each: Page, text: str, folder: Path) -> Loaded:
    """One example held against the host's policy, as `validate --policy` does."""
    (folder / "host.yaml").write_text(each.ceiling)
    loaded = load_text(text, "f.yaml", variables=each.variables)
    assert loaded.registry is not None
    found = tuple(wider(loaded.registry, load_ceiling(folder / "host.yaml")))
    return replace(loaded, findings=(*loaded.findings, *found))


def called(each: Page, text: str, folder: Path) -> Loaded:
    """One entity held against the page's registry, as `validate --entities` does; and compiled, for those rules."""
    (folder / "f.yaml").write_text(text)
    loaded = load_text(each.registry, "services.yaml", variables=each.variables)
    assert loaded.registry is not None
    held = hold(load_entities([folder / "f.yaml"]), loaded.registry)
    made = compile_entities(held.entities, loaded.registry, Wanted()) if "SQJ650" < each.code < "SQJ700" else ()
    return replace(loaded, findings=(*held.findings, *(one for entity in made for one in entity.findings)))


def compared(each: Page, text: str, _folder: Path) -> Loaded:
    """One example held against the page's other version, as `validate --diff-base` does."""
    old, new = (load_text(version, "f.yaml", variables=each.variables) for version in (each.before, text))
    changes, problems = compare_loaded(old, new, "REF")
    return replace(new, findings=(*new.findings, *change_findings(changes, old, new), *problems))


def queued(each: Page, text: str, _folder: Path) -> Loaded:
    """One example held against the page's jobs and a worker that executes http, as `validate --against-queue` does."""
    loaded = load_text(text, "f.yaml", variables=each.variables)
    assert loaded.registry is not None
    groups = [Group(job["service"], job["operation"], job.get("execution_type", ""), 1, 0) for job in each.queued]
    check = QueueCheck(loaded, loaded.registry, groups, None)
    for group, job in zip(groups, each.queued, strict=True):
        record = JobRecord(uuid4(), group.service, group.operation, 0, 0, security_context=job.get("security_context"))
        check.take(group, record, json.dumps(job["input"]))
    return replace(loaded, findings=(*loaded.findings, *check.findings(frozenset({"http"}))))


def of(loaded: Loaded, code: str) -> list[Finding]:
    return [found for found in loaded.findings if found.code == code]


@pytest.mark.parametrize("each", RULE_PAGES, ids=lambda each: each.code)
def test_the_bad_example_has_the_finding_in_its_line(each: Page, tmp_path: Path) -> None:
    """A rule finds what its page shows, once or more, with the first in the marked line."""
    found = of(read(each, each.bad, tmp_path), each.code)
    assert found, read(each, each.bad, tmp_path).findings
    assert found[0].position.line == each.line
    assert found[0].severity is RULES[each.code].severity


@pytest.mark.parametrize("each", RULE_PAGES, ids=lambda each: each.code)
def test_the_good_example_has_no_such_finding(each: Page, tmp_path: Path) -> None:
    """A page's remedy is one: the finding is gone, and no error came in its place."""
    loaded = read(each, each.good, tmp_path)
    assert of(loaded, each.code) == []
    assert [found for found in loaded.findings if found.severity is Severity.ERROR] == []


@pytest.mark.parametrize("each", RULE_PAGES, ids=lambda each: each.code)
def test_the_finding_points_at_a_token(each: Page, tmp_path: Path) -> None:
    """No caret goes beyond its line, and none stands under nothing."""
    for found in of(read(each, each.bad, tmp_path), each.code):
        line = each.bad.removeprefix("\ufeff").split("\n")[found.position.line - 1]
        assert found.position.column <= len(line) + 1
        assert line[found.position.column - 1 :].strip()


def test_a_security_minded_reader_finds_enough() -> None:
    """There are at least sixty rules, each with a page that says why and how to mend it."""
    assert len(RULES) >= 60
    assert {each.code for each in RULE_PAGES} == set(RULES)
    assert not [each.code for each in pages().values() if not each.why.endswith(".") or not each.fix]


def test_pages_are_found_by_code_and_name_in_any_case() -> None:
    """Whoever types a code in lower case, or the rule's word, gets the page."""
    assert page("sqj301") is page("timeout-above-limit") is page("SQJ301")
    assert page("e502").name == "db-unreachable"


@pytest.mark.parametrize(("typed", "near"), [("SQJ9O1", "SQJ"), ("timeout-above-limits", "SQJ301"), ("qqq", "--all")])
def test_an_unknown_code_is_answered_with_near_ones(typed: str, near: str) -> None:
    """A slip of the finger is answered with what was probably meant."""
    with pytest.raises(NotFound) as caught:
        page(typed)
    assert near in caught.value.hint


def test_notes_about_a_host_policy_do_not_stop_it(tmp_path: Path) -> None:
    """An anchor that nobody uses, in the host's policy file, is no reason to refuse to start."""
    (tmp_path / "host.yaml").write_text("max_execution_time: &longest 10m\n")
    assert load_ceiling(tmp_path / "host.yaml").everywhere[0].value == 600.0


def test_every_error_code_has_a_page_with_its_name() -> None:
    """Whatever code a command prints, `explain` knows it, and under the same name."""
    text = "\n".join(source.text for source in tree.sources("core", "runners", "cli"))
    printed = set(re.findall(r'"(E\d{3})"', text))
    assert {"E221", "E502", "E700"} <= printed
    assert printed <= {code for code in pages() if code.startswith("E")}
    named = re.findall(r'code="(E\d{3})",\s*name="([a-z-]+)"', text) + re.findall(r'"(E\d{3})", "([a-z-]+)"', text)
    assert len(named) > 10
    assert not [(code, name) for code, name in named if code != "E310" and page(code).name != name]
