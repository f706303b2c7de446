"""Pages as roff, in the macros of man(7) that every reader of manuals knows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ...core.version import VERSION
from ..catalogue import PROGRAM
from .page import DATE, Block, Page, Part

_LONGEST = 76  # characters; escapes make a line longer


def roff(page: Page) -> str:
    """Return the source of a page."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f'.\\" Generated from the commands of {PROGRAM}: edit those.'
    yield f'.TH {_text(page.name.upper(), hard=True)} {page.section} {DATE} "{PROGRAM} {VERSION}"'
    yield from (".SH NAME", f"{_text(page.name, hard=True)} \\-", *_filled(page.summary))
    for part in page.parts:
        yield f".{'SS' if part.below else 'SH'} {_quoted(part.title)}"
        yield from _part(part)


def _part(part: Part) -> Iterator[str]:
    for index, block in enumerate(part.blocks):
        if block.term:
            yield from (".TP", f"\\fB{_text(block.term, hard=True)}\\fR", *_filled(block.text))
            continue
        if index:
            yield ".PP"
        yield from _as_it_stands(block) if block.asis else _filled(block.text)


def _as_it_stands(block: Block) -> Iterator[str]:
    yield from (".RS 4", ".nf")
    yield from (_guarded(_text(line, hard=True)) for line in block.text.splitlines())
    yield from (".fi", ".RE")


def _filled(text: str) -> list[str]:
    """Short lines, which diffs and readers of the source want; man fills them anew."""
    lines = textwrap.wrap(text, _LONGEST, break_long_words=False, break_on_hyphens=False)
    return [_guarded(_text(line)) for line in lines]


def _text(text: str, *, hard: bool = False) -> str:
    """Escape; with `hard`, hyphens are the minus signs that one types."""
    plain = text.replace("\\", "\\e")
    if hard:
        plain = plain.replace("-", "\\-")
    return "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in plain)


def _guarded(line: str) -> str:
    """A line of text that begins as a request would is none."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _quoted(text: str) -> str:
    return '"' + _text(text).replace('"', "\\(dq") + '"'
