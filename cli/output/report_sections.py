"""The sections of a report's page, each from the report's data alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .markup import Child, Element, tag
from .plots import Series, Span, bars, lines, marks, milliseconds, stacked_bars
from .report_json import STATUSES
from .report_parts import Data, at, clock, figure, filled, legend, ms, none, or_dash, plotted, points, table
from .text import age, amount, cut, one_line, size

_PERCENTILES = ("p50", "p95", "p99")
_MOST_NAMED = 5
LONGEST_MESSAGE = 200  # characters; -o json has 500 of them
_TROUBLE = frozenset({"worker_lost", "breaker_open"})
_EVENT_COLOURS = {
    "people": "what people did",
    "trouble": "workers lost, breakers opened",
    "workers": "workers started, stopped",
}


def _summary(data: Data, _span: Span) -> Iterator[Element]:
    totals = data["totals"]
    ratio = totals["failed_ratio"]
    tiles = (
        ("completed", f"{totals['completed']:,}"),
        ("failed for good", f"{totals['failed']:,}"),
        ("failed, of ended", "–" if ratio is None else f"{ratio:.1%}"),
        ("failed attempts", f"{totals['failed_attempts']:,}"),
        ("enqueued", f"{totals['created']:,}"),
        ("cancelled", f"{totals['cancelled']:,}"),
        ("p95 of run time", ms(totals["p95_ms"])),
        ("waiting now", f"{totals['pending_now']:,}"),
    )
    yield tag(
        "div", *(tag("div", tag("b", value), tag("span", name), class_="tile") for name, value in tiles), class_="tiles"
    )
    found = list(_findings(data))
    if found:
        yield tag("ul", *(tag("li", each) for each in found), class_="found")


def _findings(data: Data) -> Iterator[str]:
    """What stands out, in sentences."""
    for word, told in (("new", "not seen in the window before"), ("growing", "at least twice the window before")):
        groups = [each for each in data["failures"] if each["trend"] == word]
        if groups:
            jobs, count = sum(each["jobs"] for each in groups), len(groups)
            yield f"{count} {word} group{'s' * (count != 1)} of failures, {jobs:,} job{'s' * (jobs != 1)}: {told}."
    lost = [each["subject"] for each in data["events"] if each["kind"] == "worker_lost"]
    if lost:
        yield f"{len(lost)} worker{'s were' if len(lost) != 1 else ' was'} lost: {_some(lost)}."
    opened = [each["subject"] for each in data["events"] if each["kind"] == "breaker_open"]
    if opened:
        yield f"Circuit breakers opened: {', '.join(opened)}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")


def _throughput(data: Data, span: Span) -> Iterator[Element]:
    yield tag("h2", "Throughput by status")
    series = [Series(name, name, points(data["throughput"], name)) for name in STATUSES]
    label = "Jobs that ended in each step, by status: " + _in_all(data["totals"])
    yield from plotted(
        any(data["totals"][name] for name in STATUSES),
        series,
        "no job ended in this window",
        lambda width: stacked_bars(series, span, width, label),
    )


def _in_all(totals: Data) -> str:
    return ", ".join(f"{totals[name]:,} {name}" for name in STATUSES)


def _latency(data: Data, span: Span) -> Iterator[Element]:
    yield tag("h2", "Run time of the last attempt")
    series = [Series(name, name, points(data["latency"], f"{name}_ms")) for name in _PERCENTILES]
    whole = ", ".join(f"{name} {ms(data['totals'][f'{name}_ms'])}" for name in _PERCENTILES)
    if data["latency"]:
        yield tag("p", f"Over the whole window: {whole}. The scale is logarithmic.", class_="dim")
    yield from plotted(
        bool(data["latency"]),
        series,
        "no attempt ended in this window",
        lambda width: lines(series, span, width, f"Run time: {whole}"),
    )


def _failures(data: Data, span: Span) -> Iterator[Element]:
    yield tag("h2", "Failures by fingerprint")
    drawn = [each for each in data["failures"] if each["series"]]
    if not drawn:
        yield tag("p", "No job failed for good in this window.", class_="none")
        return
    steps = [row["at"] for row in data["throughput"]]
    series = [
        Series(_group(each), f"g{number}", filled(each["series"], steps)) for number, each in enumerate(drawn, start=1)
    ]
    label = f"Failed jobs in each step, the {len(series)} largest groups"
    yield from plotted(bool(drawn), series, "", lambda width: stacked_bars(series, span, width, label))
    heads = ("Jobs", "Before", "Trend", "Last message", "Fingerprint", "Category", "Operations", "First", "Last")
    kinds = ("number", "number", None, None, "nowrap", None, None, "nowrap", "nowrap")
    yield table(heads, (_failure_row(each) for each in data["failures"]), kinds)
    left = data["failure_groups"] - len(data["failures"])
    if left > 0:
        yield tag("p", f"{left:,} smaller groups are left out.", class_="dim")


def _failure_row(each: Data) -> tuple[Child, ...]:
    return (
        f"{each['jobs']:,}",
        f"{each['jobs_before']:,}",
        tag("span", each["trend"], class_=each["trend"]),
        tag("div", cut(one_line(each["message"] or ""), LONGEST_MESSAGE), class_="message"),
        tag("code", _group(each)),
        each["category"] or "",
        ", ".join(each["operations"]),
        clock(each["first_at"]),
        clock(each["last_at"]),
    )


def _group(each: Data) -> str:
    return each["fingerprint"] or "without one"


def _services(data: Data, _span: Span) -> Iterator[Element]:
    yield tag("h2", "By service")
    heads = ("Service", "Type", "Completed", "Failed", "Cancelled", "Failed, of ended", "p50", "p95")
    rows = (
        (
            each["service"],
            each["execution_type"] or "",
            *(f"{each[name]:,}" for name in STATUSES),
            "–" if each["failed_ratio"] is None else f"{each['failed_ratio']:.1%}",
            ms(each["p50_ms"]),
            ms(each["p95_ms"]),
        )
        for each in data["services"]
    )
    yield table(heads, rows, (None, None, *["number"] * 6)) if data["services"] else none("no job ended in this window")


def _usage(data: Data, _span: Span) -> Iterator[Element]:
    yield tag("h2", "Usage by execution type")
    heads = ("Type", "Jobs", "Run time", "CPU time", "Largest memory", "Network", "Cost")
    rows = (
        (
            _type(each),
            f"{each['jobs']:,}",
            or_dash(each["run_seconds"], age),
            or_dash(each["cpu_seconds"], lambda value: milliseconds(value * 1000)),
            or_dash(each["peak_memory_mb"], lambda value: f"{value:,.0f} MB"),
            or_dash(each["network_bytes"], size),
            or_dash(each["cost_usd"], lambda value: f"{value:,.4f} USD"),
        )
        for each in data["usage"]
    )
    if not data["usage"]:
        yield none("no job ended in this window")
        return
    yield tag("p", "Of last attempts; a dash where runners did not measure.", class_="dim")
    groups = [(_type(each), (each["run_seconds"] or 0.0, each["cpu_seconds"] or 0.0)) for each in data["usage"]]
    yield legend((("run time", "p50"), ("CPU time", "p95")))
    yield figure(lambda width: bars(groups, ("p50", "p95"), width, "Run time and CPU time by execution type"))
    yield table(heads, rows, (None, *["number"] * 6))


def _type(each: Data) -> str:
    return each["execution_type"] or "not stated"


def _events(data: Data, span: Span) -> Iterator[Element]:
    yield tag("h2", "What was done, and what happened")
    if not data["events"]:
        yield none("no change by a person, no worker and no breaker in this window")
        return
    points = [
        (at(each["at"]), _kind_class(each["kind"]), f"{clock(each['at'])} {_said(each)}") for each in data["events"]
    ]
    yield legend((told, name) for name, told in _EVENT_COLOURS.items())
    yield figure(lambda width: marks(points, span, width, amount(len(points), "event")))
    rows = (
        (clock(each["at"]), each["kind"].replace("_", " "), each["subject"], _jobs(each), each["who"], each["reason"])
        for each in data["events"]
    )
    yield table(("Time", "What", "Of", "Jobs", "Who", "Why"), rows, ("nowrap", None, None, "number", None, None))


def _kind_class(kind: str) -> str:
    if kind in _TROUBLE:
        return "trouble"
    return "workers" if kind.startswith("worker_") else "people"


def _said(each: Data) -> str:
    parts = (
        each["kind"].replace("_", " "),
        each["subject"],
        each["jobs"] and amount(each["jobs"], "job"),
        each["who"],
        each["reason"],
    )
    return " ".join(part for part in parts if part)


def _jobs(each: Data) -> str:
    return f"{each['jobs']:,}" if each["jobs"] else ""


#: In the order in which a post-mortem is read.
SECTIONS = (_summary, _throughput, _latency, _failures, _services, _usage, _events)
