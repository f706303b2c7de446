"""The `call_service` step in both of its forms.

- call_service: {service: stripe, operation: create_charge, input: {…}, on_success: […]}
- call_service: stripe
  method: create_charge
  args: {…}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from ..registry.key_hints import known_keys, nearest
from ..registry.model import Position
from ..registry.nodes import Node, Pair, is_mapping
from ..units import parse_seconds
from .expression import Expression, read
from .model import Callback, ServiceCall, Stated
from .reading import Reading, shown, text_of

KEYS: Final = (
    "service",
    "operation",
    "input",
    "on_success",
    "on_failure",
    "timeout",
    "max_retries",
    "async",
    "correlation_field",
    "priority",
    "idempotency_key",
)
#: Other spellings of the two keys that the short form has its own words for.
_SPELLINGS: Final = {"method": "operation", "args": "input"}
#: What any step may say of itself.
_OF_STEPS: Final = frozenset({"as", "name", "description", "comment"})
_MOST_RETRIES: Final = 999  # the queue takes max_attempts up to 1000
_MOST: Final = 2**31 - 1  # of a column of type integer

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a call states, by canonical key, whichever form it has."""

    pairs: Mapping[str, Pair]
    alias: str
    node: Node
    position: Position


def parts_of(item: Node, reading: Reading) -> Parts | None:
    """Return the parts of a step that has the key call_service; None, with a finding, when it has neither form."""
    pair = item.pairs["call_service"]
    beside = {key: each for key, each in item.pairs.items() if key != "call_service"}
    alias = text_of(item.get("as") or pair.node.get("as"))
    if is_mapping(pair.node):
        for key in [each for each in beside if each in KEYS or each in _SPELLINGS]:
            hint = "indent it as far as `service`"
            reading.wrong("SQJ603", f"`{key}` stands beside call_service, and belongs below it", beside[key].key, hint)
        return Parts(_canonical(pair.node.pairs, reading), alias, item, pair.key)
    name = text_of(pair.node)
    if not name:
        hint = "write call_service: {service: NAME, operation: NAME, input: {…}}"
        reading.wrong("SQJ602", f"call_service names what is called, and this is {shown(pair.node)}", pair.key, hint)
        return None
    return Parts({**_named(pair), **_canonical(beside, reading)}, alias, item, pair.key)


def _named(pair: Pair) -> dict[str, Pair]:
    """Service, and operation if it stands there too: `call_service: stripe` or `stripe.create_charge`."""
    service, dot, operation = text_of(pair.node).partition(".")
    found = {"service": Pair(pair.key, Node(service, pair.node.position, text=service))}
    if dot:
        found["operation"] = Pair(pair.key, Node(operation, pair.node.position, text=operation))
    return found


def _canonical(pairs: Mapping[str, Pair], reading: Reading) -> dict[str, Pair]:
    found: dict[str, Pair] = {}
    for key, pair in pairs.items():
        name = _SPELLINGS.get(key, key)
        if name in found:
            reading.wrong("SQJ603", f"`{key}` and another spelling of it are both stated", pair.key, "keep one of them")
        elif name in KEYS:
            found[name] = pair
        elif key not in _OF_STEPS:
            near = nearest(key, KEYS)
            hint = f"did you mean `{'` or `'.join(near)}`?" if near else known_keys(KEYS)
            reading.wrong("SQJ603", f"call_service has no key `{key[:60]}`", pair.key, hint)
    return found


# ---- to the model ----------------------------------------------------------------------------------------------------


def read_call(
    parts: Parts, number: int, success: Callback | None, failure: Callback | None, reading: Reading
) -> ServiceCall:
    """Return the call; what its keys hold wrongly is found, and left away."""
    values = _Values(parts, reading)
    given, target = parts.pairs.get("input"), values.name("operation")
    return ServiceCall(
        service=values.name("service"),
        operation=target,
        input=read(given.node) if given else None,
        input_at=given.key if given else target.position,
        on_success=success,
        on_failure=failure,
        waits=values.waits(),
        timeout=values.stated("timeout", _seconds, "whole seconds, or a duration such as 30s or 5m"),
        max_retries=values.stated("max_retries", _retries, f"a whole number from 0 to {_MOST_RETRIES}"),
        priority=values.stated("priority", _integer, "a whole number"),
        correlation=values.expression("correlation_field"),
        idempotency_key=values.expression("idempotency_key"),
        alias=parts.alias,
        number=number,
        node=parts.node,
        position=parts.position,
    )


@dataclass(frozen=True, slots=True)
class _Values:
    parts: Parts
    reading: Reading

    def name(self, key: str) -> Stated[str]:
        """A service or an operation: fixed when the action is compiled, so no reference can name it."""
        pair = self.parts.pairs.get(key)
        text = text_of(pair.node) if pair else ""
        at = pair.node.position if pair else self.parts.position
        if pair is None:
            self.reading.wrong("SQJ602", f"call_service names no {key}", at, f"add {key}: NAME below call_service")
        elif not text or text.startswith("$"):
            self.reading.wrong("SQJ602", f"{key} is a name, not {shown(pair.node)}", at)
        return Stated("" if text.startswith("$") else text, at)

    def waits(self) -> bool:
        pair = self.parts.pairs.get("async")
        if pair is not None and not isinstance(pair.node.value, bool):
            self.reading.wrong("SQJ604", f"async is true or false, not {shown(pair.node)}", pair.node.position)
        return pair is not None and pair.node.value is False

    def stated(self, key: str, convert: Callable[[object], Value], wanted: str) -> Stated[Value] | None:
        pair = self.parts.pairs.get(key)
        if pair is None:
            return None
        try:
            return Stated(convert(pair.node.value), pair.node.position)
        except ValueError:
            self.reading.wrong("SQJ604", f"{key}: wanted {wanted}, got {shown(pair.node)}", pair.node.position)
            return None

    def expression(self, key: str) -> Expression | None:
        pair = self.parts.pairs.get(key)
        return read(pair.node) if pair else None


def _integer(value: object, least: int = -_MOST, most: int = _MOST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(value)
    return value


def _retries(value: object) -> int:
    return _integer(value, 0, _MOST_RETRIES)


def _seconds(value: object) -> int:
    seconds = parse_seconds(value)
    if seconds != int(seconds):
        raise ValueError(value)
    return _integer(int(seconds), 1)
