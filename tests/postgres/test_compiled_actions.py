"""Compiled actions: one transaction, one job for each call, one for each key, and answers that are true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support.compiled import Compiled, applied, of_text

from specql_jobs.core.entities.load import load
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.specql.compiler import Wanted, compile_entities

TENANT = "6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11"
USER = "6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b12"

ENTITY = """\
entity: Parcel
schema: app
fields:
  code: text!
  weight: decimal
  state: enum(new, sent, lost) = new
  label_job_id: uuid
  first_job: uuid
actions:
  - name: send
    input: {code: text, weight: decimal, key: text}
    steps:
      - insert: Parcel
      - call_service:
          service: post
          operation: send
          input: {code: $parcel.code}
          idempotency_key: "'send-' || $input.key"
          correlation_field: code
          priority: 7
          timeout: 2m
          max_retries: 0
  - name: other
    input: {key: text}
    steps:
      - call_service: {service: post, operation: lose, idempotency_key: "'send-' || $input.key"}
  - name: late
    input: {weight: decimal}
    steps:
      - update: Parcel SET state = 'sent', weight = $input.weight
      - call_service: post.weigh
        args: {weight: $parcel.weight}
        as: weighing
      - update: {set: {first_job: $weighing.id}}
      - validate: weight < 30
        error: too_heavy
      - call_service: {service: post, operation: stamp, async: false, input: {after: $weighing}}
  - name: throw_away
    steps:
      - delete: Parcel
"""


async def sent(it: Compiled, **given: Any) -> dict[str, Any]:
    """A parcel that is sent."""
    return await it.call("app.send", **{"code": "P1", "weight": 2, **given})


async def test_a_job_has_what_the_step_states(dsn: str, tmp_path: Path) -> None:
    """Priority, timeout, attempts, correlation and key of the step; tenant and person of the session."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        await it.rows(
            "SELECT set_config('app.tenant_id', %s, false), set_config('app.user_id', %s, false)", TENANT, USER
        )
        answer = await sent(it, key="k1")
        (row,) = await it.rows("SELECT *, input_data FROM jobs.tb_job_run")
        assert (row["priority"], row["timeout_seconds"], row["max_attempts"]) == (7, 120, 1)
        assert (row["correlation_id"], row["idempotency_key"]) == ("P1", "send-k1")
        assert (str(row["tenant_id"]), str(row["triggered_by"])) == (TENANT, USER)
        assert answer == {
            "success": True,
            "id": row["entity_pk"],
            "job_id": str(row["id"]),
            "jobs": [{"step": "send.1", "service": "post", "operation": "send", "id": str(row["id"])}],
        }
        (parcel,) = await it.rows("SELECT code, state, label_job_id FROM app.tb_parcel")
        assert parcel == {"code": "P1", "state": "new", "label_job_id": row["id"]}


async def test_the_same_key_never_makes_two_jobs(dsn: str, tmp_path: Path) -> None:
    """One after the other, at the same time, in one transaction; and another operation's key is an error."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it, applied(dsn, *of_text(tmp_path, ENTITY)) as beside:
        first = await sent(it, key="k")
        assert (await sent(it, key="k"))["job_id"] == first["job_id"]
        async with it.connection.transaction():
            racing = await sent(it, key="race")
            task = asyncio.create_task(sent(beside, key="race"))
            await asyncio.sleep(0)
        assert (await task)["job_id"] == racing["job_id"]
        assert await it.one("SELECT count(*) FROM jobs.tb_job_run") == 2
        with pytest.raises(psycopg.errors.UniqueViolation, match="already belongs to another operation"):
            await it.call("app.other", first["id"], key="k")
        assert (await sent(it))["job_id"] != (await sent(it))["job_id"]


async def test_what_was_written_before_a_condition_that_does_not_hold_is_undone(dsn: str, tmp_path: Path) -> None:
    """The answer has the step's own code, the row is as it was, and the job that stood before it is not there."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        parcel = (await sent(it, key="k"))["id"]
        answer = await it.call("app.late", parcel, weight=31)
        assert answer["error"] == {
            "code": "too_heavy",
            "message": "weight < 30 does not hold",
            "condition": "weight < 30",
        }
        assert await it.one("SELECT state || weight::text FROM app.tb_parcel") == "new2"
        assert await it.one("SELECT count(*) FROM jobs.tb_job_run") == 1


async def test_several_jobs_are_answered_in_their_order(dsn: str, tmp_path: Path) -> None:
    """A later step knows an earlier job's id, what was updated is sent, and a call that should wait says for what."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        parcel = (await sent(it, key="k"))["id"]
        answer = await it.call("app.late", parcel, weight="3.5")
        weigh, stamp = (each["id"] for each in answer["jobs"])
        assert (answer["job_id"], answer["wait_for"]) == (weigh, [stamp])
        assert (await it.input_of(weigh), await it.input_of(stamp)) == ({"weight": 3.5}, {"after": weigh})
        assert await it.one("SELECT first_job FROM app.tb_parcel") == UUID(weigh)


async def test_a_row_can_be_deleted(dsn: str, tmp_path: Path) -> None:
    """An action without a call has no job, and deletes its own row alone."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        gone, kept = (await sent(it, key="1"))["id"], (await sent(it, key="2"))["id"]
        answer = await it.call("app.throw_away", gone)
        assert answer == {"success": True, "id": gone, "job_id": None, "jobs": []}
        assert [str(row["id"]) for row in await it.rows("SELECT id FROM app.tb_parcel")] == [kept]


async def test_a_caller_cannot_lead_the_function_astray(dsn: str, tmp_path: Path) -> None:
    """The search path is pinned: a table or function of the same name elsewhere is never met."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        await it.rows("CREATE SCHEMA evil")
        await it.rows("CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT NULL::timestamptz $$")
        await it.rows("CREATE TABLE evil.tb_parcel (id uuid)")
        await it.rows("SET search_path = evil, pg_catalog")
        assert (await sent(it, key="k"))["success"]
        settings = await it.rows("SELECT DISTINCT proconfig FROM pg_proc WHERE pronamespace = 'app'::regnamespace")
        assert settings == [{"proconfig": ["search_path=pg_catalog, pg_temp"]}]


async def test_an_action_with_other_parameters_takes_the_place_of_the_earlier(dsn: str, tmp_path: Path) -> None:
    """What was compiled before is no overload that makes calls ambiguous; a function of somebody else's stays."""
    async with applied(dsn, *of_text(tmp_path, ENTITY)) as it:
        await it.rows("CREATE FUNCTION app.send(bytea) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$")
        await it.apply(
            *of_text(tmp_path, ENTITY.replace("{code: text, weight: decimal, key", "{code: text, size: text, key"))
        )
        arguments = (
            "SELECT pg_get_function_identity_arguments(oid) AS it FROM pg_proc WHERE proname = 'send' ORDER BY 1"
        )
        assert [row["it"] for row in await it.rows(arguments)] == ["bytea", "code text, size text, key text"]
        assert (await it.call("app.send", code="P", size="L"))["success"]


def test_a_registry_says_how_the_job_is_executed(tmp_path: Path) -> None:
    """In lower case, which the table's constraint takes; without a registry the row leaves it open."""
    (tmp_path / "parcel.yaml").write_text(ENTITY)
    registry = load_text(
        "services: {post: {category: x, execution_type: SHELL, operations: {send: {input_schema: {code: string}}}}}",
        "services.yaml",
        variables={},
    ).registry
    assert registry is not None
    entities = load([tmp_path / "parcel.yaml"]).entities
    with_one, without = (compile_entities(entities, each, Wanted())[0] for each in (registry, None))
    assert "'shell'" in with_one.steps[0].sql
    assert "execution_type" not in without.steps[0].sql
    assert (with_one.steps[0].parameters, with_one.steps[-1].depends_on) == (without.steps[0].parameters, ("late.1",))
