"""Draws a run's figures; started in the peers' environment, which has matplotlib.

plot.py RESULTS.jsonl OUT.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg" if sys.argv[2].endswith("svg") else "agg")

import matplotlib.pyplot as plt
from results import OURS, Figure, load

OUR_COLOUR, PEER_COLOUR, OUR_SHADE = "#1f6f8b", "#b8b8b8", "#8fb7c5"

#: Benchmark, metric, what the panel is called. A panel per case that a run has.
PANELS = (
    ("throughput", "jobs/s", "throughput, jobs/s (more is better)"),
    ("throughput", "worker CPU, us/job", "worker CPU, µs per job (less is better)"),
    ("pickup", "p99", "pickup p99, ms (less is better)"),
    ("enqueue", "jobs/s", "enqueued jobs/s (more is better)"),
    ("backlog", "under a held snapshot", "jobs/s under a held snapshot (more is better)"),
)
COLUMNS = 2


def main(results: Path, out: Path) -> None:
    """Draw horizontal bars: a panel per case, a bar per side."""
    panels = list(_panels(load(results).figures))
    rows = -(-len(panels) // COLUMNS) or 1
    drawing, grid = plt.subplots(rows, COLUMNS, figsize=(14, 2.6 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (title, figures) in zip(grid.flat, panels, strict=False):
        _draw(axes, title, figures)
    drawing.tight_layout()
    drawing.savefig(out)


def _panels(figures: list[Figure]) -> list[tuple[str, list[Figure]]]:
    found = []
    for benchmark, metric, title in PANELS:
        wanted = [figure for figure in figures if (figure.benchmark, figure.metric) == (benchmark, metric)]
        cases = dict.fromkeys(figure.case for figure in wanted)
        found += [(f"{title}\n{case}", [figure for figure in wanted if figure.case == case]) for case in cases]
    return found


def _draw(axes: plt.Axes, title: str, figures: list[Figure]) -> None:
    axes.axis("on")
    ordered = sorted(figures, key=lambda figure: figure.middle)
    bars = axes.barh([figure.side for figure in ordered], [figure.middle for figure in ordered], height=0.65)
    for bar, figure in zip(bars, ordered, strict=True):
        bar.set_color(_colour(figure.side))
    axes.bar_label(bars, labels=[_label(figure.middle) for figure in ordered], padding=3, fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)


def _colour(side: str) -> str:
    if side == OURS:
        return OUR_COLOUR
    return OUR_SHADE if OURS in side or "our" in side or "enqueue" in side or side == "COPY" else PEER_COLOUR


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
