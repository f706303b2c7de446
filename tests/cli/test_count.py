"""`count` and `list --group-by`: numbers, groups, and estimates that say so."""

from __future__ import annotations

import json

import pytest
from support.board import TENANT, Board

from specql_jobs.cli.output.console import Console
from specql_jobs.cli.output.count_text import answer_tally
from specql_jobs.core.store.counting import Tally


def groups(board: Board, *arguments: str) -> list[dict[str, object]]:
    said = board("count", *arguments, "-o", "json")
    assert said.code == 0, said.err
    found: list[dict[str, object]] = said.data["groups"]
    return found


def test_the_number_alone(board: Board) -> None:
    """Without groups the answer is the number, in every format, and with -q there is nothing beside it."""
    assert board("count").out == "0\n"
    board.add(status="failed")
    board.add()
    assert board("count", "-o", "json").document["data"] == {"total": 2, "exact": True, "groups": []}
    assert (board("count", "-q").out, board("count", "-q").err) == ("2\n", "")
    assert board("count", "-q", "-s", "failed").out == "1\n"
    assert board("count", "-o", "tsv").out == "total\n2\n"
    assert json.loads(board("count", "-o", "jsonl").out) == {"total": 2, "exact": True}


def test_groups(board: Board) -> None:
    """Each field groups by what selectors call it, the most first; several make pairs; NULL is a group."""
    board.add("pay", "charge", "failed", error_category="timeout", fingerprint="f1", execution_type="API")
    board.add("Pay", "charge", "failed", error_category="timeout", fingerprint="f1", execution_type="HTTP")
    board.add("mail", "send", tenant_id=TENANT, created_at="2026-01-02T03:04:05Z")
    assert groups(board, "--group-by", "status") == [
        {"status": "failed", "count": 2},
        {"status": "pending", "count": 1},
    ]
    assert groups(board, "--group-by", "service,operation") == [
        {"service": "pay", "operation": "pay.charge", "count": 2},
        {"service": "mail", "operation": "mail.send", "count": 1},
    ]
    assert groups(board, "--group-by", "type") == [{"type": "http", "count": 2}, {"type": None, "count": 1}]
    assert groups(board, "--group-by", "category", "--group-by", "fingerprint", "-s", "failed") == [
        {"category": "timeout", "fingerprint": "f1", "count": 2}
    ]
    assert {"tenant": TENANT, "count": 1} in groups(board, "--group-by", "tenant")
    assert {"worker": "w1", "count": 2} in groups(board, "--group-by", "worker")
    hours = groups(board, "--group-by", "hour", "-s", "pending")
    assert hours == [{"hour": "2026-01-02T03:00:00Z", "count": 1}]


def test_groups_for_people(board: Board) -> None:
    """The table has a column a field, the sum is told beside it, and groups that are left out are announced."""
    for service in ("a", "b", "b"):
        board.add(service)
    said = board("count", "--group-by", "service")
    assert said.out.split() == ["SERVICE", "COUNT", "b", "2", "a", "1"]
    assert said.err == "3 in all\n"
    assert board("count", "--group-by", "service", "-q").out == "3\n"
    assert board("count", "--group-by", "service", "-o", "tsv").out == "service\tcount\nb\t2\na\t1\n"
    cut = board("count", "--group-by", "service", "--limit", "1", "-o", "json").document
    assert cut["page"] == {"returned": 1, "limit": 1, "total": 2, "truncated": True}
    assert cut["data"]["total"] == 3
    assert "1 of 2 groups" in board("count", "--group-by", "service", "--limit", "1").err


def test_list_with_groups_is_count(board: Board) -> None:
    """`list --group-by` gives the same document as `count --group-by`, under the same schema."""
    board.add(status="failed")
    counted, listed = (board(name, "--group-by", "status", "-o", "json").document for name in ("count", "list"))
    assert listed == counted
    assert listed["schema"] == "specql-jobs.count/v1"


@pytest.mark.parametrize(
    "arguments",
    [("--group-by", "colour"), ("--group-by", ""), ("--group-by", "!status"), ("-s", "dead"), ("nonsense",)],
)
def test_wrong_words_are_exit_2(board: Board, arguments: tuple[str, ...]) -> None:
    """An unknown field or selector is a wrong call with a hint."""
    said = board("count", "-o", "json", *arguments)
    assert said.code == 2
    assert said.error["hint"]


def test_ids_count_too(board: Board) -> None:
    """Ids are a selector like others; none on stdin is none, an unknown beginning is exit 3."""
    id_ = board.add()
    board.add()
    assert board("count", id_, "-q").out == "1\n"
    assert board("count", "-", "-q", stdin="").out == "0\n"
    assert board("count", "ffffff", "-o", "json").code == 3


def test_no_schema_is_exit_5(empty_dsn: str) -> None:
    """Without the schema the count is unavailable and says what to type."""
    said = Board(empty_dsn)("count", "-o", "json")
    assert said.code == 5
    assert "db migrate" in said.error["hint"]


def test_an_estimate_is_a_warning_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads `total` alone is told in `warnings` that it is about so many."""
    answer_tally(Console(command="count", format="json"), Tally(4000, False, [], 0), (), None)  # noqa: FBT003 - its fields
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["exact"] is False
    assert document["warnings"] == ["data.total is an estimate: 4000 jobs, more or less; --exact counts them"]
