"""Numbers of jobs, and of failures, by group: as data and for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .console import Console
from .job_json import timestamp
from .listed import Table, answer_list
from .text import moment, one_line

if TYPE_CHECKING:
    from ...core.store.counting import Tally


def answer_tally(console: Console, found: Tally, fields: Sequence[str], limit: int | None) -> None:
    """Answer with the number, or with the groups and the number beside them; ~ marks an estimate."""
    groups = [{key: _plain(value) for key, value in row.items()} for row in found.groups]
    if console.is_json:
        if not found.exact:
            console.warn(f"data.total is an estimate: {found.total} jobs, more or less; --exact counts them")
        console.document({"total": found.total, "exact": found.exact, "groups": groups}, page=_page(found, limit))
    elif fields and not console.quiet:
        _answer_groups(console, found, fields, groups)
    else:
        _answer_number(console, found)


def _answer_number(console: Console, found: Tally) -> None:
    match console.format:
        case "jsonl":
            console.lines([{"total": found.total, "exact": found.exact}])
        case "text":
            console.data(_number(found.total, found))
        case _:
            answer_list(console, "groups", [], Table(["total"], [[_number(found.total, found)]]))


def _answer_groups(console: Console, found: Tally, fields: Sequence[str], groups: Sequence[dict[str, Any]]) -> None:
    for_people = console.format != "tsv"
    rows = [
        [*(_cell(row[each], for_people=for_people) for each in fields), _number(row["count"], found)]
        for row in found.groups
    ]
    headers = [each.upper() for each in (*fields, "count")] if for_people else [*fields, "count"]
    answer_list(console, "groups", groups, Table(headers, rows))
    more = f", {len(groups)} of {found.all_groups} groups (--limit 0 for all)" if found.all_groups > len(groups) else ""
    console.say(f"{_number(found.total, found)} in all{more}")
    if not found.exact:
        console.say("~ is an estimate: open and failed jobs were counted, of the others a part; --exact counts all")


def _page(found: Tally, limit: int | None) -> dict[str, Any] | None:
    if not found.all_groups:
        return None
    shown = len(found.groups)
    return {"returned": shown, "limit": limit, "total": found.all_groups, "truncated": found.all_groups > shown}


def _number(count: int, found: Tally) -> str:
    return str(count) if found.exact else f"~{count}"


def _plain(value: Any) -> Any:
    return timestamp(value) if isinstance(value, datetime) else value


def _cell(value: Any, *, for_people: bool) -> str:
    if value is None:
        return "-" if for_people else ""
    if isinstance(value, datetime):
        return moment(value) if for_people else str(timestamp(value))
    return one_line(str(value))
