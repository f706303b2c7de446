"""The root: help, version, unknown commands, import budget, exit codes, streams, signals."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import schema, specql_jobs, write_registry
from support.processes import COMMAND, Started

from specql_jobs.cli import app, crash
from specql_jobs.cli.catalogue import COMMANDS, GROUPS, root_help
from specql_jobs.core.dsn import scrub
from specql_jobs.core.version import VERSION

HEAVY = ("psycopg", "httpx", "jsonschema", "rich", "yaml", "asyncio", "importlib.metadata", "tabulate")


def test_root_help_lists_every_command() -> None:
    """`--help` exits 0 and names each command of the table."""
    said = specql_jobs("--help")
    assert (said.code, said.out, said.err) == (0, root_help(), "")
    assert all(f"  {name} " in said.out for name in COMMANDS)


def test_version() -> None:
    """`--version` prints the program's name and version, and nothing else."""
    assert specql_jobs("--version").out == f"specql-jobs {VERSION}\n"


def test_version_command_as_json() -> None:
    """`version -o json` answers the envelope with the versions that a bug report needs."""
    assert specql_jobs("version", "-o", "json").data["version"] == VERSION


@pytest.mark.parametrize("name", COMMANDS)
def test_every_leaf_has_help_with_examples(name: str) -> None:
    """Each command's help shows its usage and at least two examples of itself."""
    leaf = [name, *GROUPS.get(name, ())[-1:]]
    said = specql_jobs(*leaf, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: specql-jobs {' '.join(leaf)}")
    assert said.out.count(f"    specql-jobs {name}") >= 2 or "| specql-jobs" in said.out


def test_unknown_command_suggests_the_nearest() -> None:
    """A mistyped command is exit 2 with the command that was probably meant."""
    said = specql_jobs("lst")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error[E202 command-unknown]: there is no command 'lst'; did you mean `list`")
    assert "?\n  try: specql-jobs --help" in said.err


def test_unknown_command_as_json() -> None:
    """With -o json even an unknown command leaves exactly one JSON document on stdout."""
    said = specql_jobs("lst", "-o", "json")
    assert said.error["code"] == "E202"
    assert said.document["schema"] == "specql-jobs.error/v1"


def test_no_command_shows_help_on_stderr() -> None:
    """Called with nothing, the program shows its help as talk and exits 2."""
    said = specql_jobs()
    assert (said.code, said.out) == (2, "")
    assert "Usage: specql-jobs" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("version", "--foo", "-o", "json"),
        ("version", "-o", "json", "surplus"),
        ("version", "--output=json", "--color", "pink"),
        ("show", "-ojson"),
        ("db", "-o", "json"),
    ],
)
def test_usage_errors_are_one_json_document(arguments: tuple[str, ...]) -> None:
    """Flags that do not parse are exit 2, and with -o json still one valid document."""
    said = specql_jobs(*arguments)
    assert said.code == 2
    assert said.error["exit_code"] == 2


def test_output_format_must_be_known() -> None:
    """An unknown output format is a usage error that names the known ones."""
    said = specql_jobs("version", "-o", "xml")
    assert said.code == 2
    assert "text" in said.err
    assert "json" in said.err


def _loaded(arguments: list[str]) -> set[str]:
    """The heavy modules that a command line leaves imported."""
    code = f"import sys; from specql_jobs.cli.__main__ import run; run({arguments!r}); print('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["lst"], [], ["list", "--nope"], *([name, "--help"] for name in COMMANDS)]
)
def test_import_budget(arguments: list[str]) -> None:
    """Help, version and usage errors import no driver, no YAML, no asyncio."""
    assert _loaded(arguments) == set()


def test_a_registry_without_mistakes_needs_no_schema_library(tmp_path: Path) -> None:
    """The library that finds words for a mistake is imported when there is one, and a clean check saves its 90 ms."""
    path = write_registry(tmp_path)
    assert "jsonschema" not in _loaded(["validate", str(path)])
    path.write_text(path.read_text("utf-8") + "unknown_key: 1\n", "utf-8")
    assert "jsonschema" in _loaded(["validate", str(path)])


def test_root_help_does_without_typer() -> None:
    """Root help and version are answered before Typer is imported."""
    code = "import sys; from specql_jobs.cli.__main__ import run; run(['--help']); sys.exit('typer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_closed_pipe_is_quiet() -> None:
    """A reader that goes away early, as head does, is no error."""
    for arguments in (["--help"], ["list", "--help"], ["version", "-o", "json"]):
        process = subprocess.Popen([str(COMMAND), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, b"")


def test_full_disk_is_an_error_with_a_code() -> None:
    """Output that cannot be written is exit 5 with a sentence, never a traceback."""
    for arguments in (["--help"], ["version"], ["version", "-o", "json"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [str(COMMAND), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 5
        assert done.stderr.startswith("error[E520 output-lost]")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_have_their_exit_codes(
    dsn: str, spawn: Callable[..., Started], number: signal.Signals, code: int
) -> None:
    """Ctrl-C is 130 and SIGTERM 143, each with one line and no traceback."""
    process = spawn("tail", "--follow", "-v", "--dsn", dsn)
    process.wait_for("target:")
    process.send(number)
    assert process.finish() == code
    assert process.stderr[-1].startswith(f"error[E{code} ")
    assert "Traceback" not in process.said()


def test_a_bug_is_70_with_a_private_crash_file(tmp_path: Path) -> None:
    """An unexpected exception is exit 70; its details go to a file that only its owner reads, secrets masked."""
    secret = "hunter2hunter2"
    try:
        raise RuntimeError(f"cannot parse postgresql://me:{secret}@db/app")
    except RuntimeError as error:
        saved = Path(crash.save(error, "list", {"HOME": str(tmp_path)}, scrub))
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert saved.is_relative_to(tmp_path)
    text = saved.read_text("utf-8")
    assert "RuntimeError" in text
    assert secret not in text


def test_an_exception_from_below_becomes_70(tmp_path: Path) -> None:
    """A failure that nobody foresaw is E700 on stderr, or in the JSON document, and never a traceback."""
    # A home that is a file, and a working directory that is gone: the settings' own reading fails.
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; from specql_jobs.cli.__main__ import run; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]);"
        "sys.exit(run(['list', '-o', 'json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(gone)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert json.loads(done.stdout)["error"]["code"] == "E700"
    assert "Traceback" not in done.stderr


def test_text_that_is_not_utf8_is_refused() -> None:
    """An argument with broken bytes is a usage error that names its position."""
    done = subprocess.run([str(COMMAND), "list", b"--error=\xff"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"argument 2 is not valid UTF-8" in done.stderr


def test_sigterm_handler_is_put_back() -> None:
    """Running a command inside another program leaves that program's SIGTERM handler as it was."""
    before = signal.getsignal(signal.SIGTERM)
    assert app.run(["lst"]) == 2
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("name", ["list", "show", "run", "enqueue", "retry", "cancel", "tail", "validate", "doctor"])
def test_each_document_has_a_schema(name: str) -> None:
    """Every command that answers JSON ships the schema of its document."""
    assert schema(f"specql-jobs.{name}/v1")["title"]


def test_colour_follows_the_flag_and_the_environment() -> None:
    """Colour: --color first, then NO_COLOR, then FORCE_COLOR, and none in a pipe."""
    red = "\x1b[31m"
    assert red not in specql_jobs("lst").err
    assert red in specql_jobs("lst", env={"FORCE_COLOR": "1"}).err
    assert red not in specql_jobs("lst", env={"FORCE_COLOR": "0"}).err
    assert red not in specql_jobs("lst", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).err
    assert red in specql_jobs("show", "zzz", "--color", "always", env={"NO_COLOR": "1"}).err
