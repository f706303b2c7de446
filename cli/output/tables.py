"""Rows as aligned text, Markdown or tab-separated values. No boxes; ids are never cut; a pipe gets everything."""

from __future__ import annotations

from collections.abc import Sequence

from .text import cut, one_line

#: Narrower than this, the last column says nothing.
_NARROWEST = 12


def text_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, spare: Sequence[str] = ()
) -> str:
    """Return aligned columns that fit a terminal of `width` columns, where that can be.

    Columns named in `spare` go first, in that order and only as far as needed; then the last one is cut, nothing else.
    """
    if not rows:
        return ""
    columns = [list(column) for column in zip(headers, *rows, strict=True)]
    for name in spare:
        if width is None or _least(columns) <= width:
            break
        columns = [column for column in columns if column[0] != name]
    widths = [max(map(len, column)) for column in columns][:-1]
    room = None if width is None else max(width - sum(widths) - 2 * len(widths), _NARROWEST)
    return "\n".join(_line(row, widths, room) for row in zip(*columns, strict=True))


def _least(columns: Sequence[Sequence[str]]) -> int:
    """The columns of a terminal that a table needs, its last column cut as far as that makes sense."""
    *fixed, last = (max(map(len, column)) for column in columns)
    return sum(fixed) + 2 * len(fixed) + min(last, _NARROWEST)


def _line(row: Sequence[str], widths: Sequence[int], room: int | None) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
    return "  ".join([*cells, cut(row[-1], room)]).rstrip()


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, pipes inside cells escaped."""
    from tabulate import tabulate  # noqa: PLC0415 - only for this format

    safe = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(safe, headers=list(headers), tablefmt="github", disable_numparse=True)


def tsv(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return tab-separated values with a header line; tabs and line feeds inside cells become spaces."""
    lines = [headers, *([one_line("" if cell is None else str(cell)) for cell in row] for row in rows)]
    return "\n".join("\t".join(line) for line in lines)
