"""Which jobs are meant: the selector that list, tail, retry and cancel share, and how people write times.

Pure. Different fields AND together; the words inside one field are OR; excluded words are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from . import clock
from .errors import UsageError
from .job import EXECUTION_TYPE_ALIASES, Category, ExecutionType, Status

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
#: A hundred years: beyond it a typo is more likely than a wish, and Postgres intervals stay in range.
LONGEST_SECONDS = 3_155_760_000.0
SHORTEST_PREFIX = 6  # hex digits


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: absolute, or `ago_seconds` before the database's now."""

    at: datetime | None = None
    ago_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """The values of one selector flag: any of `wanted`, none of `excluded`."""

    wanted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.excluded)


@dataclass(frozen=True, slots=True)
class InputMatch:
    """`path=value` on a job's input, as two JSON objects: the value as JSON, and as text."""

    as_json: str
    as_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which jobs are meant. An empty one means every job for a read and is refused for a write."""

    ids: tuple[UUID, ...] = ()
    status: Words = field(default_factory=Words)
    service: Words = field(default_factory=Words)
    operation: Words = field(default_factory=Words)
    execution_type: Words = field(default_factory=Words)
    tenant: Words = field(default_factory=Words)
    worker: Words = field(default_factory=Words)
    category: Words = field(default_factory=Words)
    fingerprint: Words = field(default_factory=Words)
    correlation: Words = field(default_factory=Words)
    error: tuple[str, ...] = ()
    input: tuple[InputMatch, ...] = ()
    since: Moment | None = None
    until: Moment | None = None

    def __bool__(self) -> bool:
        return any(bool(getattr(self, each.name)) for each in fields(self))

    def parameters(self) -> dict[str, Any]:
        """Return the SQL parameters of the `selection` query: None where nothing is asked."""
        found: dict[str, Any] = {"ids": list(self.ids) or None, "errors": list(self.error) or None}
        for name in _WORD_FIELDS:
            words: Words = getattr(self, name)
            found[name] = _stored(name, words.wanted) or None
            found[f"not_{name}"] = _stored(name, words.excluded) or None
        found["input_json"] = [each.as_json for each in self.input] or None
        found["input_text"] = [each.as_text for each in self.input] or None
        return found | _moment("since", self.since) | _moment("until", self.until)


_WORD_FIELDS = tuple(
    each.name for each in fields(Selector) if each.name not in {"ids", "error", "input", "since", "until"}
)


def _stored(name: str, words: tuple[str, ...]) -> list[str]:
    """The forms in which rows may hold these words: names in any case, execution types by alias."""
    if name == "execution_type":
        return [*words, *(alias for alias, plain in EXECUTION_TYPE_ALIASES.items() if plain in words)]
    return [word.lower() for word in words] if name in {"service", "operation", "tenant"} else list(words)


def _moment(name: str, moment: Moment | None) -> dict[str, Any]:
    moment = moment or Moment()
    return {f"{name}_at": moment.at, f"{name}_ago": moment.ago_seconds}


# ---- reading what people type ----------------------------------------------------------------------------------------


def parse_duration(text: str) -> float:
    """Return the seconds that `90s`, `15m`, `1h30m`, `3d` or `2w` name; raise UsageError for anything else."""
    plain = text.strip().lower()
    if not _DURATION.fullmatch(plain):
        with_unit = f"{plain}s or {plain}m; longer ones: " if plain.isdecimal() else ""
        raise UsageError(f"{text!r} is not a duration", hint=f"write {with_unit}90s, 15m, 1h30m or 3d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(plain))
    if seconds > LONGEST_SECONDS:
        raise UsageError(f"{text!r} is longer than a hundred years", hint="write 90s, 15m, 1h30m or 3d")
    return seconds


def parse_moment(text: str, now: datetime | None = None) -> Moment:
    """Return the past time that a text names: `15m` (ago), `09:30`, `today`, `yesterday`, or what parse_time reads."""
    plain = text.strip().lower()
    if _DURATION.fullmatch(plain):
        return Moment(ago_seconds=parse_duration(plain))
    now = now or clock.now().astimezone()
    if plain in _DAYS:
        return Moment(at=_midnight(now - timedelta(days=_DAYS[plain])))
    if shown := _CLOCK.fullmatch(plain):
        return Moment(at=_latest(now, int(shown[1]), int(shown[2])))
    return Moment(at=_absolute(text.strip(), "15m, 09:30, yesterday, 2026-11-23 or 2026-11-23T09:00Z"))


_DAYS = {"today": 0, "yesterday": 1}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _midnight(at: datetime) -> datetime:
    """The day's beginning in the local zone."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()


def _latest(now: datetime, hour: int, minute: int) -> datetime:
    """The last time that the local clock showed this."""
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)  # naive is local
    return today.astimezone() if today.astimezone() <= now else (today - timedelta(days=1)).astimezone()


def parse_time(text: str) -> datetime:
    """Return what an ISO date or time, or `@1763890000`, names; a naive one is local. Raise UsageError otherwise."""
    return _absolute(text.strip(), "2026-11-23T09:00, 2026-11-23T09:00Z or @1763890000")


def _absolute(text: str, examples: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if not text.startswith("@") else _epoch(text[1:])
        return found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is not a time", hint=f"write {examples}") from None


def _epoch(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)


def parse_words(flag: str, values: Iterable[str]) -> Words:
    """Return the words of one flag: comma is OR, `!x` excludes; an empty word is a UsageError, never "any"."""
    words = [word.strip() for value in values for word in value.split(",")]
    if any(word in ("", "!") for word in words):
        raise UsageError(f"{flag} is empty", hint=f"leave {flag} out, or give it a value")
    excluded = tuple(word[1:].strip() for word in words if word.startswith("!"))
    return Words(tuple(word for word in words if not word.startswith("!")), excluded)


def parse_statuses(values: Iterable[str]) -> Words:
    """Return statuses in lower case; raise UsageError for a word that is none."""
    return _known("--status", parse_words("--status", values), tuple(Status))


def parse_categories(values: Iterable[str]) -> Words:
    """Return error categories in lower case; raise UsageError for a word that is none."""
    return _known("--category", parse_words("--category", values), tuple(Category))


def parse_types(values: Iterable[str]) -> Words:
    """Return execution types in lower case, aliases resolved; raise UsageError for a word that is none."""
    words = parse_words("--type", values)
    try:
        wanted, excluded = (
            tuple(ExecutionType.parse(word) for word in part) for part in (words.wanted, words.excluded)
        )
    except ValueError:
        raise UsageError(
            f"--type {','.join(values)!r} is not an execution type", hint=f"one of: {', '.join(ExecutionType)}"
        ) from None
    return Words(wanted, excluded)


def _known(flag: str, words: Words, known: tuple[str, ...]) -> Words:
    lowered = Words(tuple(word.lower() for word in words.wanted), tuple(word.lower() for word in words.excluded))
    unknown = [word for word in (*lowered.wanted, *lowered.excluded) if word not in known]
    if unknown:
        raise UsageError(f"{flag} {unknown[0]!r} is not known", hint=f"one of: {', '.join(known)}")
    return lowered


#: What jobs and failures are counted by; times are those of the last change of state, or of the failure.
GROUP_FIELDS = (
    *("status", "service", "operation", "type", "tenant", "worker", "category", "fingerprint", "correlation"),
    *("registry", "minute", "hour", "day"),
)


def parse_fields(flag: str, values: Iterable[str], known: tuple[str, ...] = GROUP_FIELDS) -> tuple[str, ...]:
    """Return the fields to count by, each once; raise UsageError for a word that is none."""
    words = parse_words(flag, values)
    named = Words((*words.wanted, *(f"!{word}" for word in words.excluded)))
    return tuple(dict.fromkeys(_known(flag, named, known).wanted))


def parse_operations(values: Iterable[str]) -> Words:
    """Return `service.operation` words; raise UsageError where the dot is missing."""
    words = parse_words("--operation", values)
    for word in (*words.wanted, *words.excluded):
        if not all(split_operation(word)):
            raise UsageError(f"--operation {word!r} is not SERVICE.OPERATION", hint="write payments.charge")
    return words


def split_operation(text: str) -> tuple[str, str]:
    """Return (service, operation) of `service.operation`; the last dot divides."""
    service, _, operation = text.rpartition(".")
    return service, operation


def parse_input_match(text: str) -> InputMatch:
    """Return the two readings of `path=value`; raise UsageError where there is no path or no `=`."""
    path, equals, value = text.partition("=")
    names = path.split(".")
    if not equals or not all(names):
        raise UsageError(f"--input {text!r} is not PATH=VALUE", hint="write --input customer.id=42")
    return InputMatch(_nested(names, _json_or_text(value)), _nested(names, value))


def _nested(names: list[str], value: Any) -> str:
    for name in reversed(names):
        value = {name: value}
    return json.dumps(value)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON, and jsonb refuses them


def parse_id(text: str) -> UUID:
    """Return a job's id; raise UsageError E201 for a text that is not a whole UUID."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise UsageError(
            f"{text.strip()[:80]!r} is not a job id",
            code="E201",
            name="id-malformed",
            hint=_id_hint(text.strip()),
        ) from None


def _id_hint(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F-]{1,35}", text):
        return f"a change wants the whole id; list, show and tail want its first {SHORTEST_PREFIX} digits at least"
    return "an id looks like 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d; specql-jobs list -q prints nothing else"


def prefix_bounds(text: str) -> tuple[UUID, UUID]:
    """Return the lowest and highest id that begin with `text`, at least 6 hex digits; raise UsageError otherwise."""
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_PREFIX},32}}", digits):
        parse_id(text)
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
