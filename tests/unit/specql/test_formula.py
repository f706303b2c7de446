"""Formulas and conditions as SQL: what each text becomes, and which have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from specql_jobs.core.entities.expression import Formula
from specql_jobs.core.entities.load import load
from specql_jobs.core.registry.model import Position
from specql_jobs.core.specql import quoting
from specql_jobs.core.specql.formula import computed
from specql_jobs.core.specql.place import Parameter, Place, Row
from specql_jobs.core.specql.problems import NotCompiled

ENTITY = """\
entity: Order
fields:
  number: text
  total: decimal
  lines: integer
  paid: boolean
  began: datetime
  ended: datetime
  due: date
  facts: object
  date: date
  customer: ref(Customer)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place in an action of Order with one input."""
    path = tmp_path_factory.mktemp("e") / "order.yaml"
    path.write_text(ENTITY)
    (order,) = load([path]).entities
    kind = Parameter("kind", "act.kind", order.fields["number"].type)
    rows = dict.fromkeys(("order", "entity"), Row("_order", order))
    return Place(order, "_order", rows, {"kind": kind})


def sql(text: str, place: Place) -> str:
    return computed(Formula(text, (), Position("f", 1, 1, 1, 2)), place).sql


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("total > 0", "_order.total > 0"),
        ("$entity.number != null", "_order.number is not null"),
        ("number == NULL and paid", "_order.number is null and _order.paid"),
        ('number === "open"', "_order.number = 'open'"),
        ("number in ('a', 'it''s')", "_order.number in ('a', 'it''s')"),
        ("number = 'back\\slash'", "_order.number = E'back\\\\slash'"),
        ("$order.number + '_' + $input.kind", "_order.number || '_' || act.kind"),
        ("number + lines", "_order.number || _order.lines"),
        ("$order.total + $order.lines", "_order.total + _order.lines"),
        ("($order.lines + 1)::text + '/'", "(_order.lines + 1)::text || '/'"),
        ("coalesce($order.number + '!', kind)", "coalesce(_order.number || '!', act.kind)"),
        ("began + interval '1 day' > now()", "_order.began + interval '1 day' > now()"),
        ("date > date '2026-01-01'", "_order.date > date '2026-01-01'"),
        ("total=-1", "_order.total = - 1"),
        ("$order.facts.size > 3", "(_order.facts ->> 'size')::numeric > 3"),
        ("2.5 * $order.facts.size", "2.5 * (_order.facts ->> 'size')::numeric"),
        ("$order.facts.on == true", "(_order.facts ->> 'on')::boolean = true"),
        ("$order.facts.name = 'x'", "(_order.facts ->> 'name') = 'x'"),
        ("customer = 7", "_order.fk_customer = 7"),
        ("uuid_generate_v4()", "gen_random_uuid()"),
        ("crm.score($order.id)", "crm.score(_order.id)"),
        ("case when paid then 'yes' else number end", "case when _order.paid then 'yes' else _order.number end"),
        ("order.total * 2", "_order.total * 2"),
        ("$now", "now()"),
    ],
)
def test_a_formula_becomes_sql(text: str, wanted: str, place: Place) -> None:
    """References and bare names are qualified, literals quoted anew, and the habits of other languages understood."""
    assert sql(text, place) == wanted


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("$order.ended - $order.began", True),
        ("now() - $order.began", True),
        ("(ended - began)", True),
        ("$order.due - $order.date", False),
        ("$order.total - $order.lines", False),
        ("$order.ended - interval '1 day'", False),
    ],
)
def test_the_time_between_two_moments_is_known_as_such(text: str, interval: bool, place: Place) -> None:
    """Only the difference of two points in time is sent in seconds."""
    assert computed(Formula(text, (), Position("f", 1, 1, 1, 2)), place).interval is interval


@pytest.mark.parametrize(
    "text",
    [
        "total > limits",
        "total -- 1",
        "total /* x */ > 1",
        "exists (select 1)",
        "total; drop table x",
        "$nobody.x = 1",
        "$order.nothing = 1",
        "$order.number.part = 1",
        "$response.id = 1",
        "$error.message = 'x'",
        "$input.other = 1",
        "$job.id is null",
        "(total > 1",
        "total > 1)",
        "total := 1",
        "other.total > 1",
        "",
        "number = 'open",
        "$$ x $$",
    ],
)
def test_what_is_not_known_has_no_sql(text: str, place: Place) -> None:
    """Unknown names and operators, comments, queries and brackets that do not close are findings, never passed on."""
    with pytest.raises(NotCompiled) as caught:
        sql(text, place)
    assert caught.value.finding.code == "SQJ652"


def test_names_and_bodies_are_quoted(tmp_path: Path) -> None:
    """An identifier is quoted where it must be, a comment stays one line, and a body's quote is none that it holds."""
    assert [quoting.identifier(name) for name in ("plain", "order", "Two Words", 'a"b')] == [
        "plain",
        '"order"',
        '"Two Words"',
        '"a""b"',
    ]
    assert quoting.comment("a\nDROP TABLE b;\u2028c") == "-- a?DROP TABLE b;?c"
    assert quoting.dollar_quoted("$body$ $body1$").startswith("$body2$\n")
    assert [quoting.is_name(name) for name in ("a" * 63, "a" * 64, "é" * 32, "", "a\nb")] == [
        True,
        False,
        False,
        False,
        False,
    ]
