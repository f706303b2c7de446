"""Output schemas are open: a target may answer more than the registry declares."""

from __future__ import annotations

from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.schemas import for_input, for_output

REGISTRY = """
services:
  pay:
    operations:
      charge: {input_schema: {amount: integer}, output_schema: {id: string, card: {brand: string}}}
"""


def test_unknown_fields_are_refused_in_input_and_pass_in_output() -> None:
    """Missing and mistyped output fields are problems; further ones, nested too, are not."""
    registry = load_text(REGISTRY, variables={}).registry
    assert registry is not None
    operation = registry.services["pay"].operations["charge"]
    output = for_output(operation)
    assert output is not None
    assert for_input(operation).check({"amount": 1, "more": 2})
    assert output.check({"id": "x", "card": {"brand": "v", "last4": "1"}, "livemode": False}) == ()
    assert output.check({"card": {"brand": "v"}})
    assert output.check({"id": 7, "card": {"brand": "v"}})
