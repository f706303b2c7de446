"""`audit list` and `audit verify` as an operator meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.board import Board
from support.cli import answering, write_registry


@pytest.fixture
def worked(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """One job that was executed and one that was refused, by a worker of the command line; their ids."""
    monkeypatch.setenv("PAY_TOKEN", "tok-SECRET-77")
    done = board.add("pay", "ok", input_data={"amount": 4711, "note": "for your eyes"})
    refused = board.add("open", "go")
    with answering() as url:
        registry = write_registry(tmp_path, url)
        said = board("worker", "--registry", str(registry), "--until-empty")
    assert said.code == 0, said.err
    assert "audit_head" in said.err
    return done, refused


def test_events_are_listed_as_every_format(board: Board, worked: tuple[str, str]) -> None:
    """Text for people, JSON with every key, JSON lines, tab-separated; newest first, none with input or secret."""
    done, refused = worked
    said = board("audit", "list", "-o", "json")
    assert {each["job_id"]: each["outcome"] for each in said.data} == {done: "succeeded", refused: "refused"}
    (violation, *_) = next(each["violations"] for each in said.data if each["job_id"] == refused)
    assert (violation["code"], violation["field"]) == ("domain_not_allowed", "allowed_domains")
    lines = board("audit", "list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [each["id"] for each in said.data]
    header, *rows = board("audit", "list", "-o", "tsv").out.splitlines()
    assert header.split("\t")[:4] == ["id", "at", "outcome", "job_id"]
    assert len(rows) == 2
    text = board("audit", "list")
    assert "domain_not_allowed" in text.out
    for leak in ("4711", "for your eyes", "tok-SECRET-77"):
        assert leak not in said.out + text.out


def test_events_are_chosen(board: Board, worked: tuple[str, str]) -> None:
    """By job id or its beginning, service, outcome and time; a limit says what it leaves out."""
    done, refused = worked
    assert [each["job_id"] for each in board("audit", "list", done, "-o", "json").data] == [done]
    assert [each["job_id"] for each in board("audit", "list", "--service", "open", "-o", "json").data] == [refused]
    assert [each["job_id"] for each in board("audit", "list", "--outcome", "!refused", "-o", "json").data] == [done]
    assert board("audit", "list", "--since", "1h", "--until", "30m", "-o", "json").data == []
    limited = board("audit", "list", "--limit", "1", "-o", "json").document
    assert limited["page"] == {"returned": 1, "limit": 1, "total": 2, "truncated": True}


@pytest.mark.parametrize(
    "arguments", [("list", "--outcome", "lost"), ("list", "--since", "soon"), ("verify", "--head", "x")]
)
def test_a_word_that_is_none_is_named(board: Board, arguments: tuple[str, ...]) -> None:
    """A wrong outcome, time or hash is exit 2, not an empty answer."""
    assert board("audit", *arguments, "-o", "json").code == 2


def test_an_intact_trail_is_exit_0(board: Board, worked: tuple[str, str]) -> None:
    """The check counts what it saw; the worker's log has the head that it ended with."""
    said = board("audit", "verify", "-o", "json")
    assert (said.code, said.data["intact"], said.data["events"], said.data["breaks"]) == (0, True, 2, [])
    (chain,) = said.data["chains"]
    assert board("audit", "verify", "--head", chain["head"]).code == 0
    assert "intact: 2 events" in board("audit", "verify").out


def test_a_tampered_trail_is_exit_1_and_names_the_link(board: Board, worked: tuple[str, str]) -> None:
    """An event that was changed behind the triggers is named with chain and link."""
    board.sql("ALTER TABLE jobs.tb_audit_event DISABLE TRIGGER USER")
    board.sql("UPDATE jobs.tb_audit_event SET outcome = 'succeeded', violations = NULL")
    said = board("audit", "verify", "-o", "json")
    assert (said.code, said.data["intact"]) == (1, False)
    (found,) = said.data["breaks"]
    assert (found["link"], found["reason"]) == (1, "event_changed")
    assert "link 1: event_changed" in board("audit", "verify").out


def test_an_empty_trail_is_intact(board: Board) -> None:
    """Nothing was executed: nothing can have been touched."""
    assert board("audit", "verify", "-o", "json").data["chains"] == []
    assert board("audit", "list", "-o", "json").data == []
