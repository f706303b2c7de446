"""How a command is declared: groups of options are dataclasses, spread over the signature that Typer reads.

Every command gets the output options from its `Console` parameter, so that they are accepted after the command.
"""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from .exits import Terminated
from .invocation import Invocation
from .output.console import Console


class Plain(StrEnum):
    """Formats of a command with one answer."""

    text = "text"
    json = "json"


class Listed(StrEnum):
    """Formats of a command whose answer is a list."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    tsv = "tsv"
    markdown = "markdown"


class Streamed(StrEnum):
    """Formats of a command that writes line by line."""

    text = "text"
    json = "json"
    jsonl = "jsonl"


class Colour(StrEnum):
    """When to use colour."""

    auto = "auto"
    always = "always"
    never = "never"


def group(help_text: str) -> typer.Typer:
    """Return a Typer for one command module, plain everywhere: no Rich, no completion flags, no tracebacks."""
    return typer.Typer(
        help=help_text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def command(
    app: typer.Typer,
    *examples: str,
    name: str | None = None,
    formats: type[StrEnum] = Plain,
    several: bool = False,
    cls: type[typer.core.TyperCommand] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a command: its docstring is its help, `examples` its last lines, a coroutine is run to its end.

    With `several`, -o FORMAT[=FILE] may be given again: `Console.files` are those that go to files.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        leaf = _spread(function, formats, several=several)
        epilog = "\b\nExamples:\n" + "\n".join(f"  {_example(each)}" for each in examples)
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
        app.command(name, cls=cls, epilog=epilog, context_settings=settings)(leaf)
        return function

    return register


def _example(words: str) -> str:
    """A line to type: the program's name in front, unless a pipe begins with another program."""
    return words if "| specql-jobs" in words else f"specql-jobs {words}"


def _spread(function: Callable[..., Any], formats: type[StrEnum], *, several: bool) -> Callable[..., Any]:
    """Return a function whose signature lists every option, and which builds the option groups again."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    own = inspect.signature(function).parameters
    parameters: dict[str, inspect.Parameter] = {}
    output = _several_outputs(formats) if several else _one_output(formats)
    for name, hint in hints.items():
        parameters |= {each.name: each for each in _parameters(name, hint, own[name].default, output)}

    @wraps(function)
    def leaf(ctx: typer.Context, **given: Any) -> Any:
        invocation = ctx.find_object(Invocation) or Invocation()
        console = invocation.open_console(ctx, given, tuple(formats))
        values = {name: _value(name, hint, given, console) for name, hint in hints.items()}
        return _finish(function(**values))

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    leaf.__signature__ = inspect.Signature([context, *parameters.values()])  # type: ignore[attr-defined] # read by inspect
    leaf.__annotations__ = {"ctx": typer.Context} | {each.name: each.annotation for each in parameters.values()}
    return leaf


def _finish(result: Any) -> Any:
    if not inspect.iscoroutine(result):
        return result
    import asyncio  # noqa: PLC0415 - 55 ms that commands without I/O do not pay

    return asyncio.run(_ended_by_sigterm(result))


async def _ended_by_sigterm(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command; SIGTERM cancels it, as asyncio itself does for SIGINT.

    An exception raised by a signal handler is lost when it hits a callback that swallows exceptions; this is not.
    """
    import asyncio  # noqa: PLC0415 - see above

    heard: list[int] = []
    task = asyncio.ensure_future(work)

    def hear() -> None:
        heard.append(signal.SIGTERM)
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, hear)
    try:
        return await task
    except asyncio.CancelledError:
        if heard:
            raise Terminated from None
        raise


def _parameters(name: str, hint: Any, default: Any, output: inspect.Parameter) -> Iterator[inspect.Parameter]:
    if hint is Console:
        yield output
        yield from _voice_parameters()
    elif is_dataclass(hint):
        types = get_type_hints(hint, include_extras=True)
        for each in fields(hint):
            yield _parameter(
                each.name, types[each.name], inspect.Parameter.empty if each.default is MISSING else each.default
            )
    else:
        yield _parameter(name, hint, default)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _value(name: str, hint: Any, given: dict[str, Any], console: Console) -> Any:
    if hint is Console:
        return console
    if is_dataclass(hint) and isinstance(hint, type):
        return hint(**{each.name: given[each.name] for each in fields(hint)})
    return given[name]


def _one_output(formats: type[StrEnum]) -> inspect.Parameter:
    option = typer.Option("--output", "-o", help="|".join(formats), show_choices=False, metavar="FORMAT")
    annotation: Any = Annotated[formats, option]
    return _parameter("output", annotation, formats("text"))


def _several_outputs(formats: type[StrEnum]) -> inspect.Parameter:
    words = f"{'|'.join(formats)}; may be given again, one without =FILE goes to stdout"
    option = typer.Option("--output", "-o", help=words, metavar="FORMAT[=FILE]")
    return _parameter("output", Annotated[list[str] | None, option], None)


def _voice_parameters() -> Iterator[inspect.Parameter]:
    yield _parameter("quiet", Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer")], default=False)
    verbose: Any = Annotated[int, typer.Option("--verbose", "-v", count=True, help="More detail", show_default=False)]
    yield _parameter("verbose", verbose, 0)
    yield _parameter("color", Annotated[Colour, typer.Option("--color", help="When to use colour")], Colour.auto)
