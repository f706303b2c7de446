"""`help`: a topic, or a command's own help."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from typer import Argument

from ...core.errors import NotFound
from ..catalogue import COMMANDS, root_help
from ..leaf import command, group
from ..output.console import Console

app = group("A topic, or a command's help.")


@command(app, "help", "help exit-codes", "help selectors", "help list")
def show_help(
    console: Console,
    topic: Annotated[str, Argument(metavar="[TOPIC]", help="A topic, or a command: then its --help")] = "",
) -> None:
    """Explain what holds for all commands: a topic, or a command's --help. Without a word: commands and topics."""
    from ..output import manual_text  # noqa: PLC0415 - only pages
    from ..topic_texts import topics  # noqa: PLC0415 - reads files

    known = topics()
    if not topic:
        listed = [{"name": each.name, "title": each.title} for each in known.values()]
        console.answer({"topics": listed, "text": root_help()}, lambda: root_help().rstrip("\n"))
        return
    if topic not in known:
        raise _unknown(topic, [*known, *COMMANDS])
    found = known[topic]
    listed = [{"name": found.name, "title": found.title}]
    console.answer({"topics": listed, "text": found.body}, lambda: manual_text.topic(found, console.width))


def _unknown(topic: str, known: list[str]) -> NotFound:
    near = get_close_matches(topic, known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "specql-jobs help lists commands and topics"
    return NotFound(f"there is no topic or command {topic[:80]!r}", hint=hint, code="E313", name="topic-unknown")
