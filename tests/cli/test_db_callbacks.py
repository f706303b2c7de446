"""`db callbacks` as an operator meets it, and what `show` says of a callback that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.board import Board
from support.cli import Said

FAILING = (
    "CREATE FUNCTION app.order_pay_ok_success(job uuid, said jsonb) RETURNS void LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'table is locked'; END $$"
)
ENTITY = """\
entity: Order
schema: app
fields: {status: text}
actions:
  - name: pay
    steps:
      - call_service: {service: pay, operation: ok, input: {amount: 1}}
      - call_service: {service: pay, operation: "no", input: {}}
"""
ON = ("--entity", "Order", "--on", "pay.ok", "--outcome", "success")


@pytest.fixture
def app(board: Board) -> Board:
    """A board whose database has the functions of an entity Order."""
    board.sql("CREATE SCHEMA app")
    board.sql(FAILING)
    board.sql("CREATE FUNCTION app.order_pay_no_failure(uuid, jsonb) RETURNS void LANGUAGE sql AS ''")
    return board


def _register(app: Board) -> Said:
    return app("db", "callbacks", "register", "app.order_pay_ok_success", *ON, "-o", "json")


def test_a_function_is_registered_listed_and_removed(app: Board) -> None:
    """Registered once or twice it is one; `db callbacks` lists it with its state; removed twice is exit 3."""
    assert _register(app).data["function"] == _register(app).data["function"] == "app.order_pay_ok_success(uuid, jsonb)"
    (found,) = app("db", "callbacks", "-o", "json").data["callbacks"]
    assert (found["entity"], found["service"], found["problem"], found["run_as"]) == ("order", "pay", None, None)
    assert "ok" in app("db", "callbacks").out
    app.sql("DROP FUNCTION app.order_pay_ok_success(uuid, jsonb)")
    assert "cannot be called: there is no function" in app("db", "callbacks", "list").out
    assert app("db", "callbacks", "remove", *ON).code == 0
    again = app("db", "callbacks", "remove", *ON, "-o", "json")
    assert (again.code, again.data["removed"]) == (3, False)
    assert "no callback is registered" in app("db", "callbacks").out


@pytest.mark.parametrize(
    ("function", "options", "code", "error"),
    [
        ("app.absent", ON, 3, "E320"),
        ("app.order_pay_no_failure", (*ON[:-1], "failure"), 2, "E241"),
        ("nothing", ON, 2, "E241"),
        ("app.order_pay_ok_success", (*ON[:-1], "maybe"), 2, "E200"),
        ("app.order_pay_ok_success", ("--entity", "Order", "--on", "pay", "--outcome", "success"), 2, "E200"),
    ],
)
def test_what_cannot_be_registered_is_said(
    app: Board, function: str, options: tuple[str, ...], code: int, error: str
) -> None:
    """Unknown functions are exit 3; wrong signatures, names and outcomes exit 2; each with its code and a hint."""
    said = app("db", "callbacks", "register", function, *options, "-o", "json")
    assert (said.code, said.error["code"]) == (code, error)
    assert said.error["hint"]


def test_specqls_functions_are_discovered(app: Board, tmp_path: Path) -> None:
    """The calls come from entity files; a function of the wrong signature is exit 1, and named."""
    file = tmp_path / "order.yaml"
    file.write_text(ENTITY, "utf-8")
    said = app("db", "callbacks", "discover", str(file), "-o", "json")
    assert said.code == 1
    assert {(each["operation"], each["outcome"]): each["registered"] for each in said.data} == {
        ("ok", "success"): True,
        ("no", "failure"): False,
    }
    app.sql("DROP FUNCTION app.order_pay_no_failure(uuid, jsonb)")
    assert app("db", "callbacks", "discover", str(tmp_path)).code == 0


def test_limits_are_set_and_shown(app: Board) -> None:
    """Without options they are only shown; out of bounds and useless roles are refused."""
    assert app("db", "callbacks", "limit", "-o", "json").data == {
        "run_as": None,
        "timeout_ms": 5000,
        "max_attempts": 10,
    }
    assert app("db", "callbacks", "limit", "--timeout", "2s", "--max-attempts", "3").out.startswith(
        "callbacks run with"
    )
    assert app("db", "callbacks", "limit", "-o", "json").data["timeout_ms"] == 2000
    for options, code in (
        (("--timeout", "2h"), 2),
        (("--run-as", "no_such_role_here"), 3),
        (("--run-as", "postgres"), 2),
    ):
        assert app("db", "callbacks", "limit", *options, "-o", "json").code == code


def test_show_tells_of_a_callback_that_failed(app: Board) -> None:
    """In the why line, the timeline and the JSON, with the command that calls it again."""
    _register(app)
    id_ = app.add("pay", "ok", "completed", entity_type="Order", lease_seq=1)
    app.sql("SELECT jobs.run_callbacks(ARRAY[%s]::uuid[], true)", id_)
    (found,) = app("show", id_, "-o", "json").data
    assert (found["status"], found["why"]["code"]) == ("completed", "completed")
    (callback,) = found["callbacks"]
    assert (callback["state"], callback["attempts"], callback["error_message"]) == ("waiting", 1, "table is locked")
    assert callback["error_category"] == "callback_error"
    text = app("show", id_).out
    assert "waits to be called again: table is locked" in text
    assert f"specql-jobs db callbacks retry {id_}" in text
    (listed,) = app("db", "callbacks", "-o", "json").data["callbacks"]
    assert (listed["waiting"], listed["last_error"]) == (1, "table is locked")


def test_a_callback_is_retried_by_hand(app: Board) -> None:
    """Those that can be are due at once; a job without one is exit 6, some of several exit 7."""
    _register(app)
    id_, other = (app.add("pay", "ok", "completed", entity_type="Order", lease_seq=1) for _ in range(2))
    app.sql("SELECT jobs.run_callbacks(ARRAY[%s]::uuid[], true)", id_)
    app.sql("UPDATE jobs.tb_callback_run SET state = 'failed', attempts = 10")
    assert "was given up" in app("show", id_).out
    assert app("db", "callbacks", "retry", id_, "-o", "json").data == [{"id": id_, "outcome": "retried"}]
    assert app.sql("SELECT state, attempts FROM jobs.tb_callback_run") == [("waiting", 0)]
    assert app("db", "callbacks", "retry", other).code == 6
    assert app("db", "callbacks", "retry", id_, other).code == 7


def test_help_names_the_verbs(app: Board) -> None:
    """`db callbacks --help` lists what there is; each verb's help has examples."""
    said = app("db", "callbacks", "--help")
    verbs = ("list", "register", "remove", "discover", "retry", "limit")
    assert said.code == 0
    assert all(f"  {verb} " in said.out for verb in verbs)
    for verb in verbs:
        assert app("db", "callbacks", verb, "--help").out.count("    specql-jobs db callbacks") >= 2
