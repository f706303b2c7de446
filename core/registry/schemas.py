"""Input and output against an operation's schema: a compiled yes-path for every job, words only when the answer is no.

Shorthand schemas run through fastjsonschema (a few microseconds), others through jsonschema alone. References that
leave a schema are refused when the registry is read, and nothing here ever fetches one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput
from .frozen import thaw
from .model import Operation

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

DEEPEST: Final = 100
LARGEST: Final = 1024 * 1024  # characters of JSON text
_LONGEST_NUMBER: Final = 400  # digits; PostgreSQL's jsonb takes more, nobody means more
_MOST_PROBLEMS: Final = 20
_SHOWN: Final = 80
_NO_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType({})
_DRAFT_4: Final = "http://json-schema.org/draft-04/schema#"  # there, 1.0 is not an integer


class Validator:
    """Checks values against one schema; compiled once per operation, on first use."""

    __slots__ = ("_fast", "_shorthand", "_slow", "schema")

    def __init__(self, schema: Mapping[str, Any], *, shorthand: bool = False) -> None:
        """`shorthand` is `Operation.shorthand`: the schema holds types, properties and items alone."""
        self.schema: dict[str, Any] = thaw(schema)
        self._shorthand = shorthand
        self._fast: Callable[[Any], bool] | None = None
        self._slow: Any = None

    def check(self, value: Any) -> tuple[str, ...]:
        """Return what is wrong with `value`, one sentence for each problem; empty means that it fits."""
        unsafe = _unsafe(value)
        return (unsafe,) if unsafe else self.check_parsed(value)

    def check_encoded(self, value: Any, text: str) -> tuple[str, ...]:
        """Like `check`, for a value whose JSON text is at hand: it shows of most values that they are safe."""
        small = len(text) <= LARGEST // 2  # `_unsafe` counts no value for more than twice its text
        return self.check_parsed(value) if small and _plainly_safe(text, DEEPEST - 1) else self.check(value)

    def check_parsed(self, value: Any) -> tuple[str, ...]:
        """Like `check`, for a value that `parse_input` has returned: what no schema lets in is not in it."""
        if self._shorthand and self._passes(value):
            return ()
        return tuple(self._problems(value))

    def _passes(self, value: Any) -> bool:
        if self._fast is None:
            self._fast = compiled({"$schema": _DRAFT_4, **self.schema})
        return self._fast(value)

    def check_document(self, text: str) -> tuple[str, ...]:
        """Like `check`, for the JSON text of a job's input, in words that repeat none of its values."""
        try:
            value = parse_input(text)
        except InvalidInput as error:
            return (error.message,)
        if self._shorthand and self._passes(value):
            return ()
        return tuple(self._problems(value, told=False))

    def _problems(self, value: Any, *, told: bool = True) -> Iterator[str]:
        if self._slow is None:
            self._slow = _validator(self.schema, shorthand=self._shorthand)
        # jsonschema reports each missing key apart and all of them in each: the dict keeps one sentence of each.
        errors = islice(_errors(self._slow, value), _MOST_PROBLEMS)
        yield from dict.fromkeys(sentence for error in errors for sentence in _sentences(error, told=told))


def for_input(operation: Operation) -> Validator:
    """Return the validator of an operation's input."""
    return Validator(operation.input_schema, shorthand=operation.shorthand)


def for_output(operation: Operation) -> Validator | None:
    """Return the validator of an operation's output, or None when any output will do."""
    if operation.output_schema is None:
        return None
    return Validator(operation.output_schema, shorthand=operation.output_shorthand)


def parse_input(text: str) -> Any:
    """Return the data of a JSON text, bounded in size, depth and numbers; raise InvalidInput.

    Refused besides what is not JSON: duplicate keys, NaN and Infinity, numbers that overflow, NUL characters.
    """
    if len(text) > LARGEST:
        raise InvalidInput(f"the input is larger than {LARGEST} characters")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        message = f"the input is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidInput(message, hint='write an object such as {"name": "value"}') from None
    except RecursionError:
        raise InvalidInput(f"the input is nested deeper than {DEEPEST} levels") from None
    unsafe = "" if _plainly_safe(text) else _unsafe(value)
    if unsafe:
        raise InvalidInput(unsafe, problems=(unsafe,))
    return value


def _plainly_safe(text: str, deepest: int = DEEPEST) -> bool:
    """Whether the text alone shows that its data is safe: NUL and lone surrogates need an escape, depth needs brackets.

    Spares nearly every job a walk over its input.
    """
    return "\\u" not in text and text.count("{") + text.count("[") <= deepest


# ---- data that no schema lets in -------------------------------------------------------------------------------------


def _unsafe(value: Any) -> str:
    """Why a value is refused whatever the schema says: NUL, lone surrogates, NaN, depth, size. "" when it is not."""
    size, depth, level = 0, 0, [value]
    while level:
        depth += 1
        if depth > DEEPEST:
            return f"the value is nested deeper than {DEEPEST} levels"
        below: list[Any] = []
        for item in level:
            problem = _unsafe_item(item, below)
            if problem:
                return problem
            size += len(item) + 2 if isinstance(item, str) else 2
        if size + len(below) > LARGEST:
            return f"the value is larger than {LARGEST} characters"
        level = below
    return ""


def _unsafe_item(item: Any, below: list[Any]) -> str:
    if isinstance(item, str):
        return "" if item.isascii() and "\0" not in item else _unsafe_text(item)
    if isinstance(item, dict):
        below.extend(item)
        below.extend(item.values())
    elif isinstance(item, list | tuple):
        below.extend(item)
    elif isinstance(item, float) and not math.isfinite(item):
        return "a number is NaN or infinite"
    return ""


def _unsafe_text(text: str) -> str:
    if "\0" in text:
        return "a text contains a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a text contains half of a character (a lone surrogate)"
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # set.add returns None: the next key is looked at
        raise InvalidInput(f"the input has the key {twice[:_SHOWN]!r} twice")
    return found


def _constant(name: str) -> Any:
    raise InvalidInput(f"the input contains {name}, which is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise InvalidInput(f"the input contains a number of {len(digits)} digits")
    return int(digits)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput(f"the input contains the number {text[:_SHOWN]}, which is out of range")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


# ---- libraries, imported when first needed ---------------------------------------------------------------------------


def dialect(schema: Mapping[str, Any]) -> Any:
    """Return the jsonschema class for a schema's `$schema` (draft 2020-12 when it names none), None for an unknown."""
    import jsonschema as drafts  # noqa: PLC0415 - 90 ms that --help must not pay

    newest = drafts.Draft202012Validator
    older = (drafts.Draft4Validator, drafts.Draft6Validator, drafts.Draft7Validator, drafts.Draft201909Validator)
    stated = schema.get("$schema", newest.META_SCHEMA["$schema"])
    return next(
        (each for each in (*older, newest) if each.META_SCHEMA["$schema"].rstrip("#") == str(stated).rstrip("#")), None
    )


def compiled(
    schema: dict[str, Any], formats: Mapping[str, Callable[[str], bool]] = _NO_FORMATS
) -> Callable[[Any], bool]:
    """Return a function that tells in microseconds whether a value fits a schema of draft 4, 6 or 7.

    `formats` are formats of one's own: whether a text has it.
    """
    import fastjsonschema  # noqa: PLC0415 - --help must not pay for it

    validate: Callable[[Any], Any] = fastjsonschema.compile(
        schema, formats=dict(formats), use_default=False, detailed_exceptions=False
    )
    refusal = fastjsonschema.JsonSchemaValueException

    def passes(value: Any) -> bool:
        try:
            validate(value)
        except refusal:
            return False
        return True

    return passes


def _validator(schema: dict[str, Any], *, shorthand: bool) -> Any:
    from jsonschema import Draft4Validator, Draft202012Validator  # noqa: PLC0415 - only a "no" pays for words
    from referencing import Registry  # noqa: PLC0415 - the same

    kind = Draft4Validator if shorthand else dialect(schema) or Draft202012Validator
    return kind(schema, registry=Registry())  # an empty registry retrieves nothing


def _errors(validator: Any, value: Any) -> Iterator[ValidationError]:
    """A schema's errors; one that cannot be applied (a reference to nowhere, or in circles) lets nothing pass."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - only a "no" pays for words
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - the same

    try:
        yield from validator.iter_errors(value)
    except (Unresolvable, RecursionError):
        yield ValidationError("unusable", validator="reference", validator_value="unusable", instance=None)


# ---- words -----------------------------------------------------------------------------------------------------------

_TYPE_NAMES: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "an integer"}


def _sentences(error: ValidationError, *, told: bool) -> Iterator[str]:
    """What is wrong; `told` says whether the value may be repeated."""
    field = ".".join(str(step) for step in error.absolute_path) or "the value"
    value: Any = error.validator_value
    match error.validator:
        case "required":
            missing = [name for name in value if isinstance(error.instance, dict) and name not in error.instance]
            yield from (f"{_join(error, name)}: missing" for name in missing)
        case "additionalProperties" if value is False and isinstance(error.instance, dict):
            known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
            yield from (f"{_join(error, name)}: unknown field" for name in error.instance if name not in known)
        case "type":
            wanted = " or ".join(value) if isinstance(value, list) else value
            got = f"{_kind(error.instance)} {_shown(error.instance) if told else ''}".rstrip()
            yield f"{field}: wanted {wanted}, got {got}"
        case "reference":
            yield "the schema has a reference that leads nowhere or in circles: nothing can be checked against it"
        case "enum":
            yield f"{field}: wanted one of {_shown(value)}" + (f", got {_shown(error.instance)}" if told else "")
        case _:
            instance = _shown(error.instance) if told else "what it holds"
            yield f"{field}: {instance} does not satisfy {error.validator} {_shown(value)}"


def _join(error: ValidationError, name: str) -> str:
    return ".".join([*(str(step) for step in error.absolute_path), name[:_SHOWN]])


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return _TYPE_NAMES.get(type(value), "a number")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
