"""The static table of commands: all that root help, did-you-mean and completion need, with nothing imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PROGRAM = "specql-jobs"


class Entry(NamedTuple):
    """One command: the module below cli/commands that holds its `app`, its section in help, one line."""

    module: str
    section: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "init": Entry("init", "Author", "Begin here: a registry with examples, a configuration, a CI workflow"),
    "validate": Entry("validate", "Author", "Check service registries against schema and rules"),
    "services": Entry("services", "Author", "The registry as it holds: list, show, and diff of two versions"),
    "policy": Entry("policy", "Author", "Explain each limit of a service: default, registry or host ceiling"),
    "run": Entry("run", "Author", "Execute one job here, without a database; -n prints the plan"),
    "replay": Entry("replay", "Author", "The same with the input of a job in the queue, which is only read"),
    "compile": Entry("compile", "Author", "SpecQL entities to SQL: actions, their jobs, the callbacks"),
    "explain": Entry("explain", "Author", "Why a rule or an error exists, why jobs fail so, and how to mend it"),
    "generate": Entry("generate", "Author", "For front ends: types of all services, Apollo hooks, a GraphQL schema"),
    "schema": Entry("schema", "Author", "JSON Schemas: of the registry for editors, of every JSON document"),
    "demo": Entry("demo", "Author", "See everything work on a private Postgres; practise being on call"),
    "enqueue": Entry("enqueue", "Queue", "Put jobs in the queue; --wait follows them to the end"),
    "list": Entry("list", "Queue", "Select jobs"),
    "count": Entry("count", "Queue", "How many jobs, in all or by status, service, tenant, hour, …"),
    "errors": Entry("errors", "Queue", "What fails: failures grouped by fingerprint, and what is new"),
    "show": Entry("show", "Queue", "Everything about a job, and why it is where it is"),
    "logs": Entry("logs", "Queue", "Captured output of jobs, by attempt; -f follows"),
    "tail": Entry("tail", "Queue", "The latest events of many jobs; -f follows, --logs with their output"),
    "wait": Entry("wait", "Queue", "Wait until jobs have ended: 0 all completed, 1 some did not, 8 time is up"),
    "top": Entry("top", "Queue", "The queue on the whole screen, with keys to pause, retry and cancel"),
    "stats": Entry("stats", "Queue", "Numbers by service, type, tenant or worker: waiting, done, failed, how long"),
    "schedules": Entry("schedules", "Queue", "Jobs that the clock makes: next and last ticks, the last job"),
    "report": Entry("report", "Queue", "What happened in a time window, as one page with plots"),
    "retry": Entry("retry", "Fix", "Run failed or cancelled jobs again: same row, same id"),
    "cancel": Entry("cancel", "Fix", "Stop pending or running jobs, keep their record"),
    "discard": Entry("discard", "Fix", "Give failed jobs up, keep their record as cancelled"),
    "changes": Entry("changes", "Fix", "The ledger of changes: who, why, what came of it; resume"),
    "pause": Entry("pause", "Fix", "Stop dispatch of a service, operation, type, tenant or of everything; list pauses"),
    "resume": Entry("resume", "Fix", "Dispatch again what was paused"),
    "breaker": Entry("breaker", "Fix", "Circuit breakers: which targets are not called now; reset"),
    "rescue": Entry("rescue", "Fix", "Give the jobs of lost workers back now"),
    "worker": Entry("worker", "Run", "Claim jobs and execute them under policy; list and drain workers"),
    "db": Entry("db", "Admin", "Create, migrate and inspect the schema jobs"),
    "audit": Entry("audit", "Admin", "What was executed and refused; verify finds tampering with the record"),
    "doctor": Entry("doctor", "Admin", "What this host can really enforce, and how to fix what it cannot"),
    "config": Entry("config", "Admin", "Every setting that holds here, and which flag, variable or file decided it"),
    "help": Entry("help", "Help", "A topic (exit-codes, output, selectors, time), or a command's own help"),
    "man": Entry("man", "Help", "The manual: of the program, of a command, of the registry's keys"),
    "completions": Entry("completions", "Help", "The completion script for bash, zsh or fish"),
    "version": Entry("version", "Help", "Versions of specql-jobs and what it runs on"),
}

#: Subcommands whose JSON documents have names of their own: `db status` answers `specql-jobs.db-status/v1`.
GROUPS = {
    "db": ("init", "migrate", "status", "prune"),
    "services": ("list", "show", "diff"),
    "policy": ("explain",),
    "audit": ("list", "verify"),
    "breaker": ("list", "reset"),
    "pause": ("list",),
    "changes": ("list", "show", "resume"),
    "schedules": ("list",),
    "worker": ("list", "drain"),
    "config": ("show",),
    "demo": ("incident",),
    "schema": ("list", "show"),
    "generate": ("typescript",),
}

#: What a group does when it is called without a subcommand: `worker` is `worker start`, with all of its options.
DEFAULTS = {"worker": "start", "demo": "play", "pause": "set"}

#: What a group shows when nothing, or options alone, follow it; its --help stays the group's own.
SHOWN = {"config": "show"} | {name: "list" for name in GROUPS if "list" in GROUPS[name] and name not in DEFAULTS}


def meant(arguments: Sequence[str]) -> list[str]:
    """Return the whole command: `breaker` is `breaker list`, `help list` is `list --help` where that is no topic."""
    match list(arguments):
        case ["help", name, *words] if name in COMMANDS:
            return meant([name, *words, "--help"])
        case ["db", "callbacks", *words] if _bare(words):
            return ["db", "callbacks", "list", *words]
        case [name, *words] if name in DEFAULTS and words[:1] not in [
            [each] for each in (DEFAULTS[name], *GROUPS[name])
        ]:
            return [name, DEFAULTS[name], *words]
        case [name, *words] if name in SHOWN and _bare(words):
            return [name, SHOWN[name], *words]
        case words:
            return words


def _bare(words: Sequence[str]) -> bool:
    return not words or (words[0].startswith("-") and not {"-h", "--help"} & set(words))


def root_help() -> str:
    """Return the help of the whole program."""
    lines = [f"Usage: {PROGRAM} COMMAND [OPTIONS]", "", "Runs, guards and repairs the jobs of a PostgreSQL queue."]
    section = ""
    width = max(map(len, COMMANDS))
    for name, entry in COMMANDS.items():
        if entry.section != section:
            section = entry.section
            lines += ["", f"{section}:"]
        lines.append(f"  {name:<{width}}  {entry.summary}")
    return "\n".join([*lines, "", *_OPTIONS, "", *_EXAMPLES, ""])


_OPTIONS = (
    "Options:",
    "  -h, --help     This text; after a command, that command's help",
    "  -V, --version  The version",
)
_EXAMPLES = (
    "Examples:",
    f"  {PROGRAM} validate services.yaml",
    f"  {PROGRAM} run payments.charge --input @charge.json --dry-run",
    f"  {PROGRAM} list --status failed --since 1h",
    f"  {PROGRAM} retry --service payments --status failed --dry-run",
    "",
    "More: specql-jobs help exit-codes|output|selectors|time, specql-jobs man",
    "",
    "Exit codes: 0 ok, 1 the answer is no, 2 called wrongly, 3 not found, 4 denied, 5 unavailable,",
    "            6 conflict, 7 partly done, 8 still pending, 70 a bug, 130/143 signals.",
)
