"""Registries with one mistake each, made from good ones, with the line in which the mistake stands.

Where things stand is read with PyYAML's own composer, so that nothing here trusts the positions of what is tested.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from .injections import BYTES, VALUES, inside

SEED: Final = 20250301
#: Below these keys the author chooses the words, so that no word there is a typing mistake.
FREE: Final = frozenset(
    {"input_schema", "output_schema", "headers", "environment", "query", "body", "payload", "properties"}
)
#: Keys without which the thing around them means nothing or is refused.
NEEDED: Final = {
    "services": "services",
    "operations": "operations",
    "name": "name",
    "type": "type",
    "category": "category",
    "image": "image",
    "provider": "provider",
    "function_name": "function_name",
    "host_path": "host_path",
    "container_path": "container_path",
    "cert": "cert",
    "token_url": "token_url",
    "client_id": "client_id",
    "client_secret_env_var": "client_secret",
    "input_schema": "input_schema",
}
#: Allowlists: without one, the finding stands at what it admitted.
ADMITS: Final = {
    "allowed_domains": "base_url",
    "allowed_commands": "argv",
    "allowed_images": "image",
    "allowed_providers": "provider",
    "allowed_regions": "region",
}


@dataclass(frozen=True)
class Mutation:
    """A registry with one mistake: `lines` are those in which a finding may stand, `word` is what it must name."""

    id: str
    content: bytes
    lines: tuple[int, ...]
    word: str
    why_elsewhere: str = ""  # why the finding is not in the line that was changed


@dataclass(frozen=True)
class Spot:
    """One value of a registry: the path of keys to it, and where the key (or the list's item) and the value stand."""

    path: tuple[str | int, ...]
    line: int  # from 0
    column: int
    value: yaml.Node

    @property
    def key(self) -> str:
        """The key, "" for an item of a list."""
        return self.path[-1] if isinstance(self.path[-1], str) else ""

    @property
    def free(self) -> bool:
        """Whether the key is a word of the author's own."""
        above = self.path[:-1]
        named = bool(above) and above[-1] in ("services", "operations")
        return named or any(step in FREE for step in above)

    @property
    def leaf(self) -> bool:
        """Whether the value is one word or text."""
        return isinstance(self.value, yaml.ScalarNode)


@dataclass(frozen=True)
class Text:
    """A registry in block style, one key a line."""

    name: str
    lines: tuple[str, ...]
    spots: tuple[Spot, ...]

    def with_line(self, number: int, *lines: str, until: int = 0) -> bytes:
        """The text with other lines instead of line `number` (up to, not including, line `until`)."""
        kept = (*self.lines[:number], *lines, *self.lines[until or number + 1 :])
        return "\n".join((*kept, "")).encode()

    def end(self, spot: Spot) -> int:
        """The number of the line after a value's last one."""
        end, inner = spot.line + 1, spot.column + (1 if spot.key else 0)
        while end < len(self.lines) and _indent(self.lines[end]) >= inner:
            end += 1
        return end

    def with_key(self, spot: Spot, key: str) -> bytes:
        """The text with another key."""
        line = self.lines[spot.line]
        return self.with_line(spot.line, line[: spot.column] + key + line[spot.column + len(spot.key) :])

    def with_value(self, spot: Spot, value: str) -> bytes:
        """The text with another value."""
        head = self.lines[spot.line][: spot.column] + (f"{spot.key}: " if spot.key else "")
        return self.with_line(spot.line, head + value, until=self.end(spot))


def read(name: str, text: str) -> Text:
    """Return a registry with the places of its values."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return Text(name, tuple(text.splitlines()), tuple(_spots(root, ())))


def mapping_form(text: str) -> str:
    """Return the same registry with services and operations as mappings from their names."""
    document = yaml.safe_load(text)
    for service in document["services"]:
        service["operations"] = {each.pop("name"): each for each in service["operations"]}
    document["services"] = {each.pop("name"): each for each in document["services"]}
    return yaml.dump(document, Dumper=_Indented, sort_keys=False, default_flow_style=False, width=1000)


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)  # noqa: FBT003 - the same


def _spots(node: yaml.Node, path: tuple[str | int, ...]) -> Iterator[Spot]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield Spot((*path, key.value), key.start_mark.line, key.start_mark.column, value)
            yield from _spots(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield Spot((*path, index), item.start_mark.line, item.start_mark.column, item)
            yield from _spots(item, (*path, index))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _id(kind: str, text: Text, spot: Spot, what: str = "") -> str:
    place = ".".join(map(str, spot.path[1:] if len(spot.path) > 1 else spot.path))
    return f"{kind}-{text.name}-{place}{f'-{what}' if what else ''}"


# ---- kinds of mistakes -----------------------------------------------------------------------------------------------


def dropped(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """A key that is needed is not there: what is missing has no line, so that the finding is at what lacks it."""
    for spot in text.spots:
        if spot.key in NEEDED and not spot.free and _is_needed(spot):
            lines = tuple(sorted({each.line + 1 for each in _around(text, spot)}))
            why = "a key that is not there has no line: the finding is at the name of what lacks it"
            yield Mutation(_id("drop", text, spot), _without(text, spot), lines, NEEDED[spot.key], why)


def _is_needed(spot: Spot) -> bool:
    """SpecQL asks for type and category in the list form only."""
    return spot.key not in ("type", "category") or isinstance(spot.path[-2], int)


def _around(text: Text, spot: Spot) -> Iterator[Spot]:
    """What the key stands in and what names that: the key above, the keys beside, and what asks for a credential."""
    if spot.key == "services":
        yield replace(spot, line=0)
    for each in text.spots:
        beside = each.path[:-1] == spot.path[:-1]
        if each.path == spot.path[:-1] or beside or each.path == (*spot.path[:-2], "auth_type"):
            yield each


def _without(text: Text, spot: Spot) -> bytes:
    line = text.lines[spot.line]
    begins_item = "-" in line[: spot.column]
    left = (line[: spot.column].rstrip(),) if begins_item else (f"#{' ' * spot.column}",)
    rest = ["#" for _ in range(text.end(spot) - spot.line - 1)]
    return text.with_line(spot.line, *left, *rest, until=text.end(spot))


def unlisted(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """An allowlist is gone: every job would be refused, and the finding is at what is not allowed any more."""
    for spot in text.spots:
        if spot.key in ADMITS:
            needs = [each for each in text.spots if ADMITS[spot.key] in each.path]
            if not needs:
                continue
            lines = tuple(sorted({each.line + 1 for each in needs}))
            why = "the policy is not wrong by itself: the finding is at what it no longer allows"
            yield Mutation(_id("unlist", text, spot), _without(text, spot), lines, spot.key, why)


def mistyped(text: Text, chance: random.Random) -> Iterator[Mutation]:
    """A key with a slip of the finger: a letter twice, a letter less, two swapped, the wrong case."""
    for spot in text.spots:
        if spot.key and not spot.free:
            wrong = chance.choice(_slips(spot.key))
            yield Mutation(_id("typo", text, spot, wrong), text.with_key(spot, wrong), (spot.line + 1,), wrong)


def _slips(key: str) -> list[str]:
    middle = len(key) // 2
    swapped = key[: middle - 1] + key[middle] + key[middle - 1] + key[middle + 1 :]
    slips = [key[:middle] + key[middle:][:1] + key[middle:], key[:-2] + key[-1], swapped, key.capitalize()]
    return [each for each in slips if each != key]


def retyped(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """Another kind of value: a mapping for a word, a word for a mapping or list."""
    for spot in text.spots:
        names = ("services", "operations")
        if spot.key != "payload" and (not spot.free or spot.path[-2:-1] in [(each,) for each in names]):
            value = "{wrong: [1]}" if spot.leaf else "wrong"
            word = spot.key if spot.key and not spot.free else ""
            yield Mutation(_id("retype", text, spot), text.with_value(spot, value), (spot.line + 1,), word)


def nothing(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """A key with no value: its author forgot to write it."""
    for spot in text.spots:
        if spot.key and not spot.free:
            yield Mutation(_id("null", text, spot), text.with_value(spot, ""), (spot.line + 1,), spot.key)


def doubled(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """The same key twice in one mapping."""
    for spot in text.spots:
        if spot.key:
            block = text.lines[spot.line : text.end(spot)]
            block = (" " * spot.column + block[0][spot.column :], *block[1:])
            content = text.with_line(text.end(spot) - 1, text.lines[text.end(spot) - 1], *block)
            yield Mutation(_id("twice", text, spot), content, (text.end(spot) + 1,), spot.key)


def misplaced(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """A key one level higher or lower than it belongs."""
    for spot in text.spots:
        above = next((each for each in text.spots if each.path == spot.path[:-1]), None)
        if not spot.key or spot.free or not spot.leaf or above is None or not above.key or above.free:
            continue
        moved = f"{' ' * above.column}{spot.key}: {spot.value.value!r}"
        end = text.end(above)
        content = text.with_line(spot.line, "#").split(b"\n")
        yield Mutation(
            _id("raise", text, spot), b"\n".join([*content[:end], moved.encode(), *content[end:]]), (end + 1,), spot.key
        )
    yield from _lowered(text)


def _lowered(text: Text) -> Iterator[Mutation]:
    """Each leaf put into the mapping that follows it."""
    for spot, after in zip(text.spots, text.spots[1:], strict=False):
        lower = spot.key and not spot.free and spot.leaf and after.path[:-1] == spot.path[:-1]
        if not lower or after.leaf or after.key in FREE or not isinstance(after.value, yaml.MappingNode):
            continue
        moved = f"{' ' * (after.column + 2)}{spot.key}: {spot.value.value!r}"
        content = text.with_line(after.line, text.lines[after.line], moved).split(b"\n")
        begins_item = "-" in text.lines[spot.line][: spot.column]
        content[spot.line] = text.lines[spot.line][: spot.column].encode() if begins_item else b"#"
        yield Mutation(_id("lower", text, spot), b"\n".join(content), (after.line + 2,), spot.key)


def injected(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """A value that is dangerous, absurd or out of bounds, where one of its kind is expected."""
    for place, values in VALUES.items():
        for spot in text.spots:
            if inside(spot.path, place):
                for what, value, word in values:
                    content = text.with_value(spot, value)
                    yield Mutation(_id("inject", text, spot, what), content, (spot.line + 1,), word)


def spoilt(text: Text, _chance: random.Random) -> Iterator[Mutation]:
    """What is wrong with the text itself: bytes, tabs, tags, anchors, characters that look like others."""
    for what, spoil, word, later in BYTES:
        place = next(spot for spot in text.spots if spot.key == "execution_type")
        why = "YAML notices it at the next word, in the line below" if later else ""
        yield Mutation(f"text-{text.name}-{what}", spoil(text.lines, place.line), (place.line + 1 + later,), word, why)


KINDS: Final[tuple[Callable[[Text, random.Random], Iterator[Mutation]], ...]] = (
    dropped,
    unlisted,
    mistyped,
    retyped,
    nothing,
    doubled,
    misplaced,
    injected,
    spoilt,
)


def mutations(texts: list[Text]) -> Iterator[Mutation]:
    """Yield every mistake in every text; the same ones in every run."""
    for text in texts:
        for kind in KINDS:
            yield from kind(text, random.Random(f"{SEED} {text.name} {kind.__name__}"))
