"""SpecQL's sample entities, compiled and applied: PostgreSQL takes them, and they do what the YAML says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from support.callbacks import failed
from support.compiled import FIXTURES, Compiled, applied, compiled

from specql_jobs.core.outcome import Succeeded

ORDER = compiled(FIXTURES / "order.yaml")
PAYMENT = compiled(FIXTURES / "payment.yaml")
BATCH = compiled(FIXTURES / "data_batch.yaml")
PLACED: dict[str, Any] = {
    "order_number": "A-1",
    "total_amount": "12.50",
    "customer_email": "ann@example.com",
    "ordered_at": "2026-11-24T10:00:00Z",
}


async def placed(it: Compiled, **more: Any) -> tuple[str, str]:
    """The ids of a new order and of its job."""
    answer = await it.call("commerce.place_order", **{**PLACED, **more})
    assert answer["success"], answer
    return answer["id"], answer["job_id"]


async def test_an_order_and_its_job_are_made_in_one_transaction(dsn: str) -> None:
    """Rolled back, neither is there; committed, exactly one of each, and the order names its job."""
    async with applied(dsn, *ORDER) as it:
        async with it.connection.transaction(force_rollback=True):
            await placed(it)
        assert await it.one("SELECT count(*) FROM jobs.tb_job_run") == 0
        order, job = await placed(it)
        (row,) = await it.rows("SELECT *, input_data AS input FROM jobs.tb_job_run")
        assert (row["id"], row["entity_type"], row["entity_pk"]) == (UUID(job), "Order", order)
        assert (row["service_name"], row["operation"], row["status"]) == ("stripe", "create_charge", "pending")
        assert (row["max_attempts"], row["timeout_seconds"], row["correlation_id"]) == (4, 30, order)
        assert await it.one("SELECT payment_job_id FROM commerce.tb_order WHERE id = %s", order) == UUID(job)
        assert await it.input_of(job) == {
            "amount": 12.5,
            "currency": "USD",
            "customer_email": "ann@example.com",
            "order_number": "A-1",
        }


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"total_amount": 0}, "validation_failed"),
        ({"customer_email": None}, "validation_failed"),
        ({"order_number": None}, "required"),
    ],
)
async def test_what_does_not_hold_is_answered_and_nothing_is_written(dsn: str, given: Any, code: str) -> None:
    """A failed validate, or a required field that is missing, is an answer and no exception."""
    async with applied(dsn, *ORDER) as it:
        answer = await it.call("commerce.place_order", **{**PLACED, **given})
        assert (answer["success"], answer["error"]["code"]) == (False, code)
        assert await it.one("SELECT count(*) FROM commerce.tb_order") == 0
        assert await it.one("SELECT count(*) FROM jobs.tb_job_run") == 0


async def test_a_second_call_of_the_same_service_does_not_collide(dsn: str) -> None:
    """Two jobs of one order and one operation are two rows with identifiers of their own."""
    async with applied(dsn, *ORDER) as it:
        order, first = await placed(it, status="pending")
        second = (await it.call("commerce.process_payment_sync", order))["job_id"]
        third = (await it.call("commerce.process_payment_sync", order))["job_id"]
        assert len({first, second, third}) == 3
        assert await it.one("SELECT count(DISTINCT identifier) FROM jobs.tb_job_run") == 3
        assert await it.one("SELECT payment_job_id FROM commerce.tb_order") == UUID(third)


async def test_an_unknown_row_is_answered(dsn: str) -> None:
    """An action about a row that is not there says so, and makes no job."""
    async with applied(dsn, *ORDER) as it:
        missing = "00000000-0000-0000-0000-000000000001"
        answer = await it.call("commerce.refund_order", missing)
        assert (answer["success"], answer["error"]["code"], answer["error"]["id"]) == (False, "not_found", missing)


async def test_a_callback_against_the_enum_fails_and_the_result_stands(dsn: str) -> None:
    """The sample refunds into a status that its enum lacks: a warning when compiled, a failed callback when run."""
    async with applied(dsn, *ORDER) as it:
        order, charge = await placed(it, status="paid")
        await it.ended(Succeeded({"id": "ch_1"}))
        refund = (await it.call("commerce.refund_order", order))["job_id"]
        assert await it.input_of(refund) == {"charge_id": charge, "amount": 12.5}
        await it.ended(Succeeded({"id": "re_1"}))
        assert (await it.job(UUID(refund)))["status"] == "completed"
        (run,) = await it.runs()
        assert (run["state"], run["sql_state"]) == ("waiting", "23514")
        await it.rows("ALTER TABLE commerce.tb_order DROP CONSTRAINT tb_order_status_check")
        await it.rerun()
        assert await it.one("SELECT status FROM commerce.tb_order WHERE id = %s", order) == "refunded"


async def payment(it: Compiled, **fields: Any) -> str:
    """The id of a payment."""
    names = {"order_id": "00000000-0000-0000-0000-00000000000a", "amount_cents": 500, **fields}
    marks = ", ".join(["%s"] * len(names))
    made = f"INSERT INTO tb_payment ({', '.join(names)}) VALUES ({marks}) RETURNING id::text"
    return str(await it.one(made, *names.values()))


async def test_a_payment_is_completed_or_failed_by_its_callbacks(dsn: str) -> None:
    """The answer's id, the time and the status are written; a failure leaves its message."""
    async with applied(dsn, *PAYMENT) as it:
        good, bad = await payment(it), await payment(it)
        for each in (good, bad):
            given = {"card_token": "tok", "amount_cents": 500, "currency": "eur", "description": "x"}
            answer = await it.call("process_payment", each, **given)
            assert await it.input_of(answer["job_id"]) == {
                "amount": 500,
                "currency": "eur",
                "source": "tok",
                "description": "x",
            }
        await it.ended(Succeeded({"id": "ch_7"}), failed("card declined"))
        rows = {str(row["id"]): row for row in await it.rows("SELECT * FROM tb_payment")}
        assert (rows[good]["status"], rows[good]["stripe_charge_id"]) == ("completed", "ch_7")
        assert rows[good]["processed_at"] is not None
        assert (rows[bad]["status"], rows[bad]["error_message"]) == ("failed", "card declined")
        refund = await it.call("refund_payment", good, refund_amount_cents=100)
        assert await it.input_of(refund["job_id"]) == {"charge_id": "ch_7", "amount": 100}
        await it.ended(Succeeded({}))
        assert await it.one("SELECT status FROM tb_payment WHERE id = %s", good) == "refunded"


async def test_a_payment_that_is_not_completed_cannot_be_refunded(dsn: str) -> None:
    """A precondition with == and double quotes is a condition like any other."""
    async with applied(dsn, *PAYMENT) as it:
        answer = await it.call("refund_payment", await payment(it), refund_amount_cents=100)
        assert answer["error"]["condition"] == 'status == "completed"'


async def test_a_batch_is_processed_and_reported(dsn: str) -> None:
    """Texts joined with + are one text, booleans stay booleans, and the time between two moments is in seconds."""
    async with applied(dsn, *BATCH) as it:
        batch = str(
            await it.one("INSERT INTO tb_data_batch (name, input_file_path) VALUES ('n''1', '/in') RETURNING id")
        )
        given = {"delimiter": ";", "has_header": True, "output_format": "json"}
        answer = await it.call("process_csv", batch, **given)
        assert await it.input_of(answer["job_id"]) == {
            "input_file": "/in",
            "delimiter": ";",
            "has_header": True,
            "output_format": "json",
            "output_file": "n'1_processed.json",
        }
        assert await it.one("SELECT status FROM tb_data_batch") == "processing"
        await it.ended(Succeeded({"output_path": "/out", "records_count": 3}))
        (row,) = await it.rows("SELECT status, output_file_path, records_processed FROM tb_data_batch")
        assert row == {"status": "completed", "output_file_path": "/out", "records_processed": 3}
        await it.rows("UPDATE tb_data_batch SET processed_at = created_at + interval '90.5 seconds'")
        report = await it.input_of((await it.call("generate_report", batch, report_type="summary"))["job_id"])
        assert (report["processing_time"], report["batch_id"], report["input_records"]) == (90.5, batch, 3)


async def test_applying_again_changes_nothing(dsn: str) -> None:
    """The SQL of an entity may be run at every deployment."""
    async with applied(dsn, *ORDER, *PAYMENT, *BATCH) as it:
        await it.apply(*ORDER, *PAYMENT, *BATCH)
        assert await it.one("SELECT count(*) FROM jobs.tb_callback") == 9
