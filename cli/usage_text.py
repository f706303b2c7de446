"""What Typer says of a wrong call, in this program's own words, with what to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from typer.exceptions import TyperException

from .catalogue import COMMANDS, DEFAULTS, GROUPS, PROGRAM

#: Typer's sentences, and what this program says instead.
_SENTENCES = (
    (re.compile(r"Invalid value for '([^']+)'(?: / '-\w')?: "), r"\1: "),
    (re.compile(r"Missing (?:argument|option) '(.*)'", re.DOTALL), r"\1 is missing"),
    (re.compile(r"Option '(\S+)' requires an argument"), r"\1 wants a value"),
    (re.compile(r"Option '(\S+)' does not take a value"), r"\1 takes no value"),
    (re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL), r"nothing is known to do with: \1"),
    (re.compile(r"'(.*)' is not a valid int(?:eger| range)", re.DOTALL), r"'\1' is not a whole number"),
    (re.compile(r"No such command '(.*?)'\.?(?: Did you mean .*)?", re.DOTALL), r"there is no command '\1'"),
)
_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((\S+?)(?: .*)?\)", re.DOTALL)
#: `pause list` means a command that there is not, and no service of that name.
_BELOW = frozenset(name for names in GROUPS.values() for name in names)
_RANGE = re.compile(r"(-?\d+) is not in the range (?:(-?\d+)<=)?x(?:<=(-?\d+)|>=(-?\d+))?")


def sentence_and_hint(error: TyperException, arguments: Sequence[str]) -> tuple[str, str]:
    """Return one sentence of what is wrong with these arguments, and the command that helps."""
    path = _path(error, arguments)
    option = getattr(error, "option_name", "")
    if option and hasattr(error, "possibilities"):
        return _unknown_option(error, option, path, arguments)
    said = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
    return _plain(said), _as_option(said, error, path) or _as_command(said, path) or f"{path} --help"


def _as_option(said: str, error: TyperException, path: str) -> str:
    """The call with a word as the option that it was meant for, where the command takes options alone."""
    extra, taken = _EXTRA.match(said), _parameters(error)
    if extra is None or "argument" in taken.values() or extra[1] in _BELOW:
        return ""
    option = "--operation" if "." in extra[1] and "--operation" in taken else "--service"
    return f"{path} {option} {shlex.quote(extra[1])}" if option in taken else ""


def _as_command(said: str, path: str) -> str:
    """What is below a group whose own name is a command: `worker run` was meant for `worker start`."""
    extra, name = _EXTRA.match(said), path.removeprefix(f"{PROGRAM} ")
    if extra is None or name not in DEFAULTS:
        return ""
    return "\n".join(f"{path} {each}" for each in (DEFAULTS[name], *GROUPS[name]))


def _as_argument(option: str, error: TyperException, path: str, arguments: Sequence[str]) -> str:
    """The other way round: `--service mail` of a command that takes SERVICE as a word."""
    given = next((at for at, word in enumerate(arguments) if word.partition("=")[0] == option), None)
    if given is None or _parameters(error).get(option.removeprefix("--")) != "argument":
        return ""
    value = arguments[given].partition("=")[2] or " ".join(arguments[given + 1 : given + 2])
    return f"{path} {shlex.quote(value)}" if value and not value.startswith("-") else ""


def _parameters(error: TyperException) -> dict[str, str]:
    """What the command takes, by name: `--service` is an option, `service` an argument."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    return {name: each.param_type_name for each in getattr(command, "params", ()) for name in each.opts}


def _path(error: TyperException, arguments: Sequence[str]) -> str:
    """The command's full name; a parser that failed early does not know it, the words do."""
    context = getattr(error, "ctx", None)
    if context:
        return _shortest(str(context.command_path))
    words = [word for word in arguments[:2] if not word.startswith("-")]
    known = words[:1] if words and words[0] in COMMANDS else []
    below = words[1:] if known and words[1:] and words[1] in GROUPS.get(known[0], ()) else []
    return " ".join([PROGRAM, *known, *below])


def _shortest(path: str) -> str:
    """The command as one types it: `pause` is its `pause set`."""
    group, _, child = path.rpartition(" ")
    return group if DEFAULTS.get(group.removeprefix(f"{PROGRAM} ")) == child else path


def _unknown_option(error: TyperException, option: str, path: str, arguments: Sequence[str]) -> tuple[str, str]:
    possibilities = getattr(error, "possibilities", None) or ()
    near = f"; did you mean {' or '.join(possibilities)}?" if possibilities else ""
    name = next((word for word in arguments if word in COMMANDS), "")
    if path == PROGRAM and name:
        return f"the option {option} stands before the command", f"options follow it: {PROGRAM} {name} {option} …"
    meant = _as_argument(option, error, path, arguments)
    return f"there is no option {option}{'' if meant else near}", meant or f"{path} --help"


def _plain(sentence: str) -> str:
    for theirs, ours in _SENTENCES:
        sentence = theirs.sub(ours, sentence, count=1)
    return _RANGE.sub(_bounds, sentence)


def _bounds(match: re.Match[str]) -> str:
    least, most = match[2] or match[4], match[3]
    wanted = f"{least} to {most}" if least and most else f"{least} or more" if least else f"{most} or less"
    return f"{match[1]} is out of range: {wanted}"
