"""`man`: the manual."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from ..leaf import command, group
from ..output.console import Console

app = group("The manual.")


@command(app, "man", "man retry", "man registry", "man list | less", "man --list")
def man(
    console: Console,
    page: Annotated[str, Argument(metavar="[PAGE]", help="A command, `registry`, or a page's whole name")] = "",
    every: Annotated[bool, Option("--list", help="Name the pages")] = False,
) -> None:
    """Open a page of the manual: of the program, of a command, or of the registry's keys. In a pipe: plain text.

    The same pages are installed under share/man, so that `man specql-jobs-retry` finds them, too.
    """
    from ..manual import pages, reader  # noqa: PLC0415 - imports commands
    from ..output import manual_text  # noqa: PLC0415 - with it

    if every:
        known = [{"name": name, "title": name.removeprefix("specql-jobs-")} for name in pages.names()]
        console.answer({"pages": known, "text": None}, lambda: "\n".join(pages.names()))
        return
    found = pages.page(page or "specql-jobs")
    if console.format == "text" and console.is_terminal and reader.can_open() and reader.open_page(found):
        return
    data = {"pages": [{"name": found.name, "title": found.summary}], "text": manual_text.page(found, None)}
    console.answer(data, lambda: manual_text.page(found, console.width))
