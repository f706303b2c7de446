"""The completion script for bash 3.2 and later; it needs no bash-completion package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..catalogue import PROGRAM
from .fits import Fits
from .table import LOOK_UP, Row, grouped

_HEAD = f"""\
# bash completion for {PROGRAM}. Generated from its commands: `{PROGRAM} completions bash` prints this file.
# Names of services, operations and jobs come from a small file that earlier commands wrote; no database is asked.
"""

_ENGINE = r"""
# Remembered names of the kinds $1.
_specql_jobs_known() {
  local file="${XDG_CACHE_HOME:-$HOME/.cache}/specql-jobs/names.tsv"
  [[ -r $file ]] || return 0
  awk -F '\t' '@LOOK_UP@' "$1" "$PWD" "$(_specql_jobs_profile)" "$file" 2>/dev/null | cut -f 1
}

_specql_jobs_profile() {
  local i
  for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
    case ${COMP_WORDS[i]} in
      -p | --profile) [[ ${COMP_WORDS[i + 1]} == = ]] && i=$((i + 1)); printf '%s' "${COMP_WORDS[i + 1]}"; return ;;
    esac
  done
  printf '%s' "${SPECQL_JOBS_PROFILE:-}"
}

# Offer the words $2 and the remembered kinds $3 that begin as the word $1; in a list, as its last part.
_specql_jobs_offer() {
  local word=$1 before='' known
  if [[ $4 == list ]]; then
    [[ $word == *,* ]] && before=${word%,*},
    word=${word##*,}
    [[ $word == '!'* ]] && before=$before'!' && word=${word#!}
  fi
  known=$2
  [[ -n $3 ]] && known="$known"$'\n'"$(_specql_jobs_known "$3")"
  local IFS=$' \t\n' found
  for found in $known; do
    [[ $found == "$word"* ]] && COMPREPLY+=("$before$found")
  done
}

_specql_jobs_files() {
  local IFS=$'\n' found
  for found in $(compgen -f -- "$1"); do COMPREPLY+=("$found"); done
  compopt -o filenames 2>/dev/null
}

# FITS is words|kinds|files|list
_specql_jobs_fit() {
  local words kinds files list
  IFS='|' read -r words kinds files list <<<"$2"
  _specql_jobs_offer "$1" "$words" "$kinds" "$list"
  [[ -n $files ]] && _specql_jobs_files "$1"
}

# bash breaks words at = and :, so the word and the one before it are taken from the line itself.
_specql_jobs() {
  local line=${COMP_LINE:0:COMP_POINT} path='' i REPLY word before colon
  word=${line##*[[:space:]=]}
  line=${line%"$word"}
  line=${line%"${line##*[![:space:]=]}"}
  before=${line##*[[:space:]]}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    _specql_jobs_below "$path"
    [[ " $REPLY " == *" ${COMP_WORDS[i]} "* ]] || break
    path="${path:+$path }${COMP_WORDS[i]}"
  done
  if [[ $before == -* ]] && _specql_jobs_value "$path $before"; then
    _specql_jobs_fit "$word" "$REPLY"
  elif [[ $word == -* ]]; then
    _specql_jobs_options "$path"
    _specql_jobs_offer "$word" "$REPLY" '' ''
  else
    _specql_jobs_below "$path"
    [[ $i == "$COMP_CWORD" ]] && _specql_jobs_offer "$word" "$REPLY" '' ''
    _specql_jobs_arguments "$path"
    _specql_jobs_fit "$word" "$REPLY"
  fi
  colon=${word%"${word##*:}"}
  COMPREPLY=("${COMPREPLY[@]#"$colon"}")
}

complete -F _specql_jobs specql-jobs
"""


def script(rows: Sequence[Row]) -> str:
    """Return the whole script."""
    below = {row.path: " ".join(name for name, _ in row.below) for row in rows if row.below}
    options = {row.path: " ".join(name for each in row.options for name in each.names) for row in rows}
    arguments = {row.path: _fits(row.arguments) for row in rows if row.arguments}
    parts = [
        _HEAD,
        _function("below", below),
        _function("options", options),
        _function("arguments", arguments),
        "\n".join(_values(rows)),
        _ENGINE.replace("@LOOK_UP@", LOOK_UP).lstrip("\n"),
    ]
    return "\n".join(parts)


def _function(name: str, answers: dict[str, str]) -> str:
    """A shell function that sets REPLY by the command's words."""
    same: dict[str, list[str]] = {}
    for path, answer in answers.items():
        same.setdefault(answer, []).append(f"'{path}'")
    cases = [f"    {' | '.join(paths)}) REPLY='{answer}' ;;" for answer, paths in same.items()]
    return "\n".join([f"_specql_jobs_{name}() {{", "  REPLY=''", "  case $1 in", *cases, "  esac", "}", ""])


def _values(rows: Sequence[Row]) -> Iterator[str]:
    """A shell function that is false where an option takes no value."""
    yield from ("_specql_jobs_value() {", "  case $1 in")
    for fitting, places in grouped(list(rows)):
        yield f"    {' | '.join(map(repr, places))}) REPLY='{_fits(fitting)}' ;;"
    yield from ("    *) return 1 ;;", "  esac", "}", "")


def _fits(found: Fits) -> str:
    files, lists = "files" if found.files else "", "list" if found.lists else ""
    return f"{' '.join(found.words)}|{','.join(found.kinds)}|{files}|{lists}"
