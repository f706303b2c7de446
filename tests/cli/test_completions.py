"""Completion in the real shells: what TAB offers, what it remembers, and what it never starts."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.at_terminal import at_terminal
from support.board import Board
from support.cli import specql_jobs, write_registry
from support.require import require
from support.tree import ROOT

from specql_jobs.cli.catalogue import COMMANDS
from specql_jobs.cli.completion.memory import MOST_IDS, Name, keep
from specql_jobs.core.job import Status

SCRIPTS = {
    name: ROOT / "completions" / file
    for name, file in (("bash", "specql-jobs.bash"), ("zsh", "_specql-jobs"), ("fish", "specql-jobs.fish"))
}

#: No rc files; TAB lists what there is; the program itself says what it was called with, so that nothing is executed.
START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
SETUP = {
    "bash": "bind 'set show-all-if-ambiguous on' 'set enable-bracketed-paste off'; . '{script}'; "
    "specql-jobs() {{ printf '<%s>' \"$@\"; echo; }}; PS1='ready''$ '\n",
    "zsh": "autoload -U compinit; compinit -u -D; . '{script}'; unsetopt zle_bracketed_paste; LISTMAX=1000; "
    "specql-jobs() {{ printf '<%s>' \"$@\"; echo; }}; PS1='ready''$ '\n",
    "fish": "source '{script}'; function specql-jobs; printf '<%s>' $argv; echo; end; "
    "function fish_prompt; echo -n 'ready''$ '; end\n",
}


def _needs(shell: str) -> None:
    require("shells", available=shutil.which(shell) is not None, reason=f"{shell} is not installed")


def _completed(shell: str, typed: str, ran: str, folder: Path) -> None:
    """Type into the shell, press TAB and Enter, and wait until the program was called with that."""
    _needs(shell)
    with at_terminal(*START[shell], folder=folder, env={"LC_ALL": "C.UTF-8"}, size=(50, 200)) as terminal:
        terminal.type(SETUP[shell].format(script=SCRIPTS[shell]))
        terminal.wait_for("ready$ ")
        terminal.type(f"{typed}\t")
        terminal.type("\n")
        terminal.wait_for(ran)
        assert ran in terminal.text


@pytest.mark.parametrize("shell", SCRIPTS)
@pytest.mark.parametrize(
    ("typed", "ran"),
    [
        ("specql-jobs valid", "<validate>"),
        ("specql-jobs db mig", "<db><migrate>"),
        ("specql-jobs db callbacks disc", "<db><callbacks><discover>"),
        ("specql-jobs list --correl", "<list><--correlation>"),
        ("specql-jobs list --status fai", "<list><--status><failed>"),
        ("specql-jobs list --status=fai", "<list><--status=failed>"),
        ("specql-jobs list --status failed,canc", "<list><--status><failed,cancelled>"),
        ("specql-jobs list --service pay --ty ", "<list><--service><pay>"),
        ("specql-jobs worker --concurr", "<worker><--concurrency>"),
        ("specql-jobs explain SQJ30", "<explain><SQJ30"),
        ("specql-jobs run pa", "<run><pay.charge>"),
        ("specql-jobs list --service pa", "<list><--service><pay>"),
        ("specql-jobs show 0193", "<show><0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d>"),
        ("specql-jobs list --worker host:", "<list><--worker><host:12:ab>"),
        ("specql-jobs list --profile pr", "<list><--profile><prod>"),
        ("specql-jobs validate my-fi", "<validate><my-file.yaml>"),
    ],
)
def test_tab_completes(shell: str, typed: str, ran: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each shell, TAB completes commands, options, fixed values, lists, remembered names and files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "my-file.yaml").touch()
    home = str(tmp_path)
    names = [
        Name("service", home, "pay", "service"),
        Name("operation", home, "pay.charge", "operation"),
        Name("id", "@", "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d", "failed pay.charge"),
        Name("worker", "@", "host:12:ab", "pay.charge"),
        Name("profile", home, "prod"),
    ]
    keep(names, os.environ)
    _completed(shell, typed, ran, tmp_path)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_tab_lists_every_status(shell: str, tmp_path: Path) -> None:
    """Where several values fit, TAB shows them all."""
    _needs(shell)
    with at_terminal(*START[shell], folder=tmp_path, env={"LC_ALL": "C.UTF-8"}, size=(50, 200)) as terminal:
        terminal.type(SETUP[shell].format(script=SCRIPTS[shell]))
        terminal.wait_for("ready$ ")
        terminal.type("specql-jobs list --status \t\t")
        for status in Status:
            terminal.wait_for(str(status))
        assert "failed" in terminal.text


def _offered(words: str, folder: Path, **env: str) -> list[str]:
    """What bash would offer for a line."""
    code = (
        f". '{SCRIPTS['bash']}'; COMP_LINE=$1; COMP_POINT=${{#1}}; read -ra COMP_WORDS <<<\"$1\"; "
        "[[ $1 == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _specql_jobs; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", words],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_every_command_is_offered(tmp_path: Path) -> None:
    """All commands of the catalogue are offered, and after a group its commands alone."""
    assert _offered("specql-jobs ", tmp_path) == list(COMMANDS)
    assert "callbacks" in _offered("specql-jobs db ", tmp_path)


def test_tab_needs_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked up by the shell itself: neither Python nor specql-jobs need be on the path, nor any database."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep([Name("service", str(tmp_path), "pay")], os.environ)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "awk", "cut"):
        (tools / name).symlink_to(shutil.which(name) or "")
    assert _offered("specql-jobs list --service ", tmp_path, PATH=str(tools)) == ["pay"]


def test_names_belong_to_a_folder_and_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project offers its own services, a named profile its own jobs, and a foreign folder whatever there is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "sub").mkdir(parents=True)
    two.mkdir()
    keep([Name("service", str(one), "here"), Name("service", str(two), "there")], os.environ)
    keep([Name("id", "@prod", "0193aaaa"), Name("id", "@dev", "0193bbbb")], os.environ)
    assert _offered("specql-jobs list --service ", one / "sub") == ["here"]
    assert set(_offered("specql-jobs list --service ", Path("/"))) == {"here", "there"}
    assert _offered("specql-jobs show --profile prod 01", two) == ["0193aaaa"]
    assert _offered("specql-jobs show 01", two, SPECQL_JOBS_PROFILE="dev") == ["0193bbbb"]


# ---- what is remembered ----------------------------------------------------------------------------------------------


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of names of a home of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "specql-jobs" / "names.tsv"


def test_commands_refresh_the_names(board: Board, tmp_path: Path, remembered: Path) -> None:
    """`validate` remembers services and operations, `enqueue` and `list` jobs; the file is its owner's alone."""
    path = write_registry(tmp_path)
    assert specql_jobs("validate", str(path)).code == 0
    text = remembered.read_text()
    assert "\tpay.ok\t" in text
    assert stat.S_IMODE(remembered.stat().st_mode) == 0o600
    assert stat.S_IMODE(remembered.parent.stat().st_mode) == 0o700
    secret = "hunter2hunter2"
    enqueue = ("enqueue", "pay.ok", "--set", "amount=1", "--set", f"note={secret}", "--registry", str(path))
    id_ = specql_jobs(*enqueue, "--dsn", board.dsn, "-q").out.strip()
    assert f"id\t@\t{id_}\tpending pay.ok\n" in remembered.read_text()
    remembered.unlink()
    assert specql_jobs("list", "--dsn", board.dsn).code == 0
    assert id_ in remembered.read_text()
    assert secret not in remembered.read_text()


def test_a_renamed_service_is_forgotten(tmp_path: Path, remembered: Path) -> None:
    """What a registry no longer has is not offered once it was read again."""
    path = write_registry(tmp_path)
    specql_jobs("validate", str(path))
    path.write_text(path.read_text().replace("  open:\n", "  opened:\n"))
    specql_jobs("validate", str(path))
    assert "\topen\t" not in remembered.read_text()
    assert "\topened\t" in remembered.read_text()


def test_the_file_is_bounded_and_holds_plain_names_alone(remembered: Path) -> None:
    """Old ids give way to new ones, and a name with spaces, tabs or control characters is not kept."""
    keep([Name("id", "@", f"{number:08x}") for number in range(MOST_IDS)], os.environ)
    keep(
        [Name("id", "@", "newest", "failed \x1b[31m$(x)\t`y`"), Name("id", "@", "a b"), Name("id", "@", "-x")],
        os.environ,
    )
    lines = remembered.read_text().splitlines()
    assert len(lines) == MOST_IDS
    assert lines[0] == "id\t@\tnewest\tfailed ??31m??x???y?"
    assert not [line for line in lines if "\x1b" in line or "a b" in line]


def test_a_cache_that_cannot_be_written_bothers_nobody(tmp_path: Path) -> None:
    """Commands do their work where no cache can be made."""
    (tmp_path / "file").touch()
    said = specql_jobs("validate", str(write_registry(tmp_path)), env={"XDG_CACHE_HOME": str(tmp_path / "file")})
    assert said.code == 0
    assert "names.tsv" not in said.err


# ---- the scripts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_files_are_what_the_command_prints(shell: str) -> None:
    """The committed scripts are fresh: `completions SHELL` prints them byte by byte."""
    said = specql_jobs("completions", shell)
    assert (said.code, said.out) == (0, SCRIPTS[shell].read_text("utf-8"))


def test_completions_as_json() -> None:
    """With -o json the script is a field of the document."""
    assert specql_jobs("completions", "bash", "-o", "json").data["shell"] == "bash"


def test_an_unknown_shell_is_a_usage_error() -> None:
    """A shell without a script is exit 2 and names those that have one."""
    said = specql_jobs("completions", "csh")
    assert said.code == 2
    assert "bash" in said.err


@pytest.mark.parametrize(
    "command", [("bash", "-n"), ("zsh", "-n"), ("fish", "-n"), ("shellcheck", "--shell=bash")], ids=lambda each: each[0]
)
def test_the_shells_find_nothing_wrong(command: tuple[str, ...]) -> None:
    """Each shell parses its script, and shellcheck has no remark on the one for bash."""
    _needs(command[0])
    script = SCRIPTS[{"shellcheck": "bash"}.get(command[0], command[0])]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_reading_a_registry_for_names_needs_no_typer() -> None:
    """What keeps names imports neither Typer nor a driver."""
    code = (
        "import sys, specql_jobs.cli.completion.memory; sys.exit(bool({'typer', 'psycopg', 'yaml'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
