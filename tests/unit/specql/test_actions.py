"""What of an action is compiled and what is a finding: nothing that an entity says is left away without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.compiled import found, of_text

ENTITY = """\
entity: Thing
fields: {{name: text!, size: integer, job_id: uuid}}
actions:
  - name: go
    input: {{name: text, size: integer}}
    {action}
    steps:
      - insert: Thing
      {step}
      - call_service: {{service: svc, operation: op, input: {{name: $thing.name}}}}
"""


def made(folder: Path, step: str = "# -", action: str = "# -") -> tuple[str, list[tuple[str, int]]]:
    """The SQL of an action with one more step or key, and what the compiler found."""
    (entity,) = of_text(folder, ENTITY.format(step=step, action=action), tables=False)
    return entity.sql, found([entity])


def test_the_plain_action_has_no_findings(tmp_path: Path) -> None:
    """What the other tests change compiles."""
    sql, findings = made(tmp_path)
    assert ("CREATE OR REPLACE FUNCTION public.go(" in sql, findings) == (True, [])


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("- insert: Thing(name = 'a;b(c)', size = 3)", "(name, size)"),
        ("- update: Thing SET size = size + 1 WHERE name = 'x'", "size = t.size + 1"),
        ("- update: {set: {size: null}}", "size = NULL"),
        ("- {update: Thing, set: {name: $input.name}}", "name = go.name"),
        ("- {insert: Thing, values: {name: x}, as: second}", "_second public.tb_thing;"),
        ("- delete: Thing WHERE size > 9", "WHERE (t.size > 9)"),
        ("- {validate: size > 1, error: Much too small.}", "'Much too small.'"),
    ],
)
def test_every_form_of_a_step_is_compiled(tmp_path: Path, step: str, wanted: str) -> None:
    """Texts, mappings and keys beside the step mean the same as where SpecQL reads them."""
    sql, findings = made(tmp_path, step)
    assert (wanted in sql, findings) == (True, [])


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("- notify: somebody", "SQJ651"),
        ("- frobnicate: somebody", "SQJ651"),
        ("- update", "SQJ651"),
        ("- {update: Thing SET size = 1, when: size > 3}", "SQJ651"),
        ("- {validate: size > 1, unless: size > 3}", "SQJ651"),
        ("- insert: Thing {name}", "SQJ651"),
        ("- insert: Thing(name)", "SQJ651"),
        ("- {insert: Thing, where: size > 3, values: {name: x}}", "SQJ651"),
        ("- if: size > 1", "SQJ651"),
        ("- update: Thing", "SQJ656"),
        ("- update: Elsewhere SET x = 1 WHERE y = 2", "SQJ656"),
        ("- validate: size > bigger", "SQJ652"),
        ("- validate: true and $response.ok", "SQJ652"),
        ("- update: {set: {size: [1, 2]}}", "SQJ652"),
    ],
)
def test_what_is_not_compiled_is_told_at_its_line(tmp_path: Path, step: str, code: str) -> None:
    """Another kind of step, a key that might say when it is done, a value without a place: an error, and no SQL."""
    assert made(tmp_path, step) == ("", [(code, 9)])


def test_a_key_of_the_action_that_would_be_left_away_is_told(tmp_path: Path) -> None:
    """A permission that is not compiled is no permission."""
    assert made(tmp_path, action="requires: caller.is_admin") == ("", [("SQJ651", 6)])
    assert made(tmp_path, action="description: anything")[1] == []


def test_all_findings_of_an_action_come_at_once(tmp_path: Path) -> None:
    """One that cannot be compiled does not hide the next."""
    step = "- validate: nothing > 1\n      - notify: x\n      - update: Elsewhere SET x = 1"
    assert made(tmp_path, step)[1] == [("SQJ652", 9), ("SQJ651", 10), ("SQJ656", 11)]


def test_two_actions_of_one_name_are_told_apart_across_files(tmp_path: Path) -> None:
    """The later of two functions would take the earlier one's place, be it of another entity."""
    text = "entity: {name}\nfields: {{a: text}}\nactions: {{go: {{steps: [{{update: {{set: {{a: x}}}}}}]}}}}\n"
    first, second = of_text(tmp_path, text.format(name="A"), text.format(name="B"), tables=False)
    assert (found([first]), found([second]), second.sql) == ([], [("SQJ655", 3)], "")
    assert first.sql


def test_the_same_entity_gives_the_same_sql(tmp_path: Path) -> None:
    """No time, no chance and no order of a set is in it."""
    assert made(tmp_path)[0] == made(tmp_path)[0]
