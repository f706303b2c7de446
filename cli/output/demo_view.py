"""How the demo looks: a live table on a terminal, plain lines elsewhere, and a summary that says what to try next."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .console import Console
from .streams import is_terminal
from .tables import text_table
from .text import amount, cut

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

STATUSES = ("pending", "running", "completed", "failed")
_COLOURS = {"pending": "dim", "running": "cyan", "completed": "green", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of job of the demo, as the database has it."""

    name: str
    lesson: str
    counts: dict[str, int]
    total: int
    attempts: int
    message: str
    peak_mb: float
    as_expected: bool

    def as_json(self) -> dict[str, Any]:
        """Return the row for -o json."""
        return {
            "operation": self.name,
            "jobs": self.total,
            "statuses": self.counts,
            "attempts": self.attempts,
            "error": self.message or None,
            "peak_memory_mb": self.peak_mb or None,
            "as_expected": self.as_expected,
        }


class DemoView:
    """Shows progress on stderr; the summary is data."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._on_terminal = is_terminal(sys.stderr) and not console.is_json and not console.quiet
        self._live: Live | None = None

    def step(self, text: str) -> None:
        """Say what is being set up."""
        self._console.say(f"  {text} …")

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep one table on the terminal up to date while the block runs."""
        if not self._on_terminal:
            yield
            return
        from rich.console import Console as RichConsole  # noqa: PLC0415 - 50 ms, for the live table only
        from rich.live import Live  # noqa: PLC0415

        with Live(console=RichConsole(stderr=True), refresh_per_second=8, transient=True) as self._live:
            yield
        self._live = None

    def show(self, rows: Sequence[Row]) -> None:
        """Show how far the jobs are."""
        if self._live is not None:
            self._live.update(_table(rows))


def _table(rows: Sequence[Row]) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation")
    for status in STATUSES:
        table.add_column(status, justify="right", style=_COLOURS[status])
    table.add_column("tries", justify="right")
    for row in rows:
        counts = [str(row.counts.get(status) or "·") for status in STATUSES]
        table.add_row(row.name, *counts, str(row.attempts or "·"))
    return table


def summary(rows: Sequence[Row], seconds: float, width: int | None, *, kept: str) -> str:
    """Return the closing table: what each kind of job showed."""
    headers = ("OPERATION", "JOBS", "ENDED", "TRIES", "WHAT YOU SAW")
    body = [(row.name, str(row.total), _ended(row), str(row.attempts), _lesson(row)) for row in rows]
    done = sum(row.total for row in rows)
    end = f"kept in {kept}" if kept else "that is gone again"
    return f"{text_table(headers, body, width)}\n\n{amount(done, 'job')} in {seconds:.1f} s, on a PostgreSQL {end}."


def _ended(row: Row) -> str:
    words = [f"{count} {status}" if len(row.counts) > 1 else status for status, count in sorted(row.counts.items())]
    return ", ".join(words)


def _lesson(row: Row) -> str:
    if not row.as_expected:
        return f"NOT AS EXPECTED: {cut(row.message, 60)}"
    memory = f" (peak {row.peak_mb:.1f} MiB)" if row.peak_mb else ""
    return row.lesson + memory
