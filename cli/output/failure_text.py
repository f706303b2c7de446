"""Groups of failures as data and for people, each with what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.fingerprint import readable, template
from . import category_next
from .console import Console
from .job_json import timestamp
from .listed import Table, answer_list
from .tables import tsv
from .text import age, amount, duration, moment, one_line

if TYPE_CHECKING:
    from ...core.store.failures import Failures, Group

_HEADERS = ("GROUP", "FAILURES", "FAILED", "RETRYING", "FIRST", "LAST", "BEFORE", "WHERE", "WHAT")
_SPARE = ("FIRST", "RETRYING", "BEFORE")


def show(console: Console, found: Failures, limit: int | None) -> None:
    """Answer with the groups; with -q with their fingerprints."""
    groups = [as_json(each, found) for each in found.groups]
    if console.is_json:
        console.document(groups, page=_page(found, limit))
        return
    if console.format == "tsv":
        console.data(tsv(_KEYS, [[each[key] for key in _KEYS] for each in groups]))
    elif console.quiet:
        console.data("\n".join(each["fingerprint"] for each in groups if each["fingerprint"]))
    else:
        answer_list(console, "groups", groups, Table(_HEADERS, [_row(each, found) for each in found.groups], _SPARE))
    for line in _talk(found):
        console.say(line)


_KEYS = (
    *("fingerprint", "failures", "jobs", "failed", "retrying", "first_at", "last_at", "category", "message_template"),
    *("status_code", "exit_code", "sample_job_id"),
)


def as_json(each: Group, found: Failures) -> dict[str, Any]:
    """Return one group of `errors`."""
    return {
        "fingerprint": each.fingerprint,
        "count": {"failures": each.failures, "jobs": each.jobs, "failed": each.failed, "retrying": each.retrying},
        "failures": each.failures,
        "jobs": each.jobs,
        "failed": each.failed,
        "retrying": each.retrying,
        "first_at": timestamp(each.first_at),
        "last_at": timestamp(each.last_at),
        "services": sorted({place.rpartition(".")[0] for place in each.operations}),
        "operations": list(each.operations),
        "category": each.sample["category"],
        "message": each.sample["message"],
        "message_template": template(each.sample["message"] or ""),
        "status_code": _number(each.sample["status_code"]),
        "exit_code": _number(each.sample["exit_code"]),
        "tenants": each.tenants,
        "workers": each.workers,
        "sample_job_id": str(each.sample["id"]),
        "compare": {
            "since": timestamp(found.window.before),
            "until": timestamp(found.window.since),
            "previous_count": each.previous,
            "ratio": round(each.failures / each.previous, 2) if each.previous else None,
            "change": _change(each),
        },
        "next": next_commands(each),
    }


def next_commands(each: Group) -> list[str]:
    """Return what to type: look at one, and run again those that failed for good."""
    found = [f"specql-jobs show {each.sample['id']}"]
    if each.fingerprint and each.failed:
        found.append(f"specql-jobs retry --status failed --fingerprint {each.fingerprint} --dry-run")
    elif each.failed:
        found.append(f"specql-jobs list --status failed --operation {each.operations[0]}")
    return found + category_next.explaining(each.sample["category"])


def _change(each: Group) -> str:
    if not each.previous:
        return "new"
    return "up" if each.failures > each.previous else "down" if each.failures < each.previous else "same"


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None  # not measured, or not by a runner of ours


def _page(found: Failures, limit: int | None) -> dict[str, Any]:
    shown = len(found.groups)
    return {"returned": shown, "limit": limit, "total": found.all_groups, "truncated": found.all_groups > shown}


def _row(each: Group, found: Failures) -> list[str]:
    more = f" +{len(each.operations) - 1}" if len(each.operations) > 1 else ""
    before = _change(each) if not each.previous else f"{_change(each)} from {each.previous}"
    what = f"{each.sample['category'] or 'error'}: {readable(each.sample['message'] or '')}{_code(each)}"
    first, last = (age((found.window.now - at).total_seconds()) for at in (each.first_at, each.last_at))
    numbers = [str(number) for number in (each.failures, each.failed, each.retrying)]
    return [each.fingerprint or "-", *numbers, first, last, before, one_line(each.operations[0] + more), one_line(what)]


def _code(each: Group) -> str:
    """Status or exit code, which a template leaves out."""
    status, code = _number(each.sample["status_code"]), _number(each.sample["exit_code"])
    return f" [status {status}]" if status else f" [exit code {code}]" if code else ""


def _talk(found: Failures) -> list[str]:
    window = (
        f"since {moment(found.window.since)} ({duration((found.window.until - found.window.since).total_seconds())})"
    )
    if not found.groups:
        return [f"nothing failed {window}"]
    shown = len(found.groups)
    more = f", {shown} of them shown (--limit 0 for all)" if found.all_groups > shown else ""
    sums = f"{amount(found.failures, 'failure')}, {amount(found.failed, 'job')} failed, {found.retrying:,} retrying"
    return [f"{sums}, in {amount(found.all_groups, 'group')} {window}{more}", *next_commands(found.groups[0])]
