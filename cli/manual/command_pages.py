"""Pages of the program and of its commands, made of the commands themselves and of the topics of `help`."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalogue import COMMANDS, PROGRAM
from ..command_tree import Node, Parameter, command_node
from ..topic_texts import Topic, blocks, topics
from .page import Block, Page, Part

#: Variables that every command knows; those of libpq and of services are their own.
_VARIABLES = (
    ("SPECQL_JOBS_DSN", "The database, where no --dsn and no --profile names one."),
    ("SPECQL_JOBS_PROFILE", "The profile, where nothing nearer names the database."),
    ("SPECQL_JOBS_REGISTRY, SPECQL_JOBS_ENV, SPECQL_JOBS_POLICY", "As --registry, --env and --policy."),
    ("SPECQL_JOBS_RUNNERS", "TYPE=NAME,...: which installed runner executes a type."),
    ("SPECQL_JOBS_ACTOR", "Who types, for the ledger of changes; else user@host."),
    ("DATABASE_URL, PG*", "The database, where nothing of the above names one."),
    ("DOCKER_HOST", "The engine of container services."),
    ("NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, TERM, COLUMNS", "Colour and width."),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "Where the files below are."),
)
_FILES = (
    ("specql-jobs.toml", "The project's settings; searched upwards to the repository's root."),
    ("~/.config/specql-jobs/config.toml", "The user's settings, with the same keys."),
    ("~/.local/state/specql-jobs/", "Details of bugs, readable by their owner alone."),
    ("~/.cache/specql-jobs/names.tsv", "Names that completion offers."),
    ("~/.pg_service.conf, ~/.pgpass", "libpq's own service and password files."),
)


def program_page() -> Page:
    """Return specql-jobs(1)."""
    parts = (
        Part("SYNOPSIS", (Block(f"{PROGRAM} COMMAND [OPTIONS]", asis=True),)),
        Part("DESCRIPTION", (Block(_ABOUT),)),
        Part("COMMANDS", tuple(Block(entry.summary + ".", term=_see(name)) for name, entry in COMMANDS.items())),
        *(part for topic in topics().values() for part in _topic(topic)),
        Part("ENVIRONMENT", _entries(_VARIABLES)),
        Part("FILES", _entries(_FILES)),
        Part("SEE ALSO", (Block(", ".join([f"{PROGRAM}-registry(5)", *map(_see, COMMANDS)])),)),
    )
    return Page(PROGRAM, 1, "run, guard and repair the jobs of a PostgreSQL queue", parts)


_ABOUT = (
    "A job is a row of jobs.tb_job_run. A registry of services says which services exist, how each is executed (an "
    "HTTP call, a local process, a container, a serverless function) and what each may touch. A worker claims jobs and "
    "executes them under that policy; the other commands check registries, execute one job here, and show and repair "
    "the queue."
)

_EXITS = f"{PROGRAM} help exit-codes lists the codes, which are the same for every command."


def command_page(name: str) -> Page:
    """Return the page of one command, with all that is below it."""
    node = command_node(name)
    leaves = [each for each in node.walk() if not each.children]
    single = leaves == [node]
    parts = [Part("SYNOPSIS", tuple(Block(_synopsis(each), asis=True) for each in leaves))]
    parts += _single(node) if single else [Part("DESCRIPTION", _about(node)), *_several(leaves)]
    parts += [
        Part("EXIT STATUS", (Block(_EXITS),)),
        Part("SEE ALSO", (Block(f"{PROGRAM}(1), {PROGRAM}-registry(5)"),)),
    ]
    return Page(f"{PROGRAM}-{name}", 1, _lowered(node.summary), tuple(parts))


def _single(node: Node) -> Iterator[Part]:
    yield Part("DESCRIPTION", _about(node))
    if node.arguments:
        yield Part("ARGUMENTS", tuple(map(_parameter, node.arguments)))
    yield Part("OPTIONS", tuple(map(_parameter, node.options)))
    yield Part("EXAMPLES", (Block("\n".join(node.examples), asis=True),))


def _several(leaves: list[Node]) -> Iterator[Part]:
    for node in leaves:
        yield Part(f"{PROGRAM.upper()} {node.name.upper()}", _about(node))
        yield Part("Options", tuple(map(_parameter, (*node.arguments, *node.options))), below=True)
        yield Part("Examples", (Block("\n".join(node.examples), asis=True),), below=True)


def _about(node: Node) -> tuple[Block, ...]:
    return tuple(Block(text, asis=asis) for asis, text in blocks(node.about)) or (Block(node.summary + "."),)


def _topic(topic: Topic) -> Iterator[Part]:
    title = "EXIT STATUS" if topic.name == "exit-codes" else topic.name.upper()
    yield Part(title, tuple(Block(text, asis=asis) for asis, text in blocks(topic.body)))


def _parameter(each: Parameter) -> Block:
    return Block(each.help or "Required.", term=_usage(each))


def _usage(each: Parameter) -> str:
    if not each.names:
        return each.metavar
    value = f"[={each.metavar}]" if each.optional_value else f" {each.metavar}" if each.metavar else ""
    return ", ".join(each.names) + value


def _synopsis(node: Node) -> str:
    wanted = [_usage(each) for each in node.options if each.required]
    return " ".join([PROGRAM, node.name, "[OPTIONS]", *wanted, *(each.metavar for each in node.arguments)])


def _see(name: str) -> str:
    return f"{PROGRAM}-{name}(1)"


def _entries(pairs: tuple[tuple[str, str], ...]) -> tuple[Block, ...]:
    return tuple(Block(text, term=term) for term, text in pairs)


def _lowered(text: str) -> str:
    """A summary as NAME sections have it; a word in capitals stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
