"""What was measured: one JSON line per figure, and tables made of such lines."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

#: Whose figures are compared with the others'.
OURS = "specql-jobs"

#: Between these lines a page holds figures that a run has written.
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


#: A load, per core, at which times say more about the other work than about the queues; and what is then said.
BUSY = 0.5
CAUTION = "The machine was busy with other work: compare CPU per job, and no figure that has a second in it."


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one side in one case: a value per round."""

    benchmark: str
    case: str
    side: str
    metric: str
    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.values)


@dataclass(slots=True)
class Results:
    """Everything measured so far, each figure written to `log` as it comes."""

    log: TextIO | None = None
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """Return on what the figures were measured, and a caution where that was a busy machine."""
        told = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        busy = float(self.facts.get("load before", 0)) > BUSY * int(self.facts.get("cores") or 1)
        return f"{told}\n\n{CAUTION}" if busy else told

    def about(self, facts: dict[str, Any]) -> None:
        """Say on what the figures were measured."""
        self.facts = facts
        self._write({"facts": facts})

    def add(self, benchmark: str, case: str, rounds: dict[str, list[dict[str, float]]]) -> None:
        """Take a case's rounds by side, and print its table."""
        found = [
            Figure(benchmark, case, side, metric, tuple(run[metric] for run in runs))
            for side, runs in rounds.items()
            for metric in (runs[0] if runs else ())
        ]
        self.figures += found
        for figure in found:
            self._write(asdict(figure))
        print(f"\n{table(found)}", flush=True)

    def _write(self, line: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write(json.dumps(line) + "\n")
            self.log.flush()


def load(file: Path) -> Results:
    """Read what a run has written; of several runs in one file the last figure of each kind holds."""
    results, latest = Results(), dict[tuple[str, str, str, str], Figure]()
    for text in file.read_text().splitlines():
        line = json.loads(text)
        if "facts" in line:
            results.facts = line["facts"]
            continue
        figure = Figure(**{**line, "values": tuple(line["values"])})
        latest[figure.benchmark, figure.case, figure.side, figure.metric] = figure
    results.figures = list(latest.values())
    return results


def page(results: Results) -> str:
    """Return all tables as markdown, under a line that says on what they were measured."""
    cases = dict.fromkeys((figure.benchmark, figure.case) for figure in results.figures)
    tables = [table([figure for figure in results.figures if (figure.benchmark, figure.case) == key]) for key in cases]
    return "\n\n".join([results.heading, *tables])


def renewed(text: str, figures: str) -> str:
    """Return a page with other figures between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{figures}\n\n{end}{after}"


def table(figures: Sequence[Figure]) -> str:
    """Return one case as a markdown table: a row per side; in brackets, ours divided by that side's figure."""
    first = figures[0]
    metrics = list(dict.fromkeys(figure.metric for figure in figures))
    middle = {(figure.side, figure.metric): figure.middle for figure in figures}
    lines = [f"| {first.benchmark}: {first.case} | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
    for side in dict.fromkeys(figure.side for figure in figures):
        cells = (_cell(middle.get((side, metric)), middle.get((OURS, metric)), side) for metric in metrics)
        lines.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None, ours: float | None, side: str) -> str:
    if value is None:
        return "–"
    return _number(value) if side == OURS or not ours or not value else f"{_number(value)} ({ours / value:.2f})"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{round(value, -2):,.0f}"
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"
