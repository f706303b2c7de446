"""The console script. What needs no command (version, root help) is answered before anything heavy is imported."""

from __future__ import annotations

import sys

from ..core.errors import SpecqlJobsError
from .catalogue import PROGRAM, root_help
from .output import streams


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit code."""
    streams.prepare()
    quick = _quick_answer(arguments)
    if quick:
        return _answer(quick)
    from .app import run as run_command  # noqa: PLC0415 - Typer costs 60 ms that the answers above do not need

    return run_command(arguments)


def _answer(text: str) -> int:
    try:
        streams.write_out(text)
    except SpecqlJobsError as error:
        streams.write_err(f"error[{error.code} {error.name}]: {error.message}\n")
        return error.exit_code
    return 0


def _quick_answer(arguments: list[str]) -> str:
    if arguments in (["--help"], ["-h"], ["help"]):
        return root_help()
    if arguments in (["--version"], ["-V"]):
        from ..core.version import VERSION  # noqa: PLC0415 - read only when asked for

        return f"{PROGRAM} {VERSION}\n"
    return ""


if __name__ == "__main__":
    main()
