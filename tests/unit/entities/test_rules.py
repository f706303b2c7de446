"""What the rules about calls know and what they leave alone. Each rule's own examples are on its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from specql_jobs.core.entities.load import hold, load
from specql_jobs.core.registry.load import load as load_registry
from specql_jobs.core.registry.load import require
from specql_jobs.core.registry.model import Finding

FOLDER = Path(__file__).parents[2] / "fixtures" / "entities"
REGISTRY = require([FOLDER / "services.yaml"], variables={})

ENTITY = """\
entity: Invoice
fields:
  number: text
  state: enum(open, booked)
  cents: integer
  ratio: float
  customer: ref(Customer)
  paid: boolean
actions:
  - name: book
    {given}
    steps:
      - validate: cents > 0
      {before}
      - call_service:
          service: ledger
          operation: {operation}
          input: {input}
          {more}
"""
FULL = "{account: x, cents: 1, tags: [], payer: {name: x}}"
REVERSE = "{entry_id: $invoice.number}"


def found(tmp_path: Path, **parts: str) -> list[Finding]:
    """What is found in one call, of which `parts` replace the plain ones."""
    plain = {"given": "# -", "before": "# -", "operation": "reverse_entry", "input": REVERSE, "more": "# -"}
    (tmp_path / "invoice.yaml").write_text(ENTITY.format(**{**plain, **parts}))
    return list(hold(load([tmp_path]), REGISTRY).findings)


def codes(tmp_path: Path, **parts: str) -> list[str]:
    return [each.code for each in found(tmp_path, **parts)]


def test_good_entities_have_no_findings() -> None:
    """Entities that use every form, against the registry that they were written for, are clean."""
    assert hold(load([FOLDER]), REGISTRY).findings == ()


def test_the_plain_call_is_clean(tmp_path: Path) -> None:
    """What the other tests change has no finding by itself."""
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "value",
    [
        "$invoice.number",
        "$entity.number",
        "$Invoice.number",
        "$number",
        "$invoice.id",
        "$invoice.created_at",
        "$invoice.pk_invoice",
        "$invoice.fk_customer",
        "$invoice.customer_id",
        "$invoice.customer.name",
        "$customer.name",
        "$job.id",
        "$tenant_id",
        "$reason",
        "$invoice.cents::text",
        "now()",
    ],
)
def test_what_may_exist_is_not_judged(tmp_path: Path, value: str) -> None:
    """Generated columns, other entities' fields, SpecQL's own names and undeclared parameters raise nothing."""
    assert codes(tmp_path, input=f'{{entry_id: "{value}"}}') == []


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("$invoice.nummber", "SQJ621"),
        ("$invoice.customer_name", "SQJ621"),
        ("$invioce.number", "SQJ622"),
        ("$client.name", "SQJ622"),
        ("$response.entry_id", "SQJ622"),
        ("$error.message", "SQJ622"),
        ("$invoice.cents", "SQJ616"),
        ("$invoice.paid", "SQJ616"),
        ("{{invoice.number}}", "SQJ624"),
        ("invoice.number", "SQJ624"),
        ("No. $invoice.number!", "SQJ624"),
        ("$invoice.number || $invoice.nummber", "SQJ621"),
    ],
)
def test_what_cannot_exist_or_fit_is_found(tmp_path: Path, value: str, code: str) -> None:
    """A slip in a field, in a variable, in a type or in the syntax has its own code."""
    assert codes(tmp_path, input=f'{{entry_id: "{value}"}}') == [code]


def test_a_declared_input_makes_parameters_known(tmp_path: Path) -> None:
    """Where an action says what it is given, anything else is a mistake."""
    given = "input: {entry: string, amount: integer}"
    assert codes(tmp_path, given=given, input="{entry_id: $input.entry}") == []
    assert codes(tmp_path, given=given, input="{entry_id: $entry}") == []
    assert codes(tmp_path, given=given, input="{entry_id: $entri}") == ["SQJ622"]
    assert codes(tmp_path, given=given, input="{entry_id: $input.entri}") == ["SQJ621"]
    assert codes(tmp_path, given=given, input="{entry_id: $input.amount}") == ["SQJ616"]


@pytest.mark.parametrize(
    "before",
    [
        "- find: Client WHERE id = 1",
        "- select: {entity: Client}\n        as: client",
        "- foreach: client in $invoice.customers\n        do: [{notify: x}]",
        "- aggregate: {operation: max, field: id, from: Client, as: client}",
        "- raw_sql: SELECT 1",
        "- call_service: scanner\n        method: inspect\n        args: {path: x}\n        as: client",
    ],
)
def test_a_name_that_another_step_gives_is_known(tmp_path: Path, before: str) -> None:
    """Rows that are found, looped over, or made by SQL may be referred to."""
    assert codes(tmp_path, before=before, input="{entry_id: $client.name}") == []


@pytest.mark.parametrize("extra", ["patterns: [audited]", "extends: base"])
def test_fields_that_may_come_from_elsewhere_are_not_judged(tmp_path: Path, extra: str) -> None:
    """An entity whose fields do not all stand in its file is never said to lack one."""
    (tmp_path / "invoice.yaml").write_text(
        f"{extra}\n"
        + ENTITY.format(
            given="# -", before="# -", operation="reverse_entry", input="{entry_id: $invoice.x}", more="# -"
        )
    )
    assert hold(load([tmp_path]), REGISTRY).findings == ()


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("{}", "SQJ614", "wants the input field `entry_id` (string)"),
        ("{entry: x, entry_id: z}", "SQJ613", "takes no input field `entry`"),
        ("{entri_id: x}", "SQJ613", "takes no input field `entri_id`"),
        ("{entry_id: 5}", "SQJ615", "entry_id: wanted string, got an integer 5"),
        ("{entry_id: x, reason: typo}", "SQJ615", 'wanted one of ["mistake", "fraud"]'),
        ("{entry_id: x, reason: $invoice.state}", "SQJ617", "can be open, booked"),
        ("[1]", "SQJ615", "is a mapping of its fields"),
    ],
)
def test_an_input_is_held_against_the_schema(tmp_path: Path, given: str, code: str, words: str) -> None:
    """Full JSON Schema counts as shorthand does: fields, required ones, types and enums."""
    each = found(tmp_path, input=given)
    assert [one.code for one in each] == [code]
    assert words in each[0].message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (FULL, []),
        ("{account: x, cents: 1, tags: [], payer: {}}", ["SQJ614"]),
        ("{account: x, cents: 1, tags: [], payer: {name: x, town: z}}", ["SQJ613"]),
        ("{account: x, cents: 1.5, tags: [], payer: {name: x}}", ["SQJ615"]),
        ("{account: x, cents: $invoice.ratio, tags: [], payer: {name: x}}", ["SQJ617"]),
        ("{account: x, cents: 1, rate: $invoice.cents, tags: [], payer: {name: x}}", []),
        ("{account: x, cents: 1, tags: [$invoice.number], payer: $invoice.customer}", []),
        ("{account: x, cents: 1, tags: $invoice.number, payer: {name: $invoice.cents}}", ["SQJ616", "SQJ616"]),
        ("$invoice.anything", ["SQJ621"]),
    ],
)
def test_shorthand_inputs_are_held_to_their_depth(tmp_path: Path, given: str, expected: list[str]) -> None:
    """Nested objects are looked into, an integer is a number, and what only running shows is left alone."""
    assert sorted(codes(tmp_path, operation="post_entry", input=given)) == expected


def callback(key: str, *steps: str) -> str:
    listed = "".join(f"\n            - {step}" for step in steps)
    return f"{key}:{listed}"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (callback("on_success", "update: Invoice SET state = 'booked'"), []),
        (callback("on_success", "update: Invoice SET updated_at = now()"), []),
        (callback("on_success", "update: Customer SET whatever = $response.whatever"), []),
        (callback("on_success", "delete: Invoice WHERE id = $job.entity_pk"), []),
        (callback("on_success", "insert: Invoice\n              values: {number: $invoice.number}"), []),
        (callback("on_success", "insert: Invoice\n              values: {numbr: $invoice.number}"), ["SQJ641"]),
        (callback("on_success", "update: Invoice SET number = $error.message"), ["SQJ622"]),
        (callback("on_failure", "update: Invoice SET number = $error.message"), []),
        (callback("on_failure", "update: Invoice SET number = $error.mesage"), ["SQJ621"]),
        (callback("on_failure", "if: cents > 0\n              then: [{update: {set: {state: gone}}}]"), ["SQJ642"]),
        (callback("on_failure", "notify: $invoice.numbre"), ["SQJ621"]),
        (callback("on_failure", "just text"), ["SQJ605"]),
        (callback("on_failure", "delete: Invoice SET x = 1"), ["SQJ605"]),
        (callback("on_failure", "frobnicate: all"), ["SQJ606"]),
        ("on_failure: []", []),
        ("on_failure: ", ["SQJ605"]),
    ],
)
def test_callbacks_are_read_and_judged(tmp_path: Path, more: str, expected: list[str]) -> None:
    """A callback's steps, fields, values and references are checked; what other entities hold is not guessed."""
    assert codes(tmp_path, more=more) == expected


def test_an_answer_is_judged_to_its_depth(tmp_path: Path) -> None:
    """A nested field of output_schema is known, and so is one that is not in it."""
    for value, expected in (("$response.payer.name", []), ("$response.payer.town", ["SQJ623"]), ("$response", [])):
        more = callback("on_success", f"update: Invoice SET number = {value}")
        assert codes(tmp_path, operation="post_entry", input=FULL, more=more) == expected


def test_other_entities_of_the_same_run_are_known(tmp_path: Path) -> None:
    """A callback that writes another entity is held against that one's file."""
    (tmp_path / "customer.yaml").write_text("entity: Customer\nfields: {name: text}\n")
    more = callback("on_success", "update: Customer SET nme = 'x'")
    assert [each.message for each in found(tmp_path, more=more)] == ["Customer has no field `nme` to set"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("timeout: 10", []),
        ("timeout: 30s", []),
        ("timeout: 45", ["SQJ632"]),
        ("timeout: 2m", ["SQJ632"]),
        ("timeout: 121", ["SQJ631"]),
        ("timeout: 0.5", ["SQJ604"]),
        ("timeout: 0", ["SQJ604"]),
        ("timeout: true", ["SQJ604"]),
        ("max_retries: 0", []),
        ("max_retries: 3", ["SQJ633"]),
        ("max_retries: 1000", ["SQJ604"]),
        ("max_retries: 3\n          idempotency_key: $invoice.number", []),
        ("correlation_field: $invoice.id", []),
        ("correlation_field: $invoice.nr", ["SQJ621"]),
        ("async: false", []),
        ("async: 1", ["SQJ604"]),
        ("priority: high", ["SQJ604"]),
        ("max_retrys: 3", ["SQJ603"]),
        ("method: x", ["SQJ603"]),
    ],
)
def test_keys_of_a_call_are_judged(tmp_path: Path, more: str, expected: list[str]) -> None:
    """Values must fit the row's columns, and time and retries what the registry says of the service."""
    assert codes(tmp_path, more=more) == expected


def test_no_message_repeats_a_credential(tmp_path: Path) -> None:
    """A value that looks like a credential is found, and the findings about it show dots."""
    token = "ghp_" + "a1B2" * 6
    each = found(tmp_path, input=f"{{entry_id: x, reason: {token}}}")
    assert sorted(one.code for one in each) == ["SQJ615", "SQJ618"]
    assert token not in str(each)
    assert token not in str(found(tmp_path, more=f"timeout: {token}"))


def test_findings_name_the_service_and_the_token(tmp_path: Path) -> None:
    """A finding carries service and operation, and its place is the reference, not the line."""
    (one,) = found(tmp_path, input='{entry_id: "$invoice.nummber"}')
    assert (one.service, one.operation) == ("ledger", "reverse_entry")
    line = (tmp_path / "invoice.yaml").read_text().split("\n")[one.position.line - 1]
    assert line[one.position.column - 1 : one.position.end_column - 1] == "$invoice.nummber"


def test_a_comment_suppresses_a_warning_and_an_unused_one_is_found(tmp_path: Path) -> None:
    """Entities are suppressed as registries are."""
    meant = "timeout: 121  # specql-jobs: ignore[SQJ631] production allows it"
    assert codes(tmp_path, more=meant) == []
    assert codes(tmp_path, more=meant.replace("121", "12")) == ["SQJ090"]


def test_an_environment_decides_what_exists() -> None:
    """An operation that an environment adds is known there alone."""
    registry = load_registry([FOLDER / "services.yaml"], environment="production", variables={}).registry
    assert registry is not None
    service = registry.service("scanner")
    assert service is not None
    assert service.operation("weigh") is not None


def test_without_a_registry_only_the_file_itself_is_judged(tmp_path: Path) -> None:
    """With a registry that cannot be used, names and inputs are not judged; references and keys are."""
    (tmp_path / "invoice.yaml").write_text(
        ENTITY.format(given="# -", before="# -", operation="nothing", input="{x: $invoice.y}", more="retries: 1")
    )
    assert sorted(each.code for each in hold(load([tmp_path]), None).findings) == ["SQJ603", "SQJ621"]
