"""What is known of a command line before it is parsed, so that even a usage error answers in the right form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .catalogue import COMMANDS, DEFAULTS, GROUPS, PROGRAM, meant
from .output.console import Console
from .report_targets import read_targets

if TYPE_CHECKING:
    import typer


class Invocation:
    """One run of the program: its console, and the secrets that nothing may show."""

    def __init__(self, arguments: Iterable[str] = ()) -> None:
        words = self.words = list(arguments)
        self.command = _command_name(meant(words))
        self.console = Console(command=self.command, words=tuple(words), format=_format(words), env=_environment())

    def redact(self, text: str) -> str:
        """Mask every secret resolved so far, and anything that looks like a DSN's password."""
        from ..core.dsn import scrub  # noqa: PLC0415 - errors only

        secrets = self.console.known_secrets
        return scrub(secrets.redact(text) if secrets else text)

    def open_console(self, ctx: typer.Context, options: dict[str, Any], formats: Sequence[str]) -> Console:
        """Return the console with the output options as Typer read them."""
        output = options["output"]
        words = [str(output)] if isinstance(output, str) else output or []
        shown, files = read_targets(words, formats)
        name = _document_name(ctx.command_path.removeprefix(PROGRAM).split())
        self.console = Console(
            command=name or self.command,
            words=tuple(self.words),
            format=shown,
            files=files,
            quiet=options["quiet"],
            verbose=options["verbose"],
            colour=str(options["color"]),
            env=_environment(),
        )
        return self.console


def _environment() -> dict[str, str]:
    from ..core.settings import variables  # noqa: PLC0415 - not needed by root help and version

    return variables()


def _command_name(words: list[str]) -> str:
    """The command's name as its document's schema has it; "error" where the words name no whole command."""
    plain = [word for word in words if not word.startswith("-")]
    name = plain[0] if plain else ""
    if name in DEFAULTS:
        return _document_name([name, *words[words.index(name) + 1 :][:1]])
    if name not in GROUPS:
        return name if name in COMMANDS else "error"
    below = [word for word in plain[1:] if word in GROUPS[name]]
    return f"{name}-{below[0]}" if below else "error"


def _document_name(path: list[str]) -> str:
    """The command's words joined; a group that was called bare has the group's own name."""
    name, below = path[0] if path else "", path[1:2]
    if name in DEFAULTS and not (below and below[0] in GROUPS[name]):
        return name
    return "-".join(path)


def _format(words: list[str]) -> str:
    """The value of the last -o/--output for stdout before a `--`, as the parser would read it."""
    if "--" in words:
        words = words[: words.index("--")]
    shown = [value for value in _outputs(words) if "=" not in value]
    return "json" if shown[-1:] == ["json"] else "text"


def _outputs(words: list[str]) -> Iterator[str]:
    for index, word in enumerate(words):
        if word in ("-o", "--output"):
            yield from words[index + 1 : index + 2]
        elif word.startswith("--output="):
            yield word.removeprefix("--output=")
        elif word.startswith("-o") and not word.startswith("--"):
            yield word[2:].removeprefix("=")
