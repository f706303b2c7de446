"""The topics of `help`: pages of plain text about what holds for all commands. Also parts of the manual."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

_SUFFIX = ".txt"
_MARGIN = "    "


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its first line is its title, the rest paragraphs and indented tables."""

    name: str
    title: str
    body: str


def topics() -> dict[str, Topic]:
    """Return every topic by its name, in alphabetical order."""
    folder = files(f"{__package__}.topics")
    found = sorted((each for each in folder.iterdir() if each.name.endswith(_SUFFIX)), key=lambda each: each.name)
    return {topic.name: topic for topic in (_topic(each.name, each.read_text("utf-8")) for each in found)}


def _topic(file: str, text: str) -> Topic:
    title, _, body = text.partition("\n")
    return Topic(file.removesuffix(_SUFFIX), title.strip(), body.strip("\n"))


def blocks(text: str) -> list[tuple[bool, str]]:
    """Return the paragraphs of a text; those whose lines are all indented come with True, as they stand."""
    found = [each.strip("\n") for each in text.split("\n\n") if each.strip()]
    return [(_is_table(each), _dedented(each) if _is_table(each) else " ".join(each.split())) for each in found]


def _is_table(block: str) -> bool:
    return all(line.startswith(_MARGIN) for line in block.splitlines())


def _dedented(block: str) -> str:
    return "\n".join(line.removeprefix(_MARGIN) for line in block.splitlines())
