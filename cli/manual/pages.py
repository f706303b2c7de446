"""All pages of the manual by the name that `man` takes."""

from __future__ import annotations

from difflib import get_close_matches

from ...core.errors import NotFound
from ..catalogue import COMMANDS, PROGRAM
from .command_pages import command_page, program_page
from .page import Page
from .registry_page import registry_page

_REGISTRY = f"{PROGRAM}-registry"


def names() -> list[str]:
    """Return the names of all pages, the program's first."""
    return [PROGRAM, *(f"{PROGRAM}-{each}" for each in COMMANDS), _REGISTRY]


def files() -> list[str]:
    """Return the names of all pages' files."""
    return [f"{name}.{5 if name == _REGISTRY else 1}" for name in names()]


def page(name: str) -> Page:
    """Return a page: specql-jobs-list, or list alone, with or without its section; raise NotFound with near names."""
    bare = name.removesuffix(".1").removesuffix(".5")
    full = bare if bare in names() else f"{PROGRAM}-{bare}"
    if full not in names():
        near = get_close_matches(full, names(), n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"{PROGRAM} man --list names every page"
        raise NotFound(f"the manual has no page {name[:80]!r}", hint=hint, code="E314", name="page-unknown")
    if full == PROGRAM:
        return program_page()
    return registry_page() if full == _REGISTRY else command_page(full.removeprefix(f"{PROGRAM}-"))
