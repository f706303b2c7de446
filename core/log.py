"""What a running worker says about itself: one line per event on stderr, as text or JSON, redacted at one point.

The events are a closed list, so that alerts and searches written against a name keep working.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from . import clock
from .dsn import scrub


class Level(IntEnum):
    """How much an event matters; the configured level and everything above it is written."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


#: Every event that there is. The job_* ones besides job_failed are named after lifecycle.Event.
EVENTS: Mapping[str, Level] = {
    "attempt_abandoned": Level.ERROR,
    "audit_head": Level.INFO,
    "breaker_closed": Level.INFO,
    "breaker_opened": Level.WARNING,
    "breaker_untold": Level.WARNING,
    "callback_done": Level.INFO,
    "callback_dropped": Level.INFO,
    "callback_failed": Level.ERROR,
    "callback_stuck": Level.ERROR,
    "callback_waiting": Level.WARNING,
    "callbacks_put_off": Level.WARNING,
    "claim_failed": Level.ERROR,
    "cost_unsettled": Level.WARNING,
    "database_back": Level.INFO,
    "database_lost": Level.WARNING,
    "database_silent": Level.WARNING,
    "job_cancel": Level.INFO,
    "job_fail_retryable": Level.INFO,
    "job_failed": Level.WARNING,
    "job_interrupt": Level.INFO,
    "job_limited": Level.INFO,
    "job_lost": Level.WARNING,
    "job_succeed": Level.DEBUG,
    "jobs_given_back": Level.WARNING,
    "jobs_interrupted": Level.WARNING,
    "jobs_left": Level.INFO,
    "jobs_rescued": Level.WARNING,
    "lock_busy": Level.WARNING,
    "drain_requested": Level.INFO,
    "health_listening": Level.INFO,
    "prune_failed": Level.ERROR,
    "pruned": Level.INFO,
    "process_replaced": Level.WARNING,
    "registry_loaded": Level.INFO,
    "registry_rejected": Level.ERROR,
    "rescue_failed": Level.ERROR,
    "runner_bug": Level.ERROR,
    "runner_unavailable": Level.ERROR,
    "sandbox_unavailable": Level.ERROR,
    "schedule_enqueued": Level.INFO,
    "schedule_key_taken": Level.WARNING,
    "schedule_refused": Level.ERROR,
    "schedule_skipped": Level.INFO,
    "settle_blocked": Level.WARNING,
    "settle_lost": Level.WARNING,
    "settle_refused": Level.ERROR,
    "settle_unsure": Level.WARNING,
    "statement_failed": Level.WARNING,
    "sweep": Level.INFO,
    "sweep_failed": Level.ERROR,
    "worker_failed": Level.ERROR,
    "worker_fenced": Level.ERROR,
    "worker_lost": Level.WARNING,
    "worker_started": Level.INFO,
    "worker_stopped": Level.INFO,
    "worker_stopping": Level.INFO,
}

#: A longer field is a document, not a log line.
LONGEST_FIELD = 2000  # characters


def _unchanged(text: str) -> str:
    return text


@dataclass(slots=True)
class _Sink:
    """Where and how events are written: one per process, set once at start."""

    level: Level = Level.INFO
    as_json: bool = False
    redact: Callable[[str], str] = _unchanged
    write: Callable[[str], object] | None = None  # None: stderr, whatever it is at that moment


_sink = _Sink()


def configure(
    *,
    level: Level = Level.INFO,
    as_json: bool = False,
    redact: Callable[[str], str] = _unchanged,
    write: Callable[[str], object] | None = None,
) -> None:
    """Choose what is written, and how; `redact` masks the secrets that are known only at run time."""
    _sink.level, _sink.as_json, _sink.redact, _sink.write = level, as_json, redact, write


def log_event(name: str, *, exc_info: BaseException | None = None, **fields: Any) -> None:
    """Write one event of EVENTS; nothing is formatted when its level is off, and a stream that has gone is no error."""
    level = EVENTS.get(name, Level.ERROR)  # a name that is not in the table is a mistake to notice
    if level < _sink.level:
        return
    found: dict[str, Any] = {"at": clock.now().isoformat(timespec="milliseconds"), "level": level.name.lower()}
    found |= {"event": name} | {key: _bounded(value) for key, value in fields.items()}
    if exc_info is not None:
        found["traceback"] = _bounded(_trace(exc_info))
    with contextlib.suppress(OSError, ValueError):
        _write((_json_line if _sink.as_json else _text_line)(found) + "\n")


def _write(line: str) -> None:
    if _sink.write is not None:
        _sink.write(line)
        return
    sys.stderr.write(line)
    sys.stderr.flush()


def _bounded(value: Any) -> Any:
    """The one redaction point: every text that is logged passes here."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = scrub(_sink.redact(str(value)))
    return text if len(text) <= LONGEST_FIELD else text[:LONGEST_FIELD] + "…"


def _trace(error: BaseException) -> str:
    """Where it happened, innermost frames last; no source values, no local variables."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())[-LONGEST_FIELD:]


def _json_line(found: Mapping[str, Any]) -> str:
    return json.dumps(found, default=str)


def _text_line(found: Mapping[str, Any]) -> str:
    head = f"{found['at']} {found['level']:<7} {found['event']}"
    rest = (f"{key}={_quoted(value)}" for key, value in found.items() if key not in ("at", "level", "event"))
    return " ".join([head, *rest])


def _quoted(value: Any) -> str:
    """One line, no control characters: JSON quoting wherever a plain word would be ambiguous."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and " " not in text and text else json.dumps(text)
