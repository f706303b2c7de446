"""Which functions may be callbacks, how SpecQL's names are found, and the role that callbacks are limited to."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from support.callbacks import DONE, Shop, failed, shop

PLAIN = "CREATE FUNCTION app.f(uuid, jsonb) RETURNS void LANGUAGE sql AS ''"
CALLS = "ARRAY['Order', 'A', 'A_B'], ARRAY['svc', 'b_c', 'c'], ARRAY['op', 'd', 'd']"


async def _function(it: Shop, name: str, arguments: str = "uuid, jsonb", more: str = "") -> None:
    await it.rows(f"CREATE FUNCTION {name}({arguments}) RETURNS void LANGUAGE plpgsql {more} AS $$ BEGIN NULL; END $$")


@pytest.mark.parametrize(
    ("function", "outcome", "says"),
    [
        ("app.absent", "success", "there is no function app.absent"),
        ("plain", "success", "does not say which schema"),
        ("a.b.c", "success", "does not say which schema"),
        ("app.text", "success", "a function that takes \\(uuid, jsonb\\)"),
        ("app.json", "failure", "a function that takes \\(uuid, text\\)"),
        ("app.json(uuid, text)", "success", "a function that takes \\(uuid, jsonb\\)"),
        ("app.twice", "success", "overloaded: there are 2"),
        ("app.proc", "success", "a function that takes"),
        ("app.json", "sometimes", "success or failure, not for 'sometimes'"),
        ("pg_catalog.jsonb_pretty", "success", "there is no function"),
        ("app.json; DROP TABLE jobs.tb_callback", "success", "identifier"),
    ],
)
async def test_a_function_that_cannot_be_called_is_refused(dsn: str, function: str, outcome: str, says: str) -> None:
    """Unknown, unqualified, of another signature, overloaded, no function at all: each with a sentence of its own."""
    async with shop(dsn) as it:
        await _function(it, "app.json")
        await _function(it, "app.text", "uuid, text")
        await _function(it, "app.twice")
        await _function(it, "app.twice", "uuid, text")
        await it.rows("CREATE PROCEDURE app.proc(uuid, jsonb) LANGUAGE sql AS ''")
        with pytest.raises(psycopg.Error, match=says):
            await it.rows("SELECT jobs.register_callback('Order', 'svc', 'op', %s, %s)", outcome, function)
        assert await it.rows("SELECT * FROM jobs.tb_callback") == []


async def test_a_registration_is_replaced_and_removed(dsn: str) -> None:
    """One function per entity, service, operation and outcome, in whatever case they are given."""
    async with shop(dsn) as it:
        await _function(it, 'app."Odd name"')
        await _function(it, "app.other")
        for function in ('app."Odd name"', "app.other(uuid, jsonb)", 'app."Odd name"'):
            await it.rows("SELECT jobs.register_callback('ORDER', 'Svc', 'Op', 'success', %s)", function)
        rows = await it.rows("SELECT entity_type, service_name, operation, function_name FROM jobs.tb_callback")
        assert [tuple(row.values()) for row in rows] == [("order", "svc", "op", 'app."Odd name"(uuid, jsonb)')]
        gone = "SELECT jobs.unregister_callback('Order', 'svc', 'OP', 'success') AS gone"
        assert (await it.rows(gone), await it.rows(gone)) == ([{"gone": True}], [{"gone": False}])


async def test_a_row_that_is_written_directly_is_held_to_the_same(dsn: str) -> None:
    """An INSERT into tb_callback gets its names in lower case and its function checked."""
    async with shop(dsn) as it:
        await _function(it, "app.f")
        insert = (
            "INSERT INTO jobs.tb_callback (entity_type, service_name, operation, outcome, function_name) "
            "VALUES ('Order', 'Svc', 'Op', 'success', %s) RETURNING entity_type, function_name"
        )
        kept = {"entity_type": "order", "function_name": "app.f(uuid, jsonb)"}
        assert await it.rows(insert, "app.f") == [kept]
        with pytest.raises(psycopg.Error, match=r"there is no function app.g"):
            await it.rows(insert, "app.g")


async def test_specqls_names_are_found_for_the_calls_that_are_given(dsn: str) -> None:
    """Only given calls are looked for; a name that two calls would share is left to a person; a wrong one is named."""
    async with shop(dsn) as it:
        await _function(it, "app.order_svc_op_success")
        await _function(it, 'app."Order_svc_op_failure"', "uuid, jsonb")
        await _function(it, "app.a_b_c_d_success")
        await _function(it, "app.invoice_svc_op_success")
        rows = await it.rows(f"SELECT * FROM jobs.register_callbacks('app', {CALLS})")
        found = {(row["entity_type"], row["outcome"]): row["problem"] for row in rows}
        kept = await it.rows("SELECT function_name FROM jobs.tb_callback")
    assert found["order", "success"] is None
    assert "uuid, text" in found["order", "failure"]
    assert all("by hand" in found[entity, "success"] for entity in ("a", "a_b"))
    assert kept == [{"function_name": "app.order_svc_op_success(uuid, jsonb)"}]


async def test_a_function_that_went_away_fails_its_call_and_nothing_else(dsn: str) -> None:
    """Dropped or changed after its registration: the job ends, and the row says what is wrong."""
    async with shop(dsn) as it:
        name = await it.notes()
        await it.rows(f"DROP FUNCTION {name}(uuid, jsonb)")
        id_ = await it.order()
        assert await it.ended(DONE) == {id_}
        (run,) = await it.runs()
    assert (run["state"], run["error"]) == ("waiting", f"there is no function {name}")


# ---- as a role that is limited ---------------------------------------------------------------------------------------


@pytest.fixture
def role(dsn: str) -> Iterator[str]:
    """A role without any right, dropped with its database's grants afterwards."""
    name = f"sqj_callbacks_{uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


async def _limited(it: Shop, role: str) -> None:
    await it.rows(f"GRANT USAGE ON SCHEMA app, jobs TO {role}")
    await it.rows(f"GRANT INSERT, SELECT ON app.ledger TO {role}")
    await it.rows(f"GRANT USAGE ON SEQUENCE app.ledger_id_seq TO {role}")
    await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", role)


async def test_callbacks_run_as_the_role_that_is_set(dsn: str, role: str) -> None:
    """A function made for anybody runs with the role's rights, in success and failure."""
    async with shop(dsn) as it:
        await _limited(it, role)
        await it.notes()
        await it.notes("failure")
        await it.order(), await it.order()
        await it.ended(DONE, failed("no"))
        rows = await it.rows("SELECT said, who FROM app.ledger ORDER BY said")
        assert await it.runs() == []
    assert [(row["said"], row["who"]) for row in rows] == [("no", role), ('{"ok": true}', role)]


async def test_what_a_callback_defers_runs_as_the_role_too(dsn: str, role: str) -> None:
    """A deferred trigger fires before the gate is left, with the role's rights and not with the worker's."""
    async with shop(dsn) as it:
        await it.rows("CREATE TABLE app.seen (who text)")
        await it.rows(
            "CREATE FUNCTION app.see() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO app.seen VALUES (current_user); RETURN NULL; END $$"
        )
        await it.rows(
            "CREATE CONSTRAINT TRIGGER see AFTER INSERT ON app.ledger DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION app.see()"
        )
        await it.rows(f"GRANT INSERT ON app.seen TO {role}")
        await _limited(it, role)
        await it.notes()
        await it.order()
        await it.ended(DONE)
        assert await it.rows("SELECT who FROM app.seen") == [{"who": role}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("DELETE FROM jobs.tb_job_run", "permission denied"),
        ("PERFORM FROM jobs.tb_callback", "permission denied"),
        ("RESET ROLE", "within security-definer function"),
        ("SET ROLE postgres", "within security-definer function"),
        ("RESET SESSION AUTHORIZATION", "within security-definer function"),
        ("INSERT INTO app.child VALUES (1)", "permission denied"),
        ("ALTER FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text) SECURITY INVOKER; RAISE 'done'", "done"),
    ],
)
async def test_a_limited_callback_has_no_other_rights(dsn: str, role: str, body: str, says: str) -> None:
    """What the worker may do it may not, and it cannot change back."""
    async with shop(dsn) as it:
        await _limited(it, role)
        await it.callback(body)
        await it.order()
        await it.ended(DONE)
        (run,) = await it.runs()
    assert says in run["error"]


async def test_a_gate_that_was_changed_lets_nothing_through(dsn: str, role: str) -> None:
    """The role owns the gate, so it may alter it: what is called then is refused, not run with the worker's rights."""
    async with shop(dsn) as it:
        await _limited(it, role)
        gate = "FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text)"
        await it.callback(f"ALTER {gate} SECURITY INVOKER", operation="first")
        await it.notes()
        await it.order("first"), await it.order()
        await it.ended(DONE, DONE)
        (run,) = await it.runs()
        assert (await it.ledger(), "gate" in run["error"]) == ([], True)
        with pytest.raises(psycopg.Error, match="gate of callbacks was changed"):
            await it.rows("SELECT jobs.callback_gate(0::oid, false, NULL, NULL, NULL)")
        await _limited(it, role)
        await it.rerun()
        assert len(await it.ledger()) == 1


async def test_only_the_owner_may_use_the_gate(dsn: str, role: str) -> None:
    """Whoever may use the schema cannot call functions as the role through it."""
    async with shop(dsn) as it:
        await _limited(it, role)
        (row,) = await it.rows(
            "SELECT count(*) AS n FROM pg_proc, aclexplode(proacl) a WHERE proname = 'callback_gate' AND a.grantee = 0"
        )
    assert row["n"] == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (["CREATE FUNCTION app.f(uuid, jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER AS ''"], "SECURITY DEFINER"),
        ([PLAIN, "REVOKE ALL ON FUNCTION app.f FROM PUBLIC"], "may not execute"),
    ],
)
async def test_what_would_not_run_as_the_role_is_refused(dsn: str, role: str, make: list[str], says: str) -> None:
    """At registration, and when the role is set while such a function is registered already."""
    async with shop(dsn) as it:
        for statement in make:
            await it.rows(statement)
        register = "SELECT jobs.register_callback('Order', 'svc', 'op', 'success', 'app.f')"
        await it.rows(register)
        with pytest.raises(psycopg.Error, match=says):
            await _limited(it, role)
        await it.rows("SELECT jobs.unregister_callback('Order', 'svc', 'op', 'success')")
        await _limited(it, role)
        with pytest.raises(psycopg.Error, match=says):
            await it.rows(register)


async def test_a_worker_that_is_no_superuser_and_no_owner_calls_through_the_gate(dsn: str, role: str) -> None:
    """With the rights to the queue's tables and EXECUTE on the gate; without that right each call fails, none runs."""
    async with shop(dsn) as it:
        await _limited(it, role)
        await it.notes()
        worker = f"{role}_worker"
        gate = "FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text)"
        await it.rows(f"CREATE ROLE {worker}")
        try:
            await it.rows(f"GRANT USAGE ON SCHEMA jobs TO {worker}")
            await it.rows(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA jobs TO {worker}")
            await it.order(), await it.order()
            one, other = await it.claimed(2)
            await it.rows(f"SET ROLE {worker}")
            assert await it.settled((one,), (DONE,)) == {one.id}  # a SET ROLE of the session is gone after callbacks
            (run,) = await it.runs()
            assert "permission denied for function callback_gate" in run["error"]
            await it.rows(f"GRANT EXECUTE ON {gate} TO {worker}")
            await it.rows(f"SET ROLE {worker}")
            assert await it.settled((other,), (DONE,)) == {other.id}
            assert await it.rows("SELECT job, who FROM app.ledger") == [{"job": other.id, "who": role}]
        finally:
            await it.rows(f"DROP OWNED BY {worker}")
            await it.rows(f"DROP ROLE {worker}")


async def test_an_owner_that_is_no_superuser_sets_the_role(dsn: str, role: str) -> None:
    """It needs to own the schema and the tables, and to be allowed to become the role; nothing of CREATE remains."""
    async with shop(dsn) as it:
        owner = f"{role}_owner"
        await it.rows(f"CREATE ROLE {owner}")
        try:
            await it.rows(f"ALTER SCHEMA jobs OWNER TO {owner}")
            await it.rows(f"ALTER TABLE jobs.tb_job_run OWNER TO {owner}")
            await it.rows(f"ALTER TABLE jobs.tb_callback_limit OWNER TO {owner}")
            await it.rows(f"ALTER TABLE jobs.tb_callback OWNER TO {owner}")
            await it.rows(f"SET ROLE {owner}")
            with pytest.raises(psycopg.Error, match="must be "):
                await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", role)
            await it.rows("RESET ROLE")
            await it.rows(f"GRANT {role} TO {owner}")
            await it.rows(f"SET ROLE {owner}")
            await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", role)
            await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", role)  # again: the gate is made anew
            await it.rows("RESET ROLE")
            (row,) = await it.rows(
                "SELECT has_schema_privilege(%s, 'jobs', 'CREATE') AS may, proowner::regrole::text AS owner "
                "FROM pg_proc WHERE proname = 'callback_gate'",
                role,
            )
            assert row == {"may": False, "owner": role}
        finally:
            await it.rows("RESET ROLE")
            await it.rows(f"REASSIGN OWNED BY {owner} TO CURRENT_USER")
            await it.rows(f"DROP OWNED BY {owner}")
            await it.rows(f"DROP ROLE {owner}")


async def test_a_role_that_is_no_limit_is_refused(dsn: str, role: str) -> None:
    """Unknown roles, superusers and roles that may create in schema jobs; an empty name lifts the limit."""
    async with shop(dsn) as it:
        for name, says in ((f"{role}_x", "there is no role"), ("postgres", "no limit")):
            with pytest.raises(psycopg.Error, match=says):
                await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", name)
        await it.rows(f"GRANT CREATE ON SCHEMA jobs TO {role}")
        with pytest.raises(psycopg.Error, match="lift its own limits"):
            await it.rows("SELECT jobs.limit_callbacks(run_as => %s)", role)
        await it.rows(f"REVOKE CREATE ON SCHEMA jobs FROM {role}")
        await _limited(it, role)
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 100)")
        (row,) = await it.rows("SELECT * FROM jobs.tb_callback_limit")
        assert (row["run_as"], row["timeout_ms"], row["max_attempts"]) == (role, 100, 10)
        await it.rows("SELECT jobs.limit_callbacks(run_as => '')")
        (row,) = await it.rows("SELECT run_as, to_regproc('jobs.callback_gate') AS gate FROM jobs.tb_callback_limit")
    assert (row["run_as"], row["gate"]) == (None, None)
