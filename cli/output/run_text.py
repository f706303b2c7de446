"""What `run` says: the plan and its verdict, or the result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .console import Console
from .text import clean, duration, one_line

if TYPE_CHECKING:
    from ...core.contract import PlanError
    from ...core.worker.planner import Draft, Prepared
    from ..local_run import Ran


def plan_json(prepared: Prepared, drafted: Draft | PlanError, digest: str) -> dict[str, Any] | None:
    """Return the plan as data: where it comes from, its limits, and what the runner would do; None without a plan."""
    from ...core.worker.planner import Draft  # noqa: PLC0415 - loaded by then

    if not isinstance(drafted, Draft):
        return None
    head = {
        "service": prepared.service.name,
        "operation": prepared.operation.name,
        "execution_type": str(prepared.service.execution_type),
        "runner": prepared.runner.version,
        "registry_digest": digest,
        "timeout_seconds": drafted.call.timeout_seconds,
    }
    return head | drafted.plan.describe()


def _violations(drafted: Draft | PlanError) -> list[dict[str, str]]:
    from ...core.worker.planner import Draft  # noqa: PLC0415 - loaded by then

    if isinstance(drafted, Draft):
        return [{"code": each.code, "message": each.message, "field": each.field} for each in drafted.violations]
    return [{"code": "no_plan", "message": drafted.message, "field": "input"}]


def show_verdict(
    console: Console, prepared: Prepared, drafted: Draft | PlanError, digest: str, *, named: Mapping[str, Any]
) -> bool:
    """Print plan and verdict; return whether the job would be allowed. `named` is added to the data."""
    violations = _violations(drafted)
    plan = plan_json(prepared, drafted, digest)
    verdict = "refused" if violations else "allowed"
    data = {**named, "plan": plan, "verdict": verdict, "violations": violations}
    console.answer(data, lambda: "\n".join(_verdict_lines(console, plan, violations)))
    console.say("Nothing was executed.")
    return not violations


def _verdict_lines(console: Console, plan: Mapping[str, Any] | None, violations: list[dict[str, str]]) -> Iterator[str]:
    for key, value in (plan or {}).items():
        yield from _field(key, value)
    if not violations:
        yield f"{'verdict':<16} {console.painted('allowed', 'green')}"
    else:
        yield f"{'verdict':<16} {console.painted('refused', 'red')}"
    for each in violations:
        yield f"{'':<16} {each['code']}: {one_line(each['message'])}  ({each['field']})"


def _field(key: str, value: Any) -> Iterator[str]:
    if value in (None, "", [], {}, ()):
        return
    if isinstance(value, Mapping):
        first, *rest = (f"{one_line(str(name))}: {_short(each)}" for name, each in value.items())
    elif isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        first, *rest = (one_line(each) for each in value)
    else:
        first, *rest = clean(_short(value)).split("\n")
    yield f"{key:<16} {first}"
    yield from (f"{'':<16} {line}" for line in rest)


def _short(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def show_result(  # noqa: PLR0913 - one answer of exactly these
    console: Console,
    prepared: Prepared,
    drafted: Draft | PlanError,
    ran: Ran,
    digest: str,
    *,
    named: Mapping[str, Any],
) -> bool:
    """Print the job's output and how it ended; return whether it completed. `named` is added to the data."""
    settled = ran.settlement
    error = {"category": settled.category, "message": settled.message} if settled.category else None
    data = {
        **named,
        "service": prepared.service.name,
        "operation": prepared.operation.name,
        "execution_type": str(prepared.service.execution_type),
        "status": str(settled.status),
        "output": settled.output,
        "error": error,
        "duration_ms": round(ran.seconds * 1000),
        "resource_usage": dict(ran.result.usage),
        "plan": plan_json(prepared, drafted, digest),
        "logs": [{"stream": each.stream, "text": each.text, "truncated": each.truncated} for each in ran.result.logs],
    }
    console.answer(data, lambda: _output_text(settled.output))
    if not console.is_json:
        _say_result(console, data)
    return str(settled.status) == "completed"


def _output_text(output: Any) -> str:
    if output is None:
        return ""
    return clean(output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False))


def _say_result(console: Console, data: Mapping[str, Any]) -> None:
    """Captured output when it failed or -v asks; then one line on how it ended."""
    if console.verbose or data["error"]:
        for chunk in data["logs"]:
            for line in chunk["text"].rstrip("\n").split("\n"):
                console.say(f"{chunk['stream']}| {line}")
    name = f"{data['service']}.{data['operation']}"
    colour = "green" if data["status"] == "completed" else "red"
    ended = f"{data['status']} {name} in {duration(data['duration_ms'] / 1000)}"
    reason = f": {data['error']['category']}: {one_line(data['error']['message'] or '')}" if data["error"] else ""
    console.conclude(ended + reason, colour)
    if data["error"] and data["error"]["category"] == "policy_violation":
        console.say("  try: look at security_policy in the registry; --dry-run shows the plan and every reason")
