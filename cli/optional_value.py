"""Options whose value may be left out: `--wait` and `--wait=5m`, `--online` and `--online=dns`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer import core as typer_core


def optional_value(flag: str, default: str, takes: Callable[[str], bool]) -> type[typer_core.TyperCommand]:
    """Return a command class in which `flag` stands alone, or with a value after `=`, or as the next word.

    `takes` says which next words are values; another one is an argument of its own.
    """

    class OptionalValue(typer_core.TyperCommand):
        """Gives a bare flag its default before the options are read."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Join the flag with its value or its default; what follows `--` is left alone."""
            end = args.index("--") if "--" in args else len(args)
            return super().parse_args(ctx, [*_joined(args[:end], flag, default, takes), *args[end:]])

    return OptionalValue


def _joined(words: list[str], flag: str, default: str, takes: Callable[[str], bool]) -> list[str]:
    joined: list[str] = []
    rest = iter(words)
    for word in rest:
        if word != flag:
            joined.append(word)
            continue
        value = next(rest, None)
        taken = value is not None and takes(value)
        joined.append(f"{flag}={value if taken else default}")
        if value is not None and not taken:
            joined += _joined([value, *rest], flag, default, takes)
    return joined
