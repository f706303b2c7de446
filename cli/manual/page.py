"""A manual page as plain data, before it is roff or text."""

from __future__ import annotations

from dataclasses import dataclass

#: When the form of the pages last changed; a page that is made twice is the same twice.
DATE = "2026-11-24"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph; with a `term` an entry of a list; with `asis` lines that keep their breaks."""

    text: str
    term: str = ""
    asis: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One section, or with `below` a subsection of the one before."""

    title: str
    blocks: tuple[Block, ...]
    below: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `name` as in `man NAME`."""

    name: str
    section: int
    summary: str
    parts: tuple[Part, ...]

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.{self.section}"
