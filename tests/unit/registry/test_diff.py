"""What counts as a change between two registries: amounts as they hold, names told from what stands behind them."""

from __future__ import annotations

from typing import Any

import pytest

from specql_jobs.core.registry.diff import compare
from specql_jobs.core.registry.load import load_text, usable


def registry(config: str = "timeout: 30s", operations: str = "charge: {input_schema: {cents: integer}}") -> Any:
    """A registry of one service."""
    text = (
        f"services:\n  pay:\n    category: money\n    runner_config: {{base_url: 'https://pay.example', {config}}}\n"
        f"    security_policy: {{allowed_domains: [pay.example], max_execution_time: 2m}}\n"
        f"    operations: {{{operations}}}\n"
    )
    return usable(load_text(text, variables={}))


def changes(old: Any, new: Any) -> list[tuple[str, str, Any, Any]]:
    """Kind, operation and values of every change."""
    return [(each.kind, each.operation, each.before, each.after) for each in compare(old, new)]


TIMED = "charge: {input_schema: {cents: integer}, timeout: 10s}"
RETRIED = "charge: {input_schema: {cents: integer}, max_retries: 5}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (registry(operations=TIMED), registry(), [("timeout-raised", "charge", 10.0, 30.0)]),
        (registry("timeout: 10s", TIMED), registry("timeout: 10s"), []),
        (registry("timeout: 5s"), registry("timeout: 5s", TIMED), [("timeout-raised", "charge", 5.0, 10.0)]),
        (registry("timeout: 100s"), registry("verify: true"), "timeout-raised"),
        (registry(operations=RETRIED), registry(), [("retries-lowered", "charge", 5, 2)]),
        (registry(), registry("timeout: 30s, retry_config: {max_retries: 2}"), []),
        (registry(), registry("timeout: 30s, retry_config: {max_retries: 1}"), [("retries-lowered", "", 2, 1)]),
        (registry(), registry("timeout: 30s, retry_config: {base_seconds: 9s}"), "config-changed"),
    ],
)
def test_amounts_are_compared_as_they_hold(old: Any, new: Any, expected: Any) -> None:
    """What is not stated is what the service, or the default, says; the policy caps the default."""
    found = changes(old, new)
    if isinstance(expected, str):
        assert expected in {kind for kind, *_ in found}
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("charge: {input_schema: {id: string}}", "charge_card: {input_schema: {id: string}}", {"operation-renamed"}),
        (
            "charge: {input_schema: {id: string}, request: {path: /a}}",
            "pay: {input_schema: {id: string}, request: {path: /a}}",
            {"operation-renamed"},
        ),
        (
            "charge: {input_schema: {id: string}}",
            "refund: {input_schema: {id: string}}",
            {"operation-removed", "operation-added"},
        ),
        (
            "charge: {input_schema: {id: string}}",
            "charge_card: {input_schema: {id: integer}}",
            {"operation-removed", "operation-added"},
        ),
        ("charge: {input_schema: {id: string}}", "Charge: {input_schema: {id: string}}", set()),
    ],
)
def test_a_rename_is_told_from_what_stands_behind_the_name(old: str, new: str, kinds: set[str]) -> None:
    """The same input with the same call or a near name is a rename; a near name with another input is none."""
    assert {kind for kind, *_ in changes(registry(operations=old), registry(operations=new))} == kinds


def test_one_new_name_stands_for_one_old_name() -> None:
    """Of two operations that are gone, the one with the nearest name was renamed and the other removed."""
    old = "charge_a: {input_schema: {id: string}}, charge_b: {input_schema: {id: string}}"
    found = changes(registry(operations=old), registry(operations="charge_bb: {input_schema: {id: string}}"))
    assert [each[:2] for each in found] == [("operation-removed", "charge_a"), ("operation-renamed", "charge_bb")]
