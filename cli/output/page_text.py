"""Pages of rules, errors and categories: for people, as Markdown, and as data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .tables import text_table

if TYPE_CHECKING:
    from ...core.registry.pages import Page

_WIDTH = 96

#: What an example is written in, where it is no YAML.
_LANGUAGES = {"Queued": "json", "As `show` says it": "text"}


def as_json(page: Page) -> dict[str, Any]:
    """Return one page with the keys of explain.schema.json."""
    return {
        "code": page.code,
        "name": page.name,
        "severity": page.severity or None,
        "why": page.why,
        "fix": page.fix,
        "before": page.before or None,
        "queued": [dict(each) for each in page.queued] or None,
        "bad": page.bad or None,
        "good": page.good or None,
        "registry": page.registry or None,
        "line": page.line or None,
        "suppress": _comment(page) or None,
        "looks": page.looks or None,
        "commands": list(page.commands) or None,
    }


def _comment(page: Page) -> str:
    return f"# specql-jobs: ignore[{page.code}] reason" if page.suppressible else ""


def text(pages: Sequence[Page]) -> str:
    """Return whole pages for a terminal."""
    return "\n\n\n".join("\n\n".join(_parts(page)) for page in pages)


def _parts(page: Page) -> Iterator[str]:
    yield f"{page.code} {page.name}" + (f" ({page.severity})" if page.severity else "")
    yield textwrap.fill(page.why, _WIDTH)
    yield "To mend it: " + textwrap.fill(page.fix, _WIDTH, initial_indent=" " * 12).lstrip()
    for title, source in _examples(page):
        yield _example(title, source, page.line if title == "Bad" else 0)
    if page.commands:
        yield _example("To type", "\n".join(page.commands))
    if page.suppressible:
        yield f"To keep it, on its line or the line above:  {_comment(page)}"


def _examples(page: Page) -> Iterator[tuple[str, str]]:
    """The page's examples under their titles, those that it has."""
    titled = (
        ("Before", page.before),
        ("Queued", _jobs(page)),
        ("Bad", page.bad),
        ("Good", page.good),
        ("With this registry", page.registry),
        ("As `show` says it", page.looks),
    )
    return ((title, source) for title, source in titled if source)


def _jobs(page: Page) -> str:
    """The jobs of an example, one a line."""
    return "\n".join(json.dumps(each) for each in page.queued)


def _example(title: str, source: str, line: int = 0) -> str:
    """One example with the finding's line marked, and what nobody can see made visible."""
    lines = source.rstrip("\n").replace("\ufeff", "<BOM>").replace("\t", "<TAB>").split("\n")
    shown = (f"{'  > ' if number == line else '    '}{each}" for number, each in enumerate(lines, 1))
    return "\n".join([f"{title}:", *shown])


def listing(pages: Sequence[Page], width: int | None) -> str:
    """Return one line for each page."""
    rows = [[page.code, page.kind, page.name, page.why] for page in pages]
    return text_table(["CODE", "SEVERITY", "NAME", "WHY"], rows, width)


def markdown(pages: Sequence[Page]) -> str:
    """Return whole pages as Markdown."""
    return "\n".join("\n\n".join(_sections(page)) + "\n" for page in pages)


def _sections(page: Page) -> Iterator[str]:
    yield f"## {page.code} {page.name}"
    yield f"*{page.severity}*. {page.why}" if page.severity else page.why
    for title, source in _examples(page):
        yield f"{title}:\n\n```{_LANGUAGES.get(title, 'yaml')}\n{source.rstrip()}\n```"
    yield f"To mend it: {page.fix}"
    if page.commands:
        yield "```sh\n" + "\n".join(page.commands) + "\n```"
    if page.suppressible:
        yield f"To keep it, on its line or the line above: `{_comment(page)}`"
