"""Which texts are expressions, and what stands in them."""

from __future__ import annotations

import pytest

from specql_jobs.core.entities import sql_text


@pytest.mark.parametrize(
    "text",
    [
        "$order.total",
        "$entity.name + '_done.' + $input.format",
        "$entity.ended_at - $entity.started_at",
        "($order.total * 100)::integer",
        "'Order ' || $order.number",
        "coalesce($order.note, 'none')",
        "round($order.total, 2)::numeric(10,2)",
        "$a.b IS NOT NULL AND NOT $a.c",
        "now()",
        "current_timestamp",
        "1 - $order.discount",
    ],
)
def test_an_expression_is_told_from_words(text: str) -> None:
    """References and constants with operators between them are computed."""
    assert sql_text.is_formula(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "USD",
        "Order $order.number",
        "Dear $order.name, thank you",
        "$order.first $order.last",
        "$order.total +",
        "($order.total",
        "$order.total)",
        "receipt (copy)",
        "it's $5",
        "a: $b.c",
        "5",
        "'quoted'",
        "$order.total, $order.tax",
        "€ $order.total",
    ],
)
def test_words_are_sent_as_they_stand(text: str) -> None:
    """Prose is no expression, even with a reference in it."""
    assert not sql_text.is_formula(text)


def test_a_reference_begins_after_no_word_and_no_dollar() -> None:
    """`$$` of SQL and `US$` are no references; what stands in quotes of SQL is none either."""
    assert [each.group() for each in sql_text.references("$a.b US$c $$d 'in $e' $f")] == ["$a.b", "$f"]
    assert [each.group() for each in sql_text.references("'in $e'", prose=True)] == ["$e"]


@pytest.mark.parametrize(
    ("text", "value"), [("'it''s'", "it's"), ("12", 12), ("1.5", 1.5), ("TRUE", True), ("null", None)]
)
def test_a_constant_has_its_value(text: str, value: object) -> None:
    """Quotes of SQL are taken off, numbers and words become what they mean."""
    assert sql_text.constant(text) == value


def test_assignments_end_at_commas_outside_brackets() -> None:
    """A function's comma ends no assignment, and quoted text holds no keyword."""
    text = "Order SET a = coalesce(b, 'x, y WHERE'), c = $d.e WHERE id = 1"
    where = sql_text.keyword(text, "where")
    assert where == (text.rindex("WHERE"), text.rindex("WHERE") + 5)
    found = sql_text.assignments(text, text.index("SET") + 3, where[0])
    assert found is not None
    assert [(text[slice(*each.field)], text[slice(*each.value)]) for each in found] == [
        ("a", "coalesce(b, 'x, y WHERE')"),
        ("c", "$d.e"),
    ]


@pytest.mark.parametrize("text", ["", "a", "a =", "= 1", "a = 1, ", "a 1", "{a: 1}"])
def test_what_is_no_assignment_is_none(text: str) -> None:
    """A list that cannot be read is not half read."""
    assert sql_text.assignments(text, 0, len(text)) is None
