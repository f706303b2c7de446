"""The completion script for fish 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..catalogue import PROGRAM
from .fits import Fits
from .table import LOOK_UP, Choice, Row

_HEAD = f"""\
# fish completion for {PROGRAM}. Generated from its commands: `{PROGRAM} completions fish` prints this file.
# Names of services, operations and jobs come from a small file that earlier commands wrote; no database is asked.
"""

_ENGINE = r"""
# The words of the command so far: db status
function __specql_jobs_path
    set -l path
    for word in (commandline -opc)[2..]
        contains -- $word (__specql_jobs_below "$path"); or break
        set path $path $word
    end
    echo "$path"
end

# Whether the command is one of these.
function __specql_jobs_in
    contains -- (__specql_jobs_path) $argv
end

# Whether the command is this one and nothing follows it yet.
function __specql_jobs_at
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv[1]"
end

function __specql_jobs_profile
    set -l words (commandline -opc)
    set -l at (contains -i -- --profile $words; or contains -i -- -p $words)
    if test -n "$at"
        echo $words[(math $at + 1)]
    else
        echo $SPECQL_JOBS_PROFILE
    end
end

# Remembered names of the kinds $argv[1], value and description.
function __specql_jobs_known
    set -l home $XDG_CACHE_HOME
    test -n "$home"; or set home $HOME/.cache
    set -l file $home/specql-jobs/names.tsv
    test -r $file; or return 0
    awk -F '\t' '@LOOK_UP@' $argv[1] $PWD (__specql_jobs_profile; or echo) $file 2>/dev/null
end

# The words $argv[1] and the remembered kinds $argv[2] as the next part of a list: a,b or !a
function __specql_jobs_list
    set -l before (commandline -ct | string replace -r '^--[a-z-]+=' '' | string match -r '^(?:.*,)?!?')
    printf "$before%s\n" (string split ' ' -n -- $argv[1])
    if test -n "$argv[2]"
        for line in (__specql_jobs_known $argv[2])
            printf '%s%s\n' $before $line
        end
    end
end

complete -c specql-jobs -f
"""


def script(rows: Sequence[Row]) -> str:
    """Return the whole script."""
    engine = _ENGINE.replace("@LOOK_UP@", LOOK_UP.replace("\\", "\\\\"))
    lines = [_HEAD, *_below(rows), engine, *_commands(rows), *_options(rows), *_arguments(rows)]
    return "\n".join(lines) + "\n"


def _below(rows: Sequence[Row]) -> Iterator[str]:
    yield from ("function __specql_jobs_below", "    switch $argv[1]")
    for row in rows:
        if row.below:
            yield f"        case {_quoted(row.path)}"
            yield f"            string split ' ' {_quoted(' '.join(name for name, _ in row.below))}"
    yield from ("    end", "end")


def _commands(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for name, summary in row.below:
            yield f"complete -c {PROGRAM} -n {_when('at', [row.path])} -a {name} -d {_quoted(summary)}"


def _options(rows: Sequence[Row]) -> Iterator[str]:
    """An option that is the same in many commands is written once."""
    places: dict[Choice, list[str]] = {}
    for row in rows:
        for option in row.options:
            places.setdefault(option, []).append(row.path)
    for option, paths in places.items():
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        yield f"complete -c {PROGRAM} -n {_when('in', paths)} {names}{_value(option)} -d {_quoted(option.help)}"


def _value(option: Choice) -> str:
    if not option.value or option.optional:
        return ""
    return f" -r{_fits(option.fits)}" if option.fits.files else f" -x{_fits(option.fits)}"


def _arguments(rows: Sequence[Row]) -> Iterator[str]:
    places: dict[Fits, list[str]] = {}
    for row in rows:
        if row.arguments:
            places.setdefault(row.arguments, []).append(row.path)
    for found, paths in places.items():
        yield f"complete -c {PROGRAM} -n {_when('in', paths)}{_fits(found)}"


def _fits(found: Fits) -> str:
    words, kinds = " ".join(found.words), ",".join(found.kinds)
    files = " -F" if found.files else ""
    if found.lists:
        return f"{files} -a {_quoted(f'(__specql_jobs_list {_inner(words)} {_inner(kinds)})')}"
    known = f"(__specql_jobs_known {kinds})" if kinds else ""
    offered = " ".join(filter(None, (words, known)))
    return f"{files} -a {_quoted(offered)}" if offered else files


def _when(verb: str, paths: Sequence[str]) -> str:
    return _quoted(f"__specql_jobs_{verb} {' '.join(map(_inner, paths))}")


def _inner(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
