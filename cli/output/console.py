"""What a command says: exactly one JSON document, or text for people; and all the talk beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..exits import Problem
from . import streams
from .text import clean, one_line

if TYPE_CHECKING:
    from ...core.secrets import Secrets
    from ..report_targets import ReportFile


@dataclass(slots=True, kw_only=True)
class Console:
    """One command's voice. `command` names the JSON schema: `specql-jobs.COMMAND/v1`."""

    command: str
    words: tuple[str, ...] = ()  # the command line as it was typed, without the program
    format: str = "text"
    files: tuple[ReportFile, ...] = ()  # further formats, each to a file of its own
    quiet: bool = False
    verbose: int = 0
    colour: str = "auto"
    env: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""  # of the database that is asked; names of its jobs are remembered under it
    warnings: list[str] = field(default_factory=list)
    answered: bool = False  # whether stdout already holds the one JSON document
    streaming: bool = False  # whether stdout is a stream of JSON lines, which ends with its summary or an error
    known_secrets: Secrets | None = None  # what error messages and crash files mask

    @property
    def secrets(self) -> Secrets:
        """The one resolver of this run: what it resolved is masked in every error."""
        if self.known_secrets is None:
            from ...core.secrets import Secrets  # noqa: PLC0415 - only commands that meet secrets pay for it

            self.known_secrets = Secrets()
        return self.known_secrets

    @property
    def is_json(self) -> bool:
        """Whether stdout must hold exactly one JSON document."""
        return self.format == "json"

    @property
    def on_terminal(self) -> bool:
        """Whether a person looks at the data."""
        return streams.is_terminal(sys.stdout)

    @property
    def err_on_terminal(self) -> bool:
        """Whether a person looks at what is said."""
        return streams.is_terminal(sys.stderr)

    @property
    def coloured(self) -> bool:
        """Whether the data may have colours."""
        return streams.wants_colour(self.colour, self.env, sys.stdout)

    @property
    def width(self) -> int | None:
        """Columns to fit text into; None when nothing may be cut."""
        return streams.width()

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at stdout."""
        return streams.is_terminal(sys.stdout)

    def data(self, text: str) -> bool:
        """Write lines of data; False when nobody reads them any more."""
        return streams.write_out(text if text.endswith("\n") or not text else text + "\n")

    def raw(self, text: str) -> bool:
        """Write data as it came, control characters and all: for pipes and files only."""
        return streams.write_out(text)

    def clear_screen(self) -> None:
        """Begin at the top of an empty screen; a file or pipe just goes on."""
        if streams.is_terminal(sys.stdout):
            streams.write_out("\x1b[2J\x1b[H")

    def say(self, text: str) -> None:
        """Tell a person something beside the data; -q silences it."""
        if not self.quiet:
            streams.write_err(clean(text) + "\n")

    def conclude(self, text: str, colour: str) -> None:
        """Tell how it ended, in a colour; -q silences it."""
        if not self.quiet:
            streams.write_err(self.painted_err(clean(text), colour) + "\n")

    def detail(self, text: str) -> None:
        """Tell a person who asked with -v."""
        if self.verbose:
            streams.write_err(clean(text) + "\n")

    def prompt(self, text: str) -> None:
        """Ask on stderr, even with -q."""
        streams.write_err(clean(text))

    def warn(self, text: str) -> None:
        """Warn on stderr and in the JSON envelope."""
        self.warnings.append(text)
        streams.write_err(f"{self.painted_err('warning', 'yellow')}: {one_line(text)}\n")

    def painted(self, text: str, colour: str) -> str:
        """Return text in a colour, if stdout shows colours."""
        return streams.paint(text, colour, on=self.coloured)

    def painted_err(self, text: str, colour: str) -> str:
        """Return text in a colour, if stderr shows colours."""
        return streams.paint(text, colour, on=streams.wants_colour(self.colour, self.env, sys.stderr))

    def answer(
        self,
        data: Any,
        text: Callable[[], str],
        *,
        page: Mapping[str, Any] | None = None,
        problem: Problem | None = None,
    ) -> None:
        """Give the command's answer once: the JSON envelope, or what `text` renders."""
        if self.is_json:
            self.document(data, page=page, problem=problem)
            return
        rendered = text()
        if rendered:
            self.data(rendered)
        if problem is not None:
            self.complain(problem)

    def document(self, data: Any, *, page: Mapping[str, Any] | None = None, problem: Problem | None = None) -> None:
        """Write the JSON envelope."""
        self.answered = True
        self.data(self.envelope(data, page=page, problem=problem))

    def envelope(self, data: Any, *, page: Mapping[str, Any] | None = None, problem: Problem | None = None) -> str:
        """Return the JSON envelope. ASCII only, so that no control character of a job reaches a terminal."""
        envelope = {
            "schema": f"specql-jobs.{self.command}/v1",
            "data": data,
            "page": page,
            "warnings": self.warnings,
            "error": problem.as_json() if problem else None,
        }
        return json.dumps(envelope, indent=2, default=_plain)

    def lines(self, rows: Sequence[Any]) -> bool:
        """Write one JSON value a line; False when nobody reads them any more."""
        return self.data("".join(json.dumps(row, default=_plain) + "\n" for row in rows))

    def complain(self, problem: Problem) -> None:
        """Show an error on stderr: code and name, one sentence, what to type."""
        mark = self.painted_err(f"error[{problem.code} {problem.name}]", "red")
        text = f"{mark}: {clean(problem.message)}\n"
        tries = [line for line in clean(problem.hint).split("\n") if line.strip()]
        for index, line in enumerate(tries):
            text += f"  {'try:' if index == 0 else '    '} {line.strip()}\n"
        streams.write_err(text)

    def fail(self, problem: Problem) -> None:
        """End with an error: on stderr for people, and as the one document with -o json."""
        if self.is_json and not self.answered:
            self.document(None, problem=problem)
            return
        if self.streaming and self.format == "jsonl":
            self.lines([{"type": "error", "error": problem.as_json()}])
        self.complain(problem)


def _plain(value: Any) -> str:
    """What JSON has no form for: times as RFC 3339 in UTC, everything else as its text."""
    from .job_json import timestamp  # noqa: PLC0415 - with the first document

    return (timestamp(value) or "") if isinstance(value, datetime) else str(value)
