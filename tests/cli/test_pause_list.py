"""`pause list`, and pauses wherever somebody looks for the reason why nothing happens."""

from __future__ import annotations

from support.board import TENANT, Board


def test_pauses_are_listed_with_what_waits_and_what_ends_them(board: Board) -> None:
    """Scope, expiry, who, why, the jobs behind each, and the line to paste; a job behind two is counted twice."""
    assert (board("pause", "list").err, board("pause", "list", "-o", "json").data) == (
        "nothing is paused\n",
        {"pauses": []},
    )
    board.add("pay", tenant_id=TENANT)
    board.add("pay", blocked_by=1)
    board.add("mail", run_at="2100-01-01")
    board("pause", "--service", "Pay", "--for", "30m", "--reason", "INC-7")
    board("pause", "--tenant", TENANT)
    board("pause", "--all")
    board.sql("UPDATE jobs.tb_pause SET until = now() - interval '1 s' WHERE kind = 'all'")
    service, tenant = board("pause", "list", "-o", "json").data["pauses"]
    assert (service["kind"], service["name"], service["actor"], service["reason"]) == ("service", "pay", "mo", "INC-7")
    assert (service["pending"], service["counted"], tenant["pending"]) == (2, True, 1)
    assert 0 < service["left_ms"] <= 1_800_000
    assert (tenant["until"], tenant["left_ms"]) == (None, None)
    assert service["resume"] == "specql-jobs resume --service pay"
    text = board("pause", "list")
    assert (text.code, text.err) == (0, "")
    assert "service pay" in text.out
    assert f"specql-jobs resume --tenant {TENANT}" in text.out
    assert board("pause", "list", "-q").out == f"pay\n{TENANT}\n"


def test_the_listed_line_ends_the_pause(board: Board) -> None:
    """What `pause list` names to paste is what lifts the pause, also of a name that a shell would take apart."""
    board("pause", "--service", "odd name")
    (pause,) = board("pause", "list", "-o", "json").data["pauses"]
    assert pause["resume"] == "specql-jobs resume --service 'odd name'"
    assert board("resume", "--service", "odd name", "-o", "json").data["resumed"] is True
    assert board("pause", "list", "-o", "json").data == {"pauses": []}


def test_status_and_doctor_name_the_pauses(board: Board) -> None:
    """One line each; nobody is missed while all that waits is paused, and somebody is when anything is not."""
    board.add("pay")
    board("pause", "--service", "pay", "--for", "30m")
    status = board("db", "status")
    assert "paused     1 pause: service pay (" in status.out
    assert "1 job behind it): specql-jobs pause list" in status.out
    assert "no-worker" not in status.out
    assert board("db", "status", "-o", "json").data["queue"]["pauses"][0]["name"] == "pay"
    (check,) = [each for each in board("doctor", "-o", "json").data["checks"] if each["name"] == "pauses"]
    assert (check["status"], check["detail"].partition(" (")[0]) == ("warn", "1 pause: service pay")
    assert check["fix"] == "specql-jobs pause list\nspecql-jobs resume --service pay"
    for command in ("stats", "errors"):
        (warned,) = board(command, "-o", "json").document["warnings"]
        assert "service pay was paused by mo" in warned
    board.add("mail")
    assert "no worker is alive" in board("stats").err
    assert "no-worker" in board("db", "status").out


def test_rows_of_a_table_that_nobody_analyzed_are_no_naught(board: Board) -> None:
    """What was never counted is counted in passing or unknown; an empty file alone is 0."""
    board.sql("ALTER TABLE jobs.tb_job_run SET (autovacuum_enabled = false)")
    board.add("pay")
    tables = {each["name"]: each["rows"] for each in board("db", "status", "-o", "json").data["queue"]["tables"]}
    assert tables["tb_job_run"] in (None, 1)
    assert tables["tb_job_attempt"] == 0
