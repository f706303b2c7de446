"""The completion script for zsh 5, for a folder of $fpath or to be sourced after compinit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..catalogue import PROGRAM
from .fits import Fits
from .table import LOOK_UP, Row, grouped

_HEAD = f"""\
#compdef {PROGRAM}
# zsh completion for {PROGRAM}. Generated from its commands: `{PROGRAM} completions zsh` prints this file.
# Names of services, operations and jobs come from a small file that earlier commands wrote; no database is asked.
"""

_ENGINE = r"""
# Remembered names of the kinds $1, as value:description in the array known.
_specql_jobs_known() {
  local file="${XDG_CACHE_HOME:-$HOME/.cache}/specql-jobs/names.tsv" line
  known=()
  [[ -n $1 && -r $file ]] || return 0
  for line in ${(f)"$(awk -F '\t' '@LOOK_UP@' "$1" "$PWD" "$(_specql_jobs_profile)" "$file" 2>/dev/null)"}; do
    known+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
}

_specql_jobs_profile() {
  local -i at=${words[(I)(-p|--profile)]}
  print -rn -- "${${at:#0}:+${words[at + 1]}}${${(M)at:#0}:+${SPECQL_JOBS_PROFILE:-}}"
}

# FITS is words|kinds|files|list
_specql_jobs_fit() {
  local -a parts known fixed
  parts=("${(@s:|:)1}")
  if [[ $parts[4] == list ]]; then
    compset -P '*,'
    compset -P '!'
  fi
  fixed=(${=parts[1]})
  _specql_jobs_known "$parts[2]"
  (( $#fixed )) && compadd -- $fixed
  (( $#known )) && _describe -V known known
  [[ -n $parts[3] ]] && _files
}

_specql-jobs() {
  local word=$words[CURRENT] before=$words[CURRENT-1] at='' REPLY
  local -i i
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    _specql_jobs_below "$at"
    [[ -n ${reply[(r)${(q)words[i]}:*]} ]] || break
    at="${at:+$at }$words[i]"
  done
  if [[ $word == --*=* ]]; then
    before=${word%%=*}
    compset -P '*='
  fi
  if [[ $before == -* ]] && _specql_jobs_value "$at $before"; then
    _specql_jobs_fit "$REPLY"
  elif [[ $word == -* ]]; then
    _specql_jobs_options "$at"
    _describe -o option reply
  else
    _specql_jobs_below "$at"
    (( i == CURRENT && $#reply )) && _describe command reply
    _specql_jobs_arguments "$at"
    _specql_jobs_fit "$REPLY"
  fi
}

if [[ $funcstack[1] == _specql-jobs ]]; then
  _specql-jobs "$@"
else
  compdef _specql-jobs specql-jobs
fi
"""


def script(rows: Sequence[Row]) -> str:
    """Return the whole script."""
    parts = [
        _HEAD,
        *_function("below", "reply=()", [(row.path, _described(row.below)) for row in rows if row.below]),
        *_function("options", "reply=()", [(row.path, _described(_options(row))) for row in rows]),
        *_function("arguments", "REPLY=''", [(row.path, f"REPLY='{_fits(row.arguments)}'") for row in rows]),
        *_values(rows),
    ]
    return "\n".join(parts) + _ENGINE.replace("@LOOK_UP@", LOOK_UP)


def _options(row: Row) -> list[tuple[str, str]]:
    return [(name, option.help) for option in row.options for name in option.names]


def _described(pairs: Sequence[tuple[str, str]]) -> str:
    return "reply=(" + " ".join(_quoted(f"{name}:{text}") for name, text in pairs) + ")"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _function(name: str, first: str, answers: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield from (f"_specql_jobs_{name}() {{", f"  {first}", "  case $1 in")
    same: dict[str, list[str]] = {}
    for path, answer in answers:
        same.setdefault(answer, []).append(_quoted(path))
    yield from (f"    {' | '.join(paths)}) {answer} ;;" for answer, paths in same.items())
    yield from ("  esac", "}", "")


def _values(rows: Sequence[Row]) -> Iterator[str]:
    """A shell function that is false where an option takes no value."""
    yield from ("_specql_jobs_value() {", "  case $1 in")
    for found, places in grouped(list(rows)):
        yield f"    {' | '.join(map(_quoted, places))}) REPLY='{_fits(found)}' ;;"
    yield from ("    *) return 1 ;;", "  esac", "}")


def _fits(found: Fits) -> str:
    files, lists = "files" if found.files else "", "list" if found.lists else ""
    return f"{' '.join(found.words)}|{','.join(found.kinds)}|{files}|{lists}"
