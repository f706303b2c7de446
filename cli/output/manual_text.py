"""Manual pages and topics as plain text: paragraphs fitted to the width, examples as they stand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..topic_texts import Topic, blocks

if TYPE_CHECKING:
    from ..manual.page import Block, Page

_WIDEST = 96
_NARROWEST = 24


def topic(found: Topic, width: int | None) -> str:
    """Return a topic."""
    parts = (textwrap.indent(text, "    ") if asis else _filled(text, width, "") for asis, text in blocks(found.body))
    return "\n\n".join([found.title, *parts])


def page(found: Page, width: int | None) -> str:
    """Return a manual page."""
    return "\n".join(_lines(found, width)).rstrip("\n")


def _lines(found: Page, width: int | None) -> Iterator[str]:
    yield from (f"{found.name.upper()}({found.section})", "", "NAME")
    yield _filled(f"{found.name} - {found.summary}", width, "    ")
    for part in found.parts:
        yield from ("", f"  {part.title}" if part.below else part.title)
        for index, block in enumerate(part.blocks):
            if index and not block.term:
                yield ""
            yield _block(block, width)


def _block(block: Block, width: int | None) -> str:
    if block.asis:
        return textwrap.indent(block.text, "        ")
    if not block.term:
        return _filled(block.text, width, "    ")
    return f"    {block.term}\n{_filled(block.text, width, '        ')}" if block.text else f"    {block.term}"


def _filled(text: str, width: int | None, indent: str) -> str:
    room = max(min(width or _WIDEST, _WIDEST), _NARROWEST)
    return textwrap.fill(
        text, room, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
