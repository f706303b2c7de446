"""The audit trail for people and programs: events, and the verdict of a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .console import Console
from .job_json import execution_type, timestamp
from .text import age, amount, one_line

if TYPE_CHECKING:
    from ...core.store.audit import Verdict

Row = Mapping[str, Any]

HEADERS = ("JOB", "OUTCOME", "SERVICE.OPERATION", "AGE", "WORKER", "WHY")
#: What a narrow terminal does without, the first first.
SPARE = ("WORKER", "AGE", "WHY")


def as_json(row: Row) -> dict[str, Any]:
    """Return one element of `audit list`."""
    return {
        "id": row["id"],
        "at": timestamp(row["at"]),
        "outcome": row["outcome"],
        "job_id": str(row["job_id"]),
        "lease_seq": row["lease_seq"],
        "attempt": row["attempt"],
        "service": row["service_name"],
        "operation": row["operation"],
        "execution_type": execution_type(row["execution_type"]),
        "tenant_id": str(row["tenant_id"]) if row["tenant_id"] else None,
        "status": row["status"],
        "error_category": row["error_category"],
        "worker_id": row["worker_id"],
        "runner_version": row["runner_version"],
        "registry_digest": row["registry_digest"],
        "policy_digest": row["policy_digest"],
        "sandbox": row["sandbox"],
        "duration_ms": row["duration_ms"],
        "violations": row["violations"] or [],
        "chain": row["chain"],
    }


def table_row(row: Row) -> list[str]:
    """Return one line of `audit list`."""
    place = one_line(f"{row['service_name']}.{row['operation']}")
    old = age((row["database_now"] - row["at"]).total_seconds())
    return [str(row["job_id"]), row["outcome"], place, old, one_line(row["worker_id"] or ""), _why(row)]


def _why(row: Row) -> str:
    violations = row["violations"] or []
    if violations:
        return one_line("; ".join(f"{each['code']}: {each['message']}" for each in violations))
    return row["error_category"] or ""


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return the data of `audit verify`."""
    return {
        "intact": not verdict.breaks,
        "events": sum(chain.events for chain in verdict.chains),
        "links": sum(chain.links for chain in verdict.chains),
        "chains": [
            {"chain": chain.name, "links": chain.links, "events": chain.events, "head": chain.head}
            for chain in verdict.chains
        ],
        "breaks": [
            {"chain": each.chain or None, "link": each.seq, "reason": each.reason, "message": _message(each)}
            for each in verdict.breaks
        ],
    }


def _message(each: Any) -> str:
    from ...core.store.audit import BREAKS  # noqa: PLC0415 - loaded by then

    return f"{BREAKS[each.reason]} ({each.detail})" if each.detail else BREAKS[each.reason]


def verdict_lines(verdict: Verdict, console: Console) -> Iterator[str]:
    """Return the verdict for people: how much was checked, then each break."""
    events, links = (sum(getattr(chain, name) for chain in verdict.chains) for name in ("events", "links"))
    state = console.painted("tampered", "red") if verdict.breaks else console.painted("intact", "green")
    yield f"{state}: {amount(events, 'event')} in {amount(links, 'link')} of {amount(len(verdict.chains), 'chain')}"
    for each in verdict.breaks:
        place = f"chain {one_line(each.chain)}" if each.chain else "the trail"
        number = f", link {each.seq}" if each.seq is not None else ""
        yield f"  {place}{number}: {each.reason}: {_message(each)}"
