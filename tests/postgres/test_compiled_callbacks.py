"""Compiled callbacks: each job's result does what the step that made the job says, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.callbacks import DONE, failed
from support.compiled import Compiled, applied, found, of_text

from specql_jobs.core.outcome import Succeeded

TENANT = "6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11"

CUSTOMER = """\
entity: Customer
schema: app
fields: {name: text!, score: integer = 0, last_note: text}
"""

ORDER = """\
entity: Order
schema: app
fields: {number: text, status: text, charge: text, fee: integer, paid: boolean, facts: object, customer: ref(Customer)}
actions:
  - name: pay
    input: {number: text, note: text}
    steps:
      - insert: {entity: Order, values: {number: $input.number, status: open}}
      - call_service:
          service: svc
          operation: op
          input: {number: $order.number, note: $input.note}
          on_success:
            - update: Order SET status = 'paid', charge = $response.id, fee = $response.fee, paid = $response.paid
            - update: {set: {facts: $response.facts}}
            - insert: {entity: Customer, values: {name: "$order.number + '/' + $response.id", last_note: $input.note}}
            - update: Customer SET score = score + 5 WHERE name = 'ann'
            - delete: Customer WHERE name = 'bob'
            - call_service:
                service: mail
                operation: send
                input: {order: $order.number, id: $response.id, job: $job.id, note: $input.note}
                on_failure:
                  - update: Order SET status = 'paid, not told'
          on_failure:
            - update:
                set: {status: "'failed: ' || $error.message", charge: $error.category, facts: {why: $error.fingerprint}}
  - name: pay_later
    steps:
      - call_service: {service: svc, operation: op, on_success: [{update: Order SET status = 'paid later'}]}
  - name: remind
    steps:
      - call_service: {service: svc, operation: op}
"""


async def order(it: Compiled) -> dict[str, Any]:
    """The only order."""
    (row,) = await it.rows("SELECT * FROM app.tb_order")
    return row


async def test_a_success_does_every_step(dsn: str, tmp_path: Path) -> None:
    """Updates with the answer's types, an insert, a delete, and a call whose job belongs to the same row and tenant."""
    async with applied(dsn, *of_text(tmp_path, CUSTOMER, ORDER)) as it:
        await it.rows("INSERT INTO app.tb_customer (name) VALUES ('ann'), ('bob'), ('cy')")
        await it.rows("SELECT set_config('app.tenant_id', %s, false)", TENANT)
        answer = await it.call("app.pay", number="N-1", note="it's")
        await it.rows("SELECT set_config('app.tenant_id', '', false)")
        facts = {"a": [1, None, True]}
        await it.ended(Succeeded({"id": "ch'1", "fee": 7, "paid": True, "facts": facts}))
        row = await order(it)
        assert (row["status"], row["charge"], row["fee"], row["paid"], row["facts"]) == ("paid", "ch'1", 7, True, facts)
        customers = await it.rows("SELECT name, score, last_note FROM app.tb_customer ORDER BY name")
        assert [tuple(each.values()) for each in customers] == [
            ("N-1/ch'1", 0, "it's"),
            ("ann", 5, None),
            ("cy", 0, None),
        ]
        (mail,) = await it.rows("SELECT *, input_data FROM jobs.tb_job_run WHERE service_name = 'mail'")
        assert (mail["entity_pk"], mail["parent_id"], mail["correlation_id"]) == (
            answer["id"],
            UUID(answer["job_id"]),
            answer["id"],
        )
        assert str(mail["tenant_id"]) == TENANT
        assert await it.input_of(mail["id"]) == {
            "order": "N-1",
            "id": "ch'1",
            "job": answer["job_id"],
            "note": "it's",
        }
        await it.ended(failed("no such mailbox"))
        assert (await order(it))["status"] == "paid, not told"
        assert await it.runs() == []


async def test_a_failure_has_message_category_and_fingerprint(dsn: str, tmp_path: Path) -> None:
    """What is kept of a failure comes from the job's row, in the transaction that writes it."""
    async with applied(dsn, *of_text(tmp_path, CUSTOMER, ORDER)) as it:
        await it.call("app.pay", number="N-1")
        await it.ended(failed("card 4242 declined"))
        row = await order(it)
        fingerprint = await it.one("SELECT fingerprint FROM jobs.tb_job_run")
        assert (row["status"], row["charge"], row["facts"]) == (
            "failed: card 4242 declined",
            "target_error",
            {"why": fingerprint},
        )


async def test_steps_of_one_operation_that_say_different_things_are_told_apart(dsn: str, tmp_path: Path) -> None:
    """The job's step decides; a step without callbacks has none; a job of nobody's step is a failed callback."""
    async with applied(dsn, *of_text(tmp_path, CUSTOMER, ORDER)) as it:
        made = (await it.call("app.pay", number="N-1"))["id"]
        await it.ended(Succeeded({"id": "1"}))
        assert (await order(it))["status"] == "paid"
        await it.rows("DELETE FROM jobs.tb_job_run WHERE service_name = 'mail'")
        await it.call("app.pay_later", made)
        await it.ended(DONE)
        assert (await order(it))["status"] == "paid later"
        await it.call("app.remind", made)
        await it.ended(DONE)
        assert ((await order(it))["status"], await it.runs()) == ("paid later", [])
        await it.rows("SELECT jobs.enqueue('svc', 'op', entity_type => 'Order', entity_pk => %s)", made)
        await it.ended(DONE)
        (run,) = await it.runs()
        assert "no step that is compiled here made the job" in run["error"]
        assert (await order(it))["status"] == "paid later"


async def test_a_callback_that_fails_leaves_the_result(dsn: str, tmp_path: Path) -> None:
    """What it wrote is undone, the job keeps its answer, and the callback waits to be called again."""
    async with applied(dsn, *of_text(tmp_path, CUSTOMER, ORDER)) as it:
        job = UUID((await it.call("app.pay", number="N-1"))["job_id"])
        await it.ended(Succeeded({"id": "1", "fee": "many"}))
        assert (await it.job(job))["status"] == "completed"
        assert ((await order(it))["status"], [each["state"] for each in await it.runs()]) == ("open", ["waiting"])


LONG = "reconcile_every_single_invoice_of_the_month"
NAMES = f"""\
entity: a
fields: {{status: text}}
actions:
  - name: first
    steps: [{{call_service: {{service: b_c, operation: d, on_success: [{{update: {{set: {{status: first}}}}}}]}}}}]
  - name: second
    steps: [{{call_service: {{service: b, operation: c_d, on_success: [{{update: {{set: {{status: second}}}}}}]}}}}]
  - name: third
    steps:
      - call_service:
          service: {LONG}
          operation: {LONG}
          on_success: [{{update: {{set: {{status: third}}}}}}]
          on_failure: [{{update: {{set: {{status: not third}}}}}}]
  - name: fourth
    steps: [{{call_service: {{service: "B (x)", operation: "d'e", on_success: [{{update: {{set: {{status: 4}}}}}}]}}}}]
"""


async def test_names_that_would_be_one_function_are_told_apart(dsn: str, tmp_path: Path) -> None:
    """Underscores that do not say where a name ends, names over 63 bytes, and names with brackets all work."""
    async with applied(dsn, *of_text(tmp_path, NAMES)) as it:
        row = await it.one("INSERT INTO tb_a (status) VALUES ('new') RETURNING id::text")
        for action, outcome, status in (
            ("first", DONE, "first"),
            ("second", DONE, "second"),
            ("third", DONE, "third"),
            ("third", failed(), "not third"),
            ("fourth", DONE, "4"),
        ):
            await it.call(action, row)
            await it.ended(outcome)
            assert (await it.one("SELECT status FROM tb_a"), await it.runs()) == (status, [])


async def test_callbacks_take_the_place_of_specqls_own(dsn: str, tmp_path: Path) -> None:
    """Its functions have these names and arguments already where an entity is compiled again."""
    async with applied(dsn, *of_text(tmp_path, CUSTOMER)) as it:
        await it.rows(
            "CREATE FUNCTION app.order_svc_op_success(_job_run_id uuid, _output_data jsonb) RETURNS void "
            "LANGUAGE plpgsql AS $$ BEGIN RAISE 'the old one'; END $$"
        )
        await it.rows(
            "CREATE FUNCTION app.order_svc_op_failure(_job_run_id uuid, _error_message text) RETURNS void "
            "LANGUAGE plpgsql AS $$ BEGIN RAISE 'the old one'; END $$"
        )
        await it.apply(*of_text(tmp_path, CUSTOMER, ORDER))
        bodies = await it.rows("SELECT prosrc FROM pg_proc WHERE proname ~ '^order_svc_op_'")
    assert len(bodies) == 2
    assert all("the old one" not in row["prosrc"] for row in bodies)


@pytest.mark.parametrize(
    ("callback", "codes"),
    [
        ("on_success: [{update: {set: {status: $input.never_sent}}}]", ["SQJ652"]),
        ("on_success: [{update: {set: {status: $error.message}}}]", ["SQJ652"]),
        ("on_failure: [{update: {set: {status: $error.stack}}}]", ["SQJ652"]),
        ("on_failure: [{update: {set: {status: $job.lease_seq}}}]", ["SQJ652"]),
        ("on_failure: [{notify: somebody}]", ["SQJ651"]),
        ("on_failure: [{update: Elsewhere SET a = 1}]", ["SQJ656"]),
        ("on_failure: [{insert: Thing}]", ["SQJ651"]),
        ("on_failure: [{delete: Thing WHERE status = nobody}]", ["SQJ652"]),
        ("on_failure: [{if: status = 'x', then: [{update: {set: {status: y}}}]}]", ["SQJ651"]),
    ],
)
def test_what_a_callback_cannot_know_or_do_is_a_finding(tmp_path: Path, callback: str, codes: list[str]) -> None:
    """It is told at its line, and the entity compiles to nothing."""
    text = f"""\
entity: Thing
fields: {{status: text}}
actions:
  - name: go
    input: {{never_sent: text}}
    steps:
      - call_service:
          service: svc
          operation: op
          {callback}
"""
    (made,) = of_text(tmp_path, text)
    assert (made.sql, made.steps) == ("", ())
    assert found([made]) == [(code, 10) for code in codes]
