"""Rows as aligned text, Markdown or tab-separated values. No boxes; ids are never cut; a pipe gets everything."""

from __future__ import annotations

from collections.abc import Sequence

from .text import cut, one_line

#: Narrower than this, the last column says nothing.
_NARROWEST = 12


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Return aligned columns; only the last one is cut, and only to fit a terminal of `width` columns."""
    if not rows:
        return ""
    from tabulate import tabulate  # noqa: PLC0415 - not needed where nothing is listed

    room = _room(headers, rows, width)
    fitted = [[*row[:-1], cut(row[-1], room)] for row in rows]
    lines = tabulate(fitted, headers=list(headers), tablefmt="plain", disable_numparse=True).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _room(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> int | None:
    if width is None:
        return None
    fixed = sum(max(len(row[index]) for row in (headers, *rows)) + 2 for index in range(len(headers) - 1))
    return max(width - fixed, _NARROWEST)


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, pipes inside cells escaped."""
    from tabulate import tabulate  # noqa: PLC0415 - see text_table

    safe = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(safe, headers=list(headers), tablefmt="github", disable_numparse=True)


def tsv(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return tab-separated values with a header line; tabs and line feeds inside cells become spaces."""
    lines = [headers, *([one_line("" if cell is None else str(cell)) for cell in row] for row in rows)]
    return "\n".join("\t".join(line) for line in lines)
