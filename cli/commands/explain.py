"""`explain`: the page of a rule, an error, or the category of a failed job, offline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ...core.errors import UsageError
from ..leaf import command, group
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.registry.pages import Page

app = group("Say why a rule or an error exists, and why jobs fail so.")


class PageFormat(StrEnum):
    """Formats of a page."""

    text = "text"
    json = "json"
    markdown = "markdown"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pages."""

    codes: Annotated[
        list[str] | None,
        Argument(metavar="[CODE]...", help="SQJ301, E502, a rule's name, or a category such as crash_loop"),
    ] = None
    every: Annotated[bool, Option("--all", help="Every code: a list in text, whole pages in json and markdown")] = False


@command(
    app,
    "explain",
    "explain SQJ301",
    "explain timeout-above-limit E502",
    "explain crash_loop    (why a job failed, and what to type)",
    "explain --all",
    "explain --all -o markdown > rules.md",
    formats=PageFormat,
)
def explain(console: Console, wanted: Wanted) -> None:
    """Say why a rule or an error exists or jobs fail so, what it looks like, and how to mend it.

    Exit 3 for an unknown code.
    """
    from ..output import page_text  # noqa: PLC0415 - only this command has pages

    found = _pages(wanted)
    data = [page_text.as_json(each) for each in found]
    if console.format == "markdown":
        console.answer(data, lambda: page_text.markdown(found))
    elif wanted.every:
        console.answer(data, lambda: page_text.listing(found, console.width))
    else:
        console.answer(data, lambda: page_text.text(found))


def _pages(wanted: Wanted) -> list[Page]:
    from ...core.registry.pages import page, pages  # noqa: PLC0415 - yaml

    if bool(wanted.codes) == wanted.every:
        reason = "codes and --all together" if wanted.codes else "no code was named"
        raise UsageError(reason, hint="specql-jobs explain SQJ301, explain crash_loop, or explain --all")
    if wanted.every:
        return list(pages().values())
    return list({each.code: each for each in map(page, wanted.codes or ())}.values())
