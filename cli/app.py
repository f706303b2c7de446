"""The root of the command line: commands imported one at a time, and every error turned into an exit code, once."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from types import FrameType
from typing import Any

import typer
from typer import core as typer_core
from typer.exceptions import TyperException

from ..core.errors import SpecqlJobsError, UsageError
from . import exits
from .catalogue import COMMANDS, PROGRAM, meant, root_help
from .exits import Exit, Finished, Problem, Terminated
from .invocation import Invocation
from .output import streams
from .usage_text import sentence_and_hint


class Root(typer_core.TyperGroup):
    """The root group: knows the table, imports one command's module when that command is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the framework's signature
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the framework's signature
        """Import the command's module and return its command, or None for an unknown name."""
        return command_named(cmd_name) if cmd_name in COMMANDS else None

    def get_help(self, ctx: Any) -> str:  # noqa: ARG002 - the framework's signature
        """Return the root help from the table alone."""
        return root_help().rstrip("\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command, or fail with the nearest names."""
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        raise _unknown_command(name)


def command_named(name: str) -> Any:
    """Import the module of a command of the catalogue and return its command."""
    module = importlib.import_module(f".commands.{COMMANDS[name].module}", __package__)
    found = typer.main.get_command(module.app)
    found.name = name
    return found


def _unknown_command(name: str) -> UsageError:
    near = get_close_matches(name, COMMANDS, n=3, cutoff=0.5)
    question = f"; did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
    return UsageError(
        f"there is no command {name!r}{question}", code="E202", name="command-unknown", hint=f"{PROGRAM} --help"
    )


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; no exception leaves."""
    invocation = Invocation(arguments)
    try:
        with _hearing_sigterm():
            _call(arguments, invocation)
        return Exit.OK
    except BaseException as error:  # noqa: BLE001 - the one place where every error becomes an exit code
        return _end(error, invocation)


def _call(arguments: list[str], invocation: Invocation) -> None:
    """Not root.main(): it turns Ctrl-C into a bare exit code, and -o json owes a document then, too."""
    _refuse_broken_text(arguments)
    root = _root()
    with root.make_context(PROGRAM, meant(arguments), obj=invocation) as ctx:
        root.invoke(ctx)


def _root() -> Root:
    settings = {"help_option_names": ["-h", "--help"]}
    return Root(name=PROGRAM, no_args_is_help=True, rich_markup_mode=None, context_settings=settings)


def _end(error: BaseException, invocation: Invocation) -> int:
    if isinstance(error, Finished):
        return error.code
    if isinstance(error, typer.Exit):  # --help was shown
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # help that nobody reads to its end
        streams.silence_out()
        return Exit.OK
    problem = _problem(error, invocation)
    if problem.message:
        invocation.console.fail(
            replace(problem, message=invocation.redact(problem.message), hint=invocation.redact(problem.hint))
        )
    return int(problem.exit_code)


def _problem(error: BaseException, invocation: Invocation) -> Problem:
    match error:
        case SpecqlJobsError():
            return exits.problem_of(error)
        case KeyboardInterrupt():
            return exits.INTERRUPTED
        case Terminated():
            return exits.TERMINATED
        case TyperException():
            return _usage(error, invocation)
        case _:
            return _bug(error, invocation)


def _usage(error: TyperException, invocation: Invocation) -> Problem:
    """A wrong call as Typer describes it; called with nothing, a command shows its help."""
    sentence, hint = sentence_and_hint(error, invocation.words)
    if type(error).__name__ == "NoArgsIsHelpError":
        if not invocation.console.is_json:
            invocation.console.say(sentence)
        sentence = "a command is missing"
    return exits.usage_problem(sentence, hint)


def _bug(error: BaseException, invocation: Invocation) -> Problem:
    from . import crash  # noqa: PLC0415 - traceback and tempfile, for bugs only

    console = invocation.console
    saved = crash.save(error, console.command, console.env, invocation.redact)
    return exits.bug_problem(error, console.command, saved)


def _refuse_broken_text(arguments: list[str]) -> None:
    for position, text in enumerate(arguments, start=1):
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise typer.BadParameter(f"argument {position} is not valid UTF-8")


@contextmanager
def _hearing_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception that unwinds; a library user's own handler is put back afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
