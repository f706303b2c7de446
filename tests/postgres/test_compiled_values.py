"""Values and names in compiled SQL: what an author writes arrives as it is, and nothing breaks out of its quotes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.callbacks import DONE
from support.compiled import applied, found, of_text

from specql_jobs.core.entities.sql_text import is_formula
from specql_jobs.core.specql.quoting import is_storable

HOSTILE = [
    "o'clock",
    "''; DROP TABLE jobs.tb_job_run; --",
    '"quoted"',
    "$$ END; $$",
    "$body$ $body1$ x $tag$",
    "back\\slash \\' \\x41 \\",
    "two\nlines\r\nand\ttabs",
    "naïve 日本語 🙂 \u2028",
    "%s %% %(x)s {x} :name :'name' ?",
    "/* no comment */ -- none",
    "true",
    "null",
    "0012",
    "",
    " ",
    "E'\\n'",
    "\x1b[31m\x7f",
]


def shop(**sent: Any) -> str:
    """An entity whose one call sends what is given: JSON is YAML."""
    call = {"service": "svc", "operation": "op", "input": sent}
    action = {"name": "send", "steps": [{"insert": "Shop", "values": {"name": "x"}}, {"call_service": call}]}
    return yaml({"entity": "Shop", "schema": "app", "fields": {"name": "text"}, "actions": [action]})


def yaml(value: Any) -> str:
    """A value as YAML: JSON, with what YAML does not print as escapes, but letters beyond 16 bits as they are."""
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", escaped, json.dumps(value, ensure_ascii=False))


def escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


async def sent(dsn: str, folder: Path, value: Any) -> Any:
    """What a job's input holds once a value was compiled, applied and called."""
    async with applied(dsn, *of_text(folder, shop(**value))) as it:
        answer = await it.call("app.send")
        return await it.input_of(answer["job_id"])


async def test_hostile_texts_arrive_unharmed_as_values_and_as_names(dsn: str, tmp_path: Path) -> None:
    """Quotes, dollar quotes, backslashes, line ends, comments, placeholders and all of Unicode are data."""
    assert not any(map(is_formula, HOSTILE))
    value = {
        "list": HOSTILE,
        "names": {text: number for number, text in enumerate(HOSTILE)},
        "on": [True, None, 1, 2.5],
    }
    assert await sent(dsn, tmp_path, value) == value
    beside = {f"k{number}": text for number, text in enumerate(HOSTILE)} | {"name": "$shop.name"}
    assert await sent(dsn, tmp_path, beside) == {**beside, "name": "x"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: is_storable(text) and not is_formula(text) and "${" not in text
)
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False).map(lambda each: each + 0.0)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def test_any_json_value_arrives_equal(dsn: str, tmp_path: Path) -> None:
    """Compiled, applied to PostgreSQL and read back, a value is the same, alone or beside a reference."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(JSON)
    def arrives(value: Any) -> None:
        stated = {"alone": value, "beside": {"value": value, "name": "$shop.name"}}
        back = asyncio.run(sent(dsn, tmp_path, stated))
        assert same(back["alone"], value)
        assert same(back["beside"]["value"], value)
        assert back["beside"]["name"] == "x"

    arrives()


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, true being no number; jsonb writes a large float in all its digits."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("text", ['"a\\0b"', '{"x\\0": 1}', '["\\0"]', '{"a": "$shop.name", "b": "x\\0"}'])
def test_what_postgresql_cannot_store_is_a_finding(tmp_path: Path, text: str) -> None:
    """NUL, in a value or a name, is refused at its line and never cut away."""
    made = of_text(tmp_path, shop(PLACE=1).replace("1", text, 1).replace('"PLACE"', '\n"PLACE"'))
    assert [each.sql for each in made] == [""]
    assert found(made) == [("SQJ653", 2)]


FIELDS = ["select", "Weird Name", 'quo"te', "order", "größe", "user", "end", "t", "j", "id2", "new", "a'b", "$$x"]


async def test_names_that_need_quotes_are_columns_and_parameters(dsn: str, tmp_path: Path) -> None:
    """Reserved words, spaces, capitals, quotes and letters beyond ASCII are names like any other."""
    fields = dict.fromkeys(FIELDS, "text")
    steps = [
        {"insert": "Group"},
        {"call_service": {"service": "a b", "operation": "Do-It", "input": {"whole": "$group", "x": "$group.order"}}},
    ]
    entity = {"entity": "Group", "schema": "My Schema", "fields": fields, "actions": [{"name": "user", "steps": steps}]}
    async with applied(dsn, *of_text(tmp_path, yaml(entity))) as it:
        answer = await it.call('"My Schema"."user"', *[f"value of {name}" for name in FIELDS])
        held = await it.input_of(answer["job_id"])
        assert {name: held["whole"][name] for name in FIELDS} == {name: f"value of {name}" for name in FIELDS}
        assert held["x"] == "value of order"


async def test_an_action_may_be_called_like_a_table_in_its_statements(dsn: str, tmp_path: Path) -> None:
    """A parameter is never taken for a column: an action called `t` or like its row changes that row alone."""
    action = {"steps": [{"update": {"set": {"name": "done"}}}], "input": {"id": "uuid"}}
    entity = {"entity": "Thing", "fields": {"name": "text"}, "actions": {"t": action, "j": action, "_thing": action}}
    async with applied(dsn, *of_text(tmp_path, yaml(entity))) as it:
        rows = await it.rows("INSERT INTO tb_thing (name) VALUES ('a'), ('b'), ('c'), ('d') RETURNING id::text")
        for name, row in zip(("t", "j", "_thing"), rows, strict=False):
            assert (await it.call(name, row["id"]))["id"] == row["id"]
        assert [row["name"] for row in await it.rows("SELECT name FROM tb_thing ORDER BY name")] == ["d", *["done"] * 3]


async def test_a_record_of_more_fields_than_a_function_takes_is_whole(dsn: str, tmp_path: Path) -> None:
    """PostgreSQL passes at most 100 arguments; 120 fields and 240 items arrive all the same."""
    value: dict[str, Any] = {f"f{number}": "$shop.name" for number in range(120)}
    value["items"] = ["$shop.name"] * 240
    back = await sent(dsn, tmp_path, value)
    assert (len(back), back["f119"], back["items"]) == (121, "x", ["x"] * 240)


async def test_hostile_names_and_conditions_stay_in_their_quotes(dsn: str, tmp_path: Path) -> None:
    """Service, operation, action, enum, default, condition, error and key: none ends its comment, literal or body."""
    evil = "x\n'); DROP SCHEMA app CASCADE; -- $body$ \\' "
    call = {
        "service": evil,
        "operation": f"{evil}!",
        "idempotency_key": f"{evil}key",
        "correlation_field": f"{evil}thread",
        "on_success": [{"update": {"set": {"state": f"{evil}done"}}}],
    }
    steps = [
        {"validate": "state != 'it''s; $body$ --'", "error": f"{evil}error"},
        {"insert": "Shop"},
        {"call_service": call},
    ]
    states = [f"{evil}new", f"{evil}done"]
    field = {"type": "string", "default": states[0], "validation": {"enum": states}}
    entity = {
        "entity": "Shop",
        "schema": "app",
        "fields": {"state": field},
        "actions": [{"name": "go:1%", "steps": steps}],
    }
    async with applied(dsn, *of_text(tmp_path, yaml(entity))) as it:
        answer = await it.call('app."go:1%%"', state=None)
        (row,) = await it.rows("SELECT service_name, operation, idempotency_key, correlation_id FROM jobs.tb_job_run")
        assert list(row.values()) == [evil, f"{evil}!", f"{evil}key", f"{evil}thread"]
        assert await it.one("SELECT state FROM app.tb_shop") == states[0]
        await it.ended(DONE)
        assert (await it.one("SELECT state FROM app.tb_shop"), await it.runs()) == (states[1], [])
        refused = await it.call('app."go:1%%"', state="it's; $body$ --")
        assert refused["error"]["message"] == f"{evil}error"
        assert answer["jobs"][0]["service"] == evil
