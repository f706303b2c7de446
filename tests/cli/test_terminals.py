"""Every command where people really use it: narrow and wide terminals, pipes, other encodings, impatient readers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import postgres
from support.at_terminal import at_terminal
from support.board import Board
from support.cli import write_registry
from support.processes import COMMAND

from specql_jobs.cli.command_tree import whole_tree

#: What an attacker, or an unlucky tool, would put into a job: colours, a title, a bell, a cleared screen, Rich markup.
HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \b\r [bold]disk[/] [/api] \u202e é ✓ 漢"

LEAVES = [" ".join(node.path) for node in whole_tree().walk() if not node.children and node.path]
#: What to say to a command so that it ends by itself and has much to tell; the others are called bare, or with --help.
WORDS = {
    "completions": "bash",
    "demo play": "--help",  # builds a whole queue: tests of its own watch it
    "explain": "--all",
    "help": "output",
    "man": "--list",
    "policy explain": "pay",
    "run": "pay.ok --set amount=1 -n",
    "services show": "pay",
    "services diff": "services.yaml services.yaml",
    "schema show": "registry",
    "show": "{id}",
    "replay": "{id} -n",
    "logs": "{id}",
    "wait": "{id}",
    "top": "--help",  # a full screen: tests of its own watch it
    "worker start": "--until-empty --max-jobs 1",
}
ENCODINGS = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1"},
)
#: Nothing of this may reach a terminal or a pipe: controls but for line ends and tabs, and the marks that reorder text.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder with a registry, and a queue whose jobs carry hostile text wherever a job can."""

    folder: Path
    dsn: str
    id_: str

    def words(self, leaf: str) -> list[str]:
        """What to call a command with."""
        return [*leaf.split(), *WORDS.get(leaf, "").format(id=self.id_).split()]

    @property
    def env(self) -> dict[str, str]:
        """The database, and a cache of this scene's own."""
        return {"SPECQL_JOBS_DSN": self.dsn, "XDG_CACHE_HOME": str(self.folder / "cache")}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, postgres_server: postgres.Server, template: str) -> Iterator[Scene]:
    """One scene for all: what a command does to it is nothing to the others."""
    folder = tmp_path_factory.mktemp("scene")
    path = write_registry(folder)
    path.write_text(
        path.read_text("utf-8").replace("category: test", 'category: "[bold] é✓ \\u2067 \\e[31m"', 1), "utf-8"
    )
    with postgres.database(postgres_server, template) as dsn:
        board = Board(dsn)
        hostile = {"input_data": {"amount": 1, "note": HOSTILE}, "error_message": HOSTILE, "correlation_id": HOSTILE}
        ids = [board.add(status="failed", error_category="target_error", **hostile) for _ in range(3)]
        board.add(service=HOSTILE[:40], operation=HOSTILE[:20], error_message=HOSTILE)
        yield Scene(folder, dsn, ids[0])


@pytest.mark.parametrize(("leaf", "columns"), [*((leaf, 30) for leaf in LEAVES), ("list", 220), ("show", 220)])
def test_no_terminal_gets_control_characters(scene: Scene, leaf: str, columns: int) -> None:
    """At a narrow and a wide terminal each command ends properly, and nothing of a job's data controls the terminal."""
    env = {**scene.env, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    with at_terminal(str(COMMAND), *scene.words(leaf), env=env, folder=scene.folder, size=(24, columns)) as terminal:
        code = terminal.finish()
        shown = terminal.raw.decode("utf-8")
    assert code in CODES, shown
    assert "Traceback" not in shown
    assert CONTROLS.findall(shown) == []


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_encoding_can_show_everything(scene: Scene, leaf: str) -> None:
    """Where the locale lacks letters each command says the same with escapes, in text and as JSON."""
    for index, encoding in enumerate(ENCODINGS):
        words = [*scene.words(leaf), *(["-o", "json"] if index == 1 and "--help" not in scene.words(leaf) else [])]
        done = subprocess.run(
            [str(COMMAND), *words],
            env={**os.environ, **scene.env, **encoding},
            cwd=scene.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        said = (done.stdout + done.stderr).decode("latin-1")
        assert done.returncode in CODES, said
        assert "Traceback" not in said
        assert re.findall("[\x00-\x08\x0b-\x1f\x7f]", said) == []


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_reader_that_has_gone_is_no_error(scene: Scene, leaf: str) -> None:
    """With stdout closed at the other end, as `| head` does, each command ends quietly and with a code of its own."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [str(COMMAND), *scene.words(leaf)],
        env={**os.environ, **scene.env},
        cwd=scene.folder,
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert done.returncode in CODES, done.stderr
    assert not [word for word in ("Traceback", "BrokenPipe", "Broken pipe", "Exception ignored") if word in done.stderr]


@pytest.mark.parametrize(
    ("env", "arguments", "coloured"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"NO_COLOR": ""}, (), True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, (), False),
        ({"TERM": "dumb"}, (), False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, (), True),
        ({"NO_COLOR": "1"}, ("--color", "always"), True),
        ({}, ("--color", "never"), False),
    ],
)
def test_colour_at_a_terminal(scene: Scene, env: dict[str, str], arguments: tuple[str, ...], *, coloured: bool) -> None:
    """--color decides, then NO_COLOR where it is not empty, then FORCE_COLOR, then TERM=dumb."""
    words = ["show", scene.id_, "--dsn", "embedded:/nonexistent", *arguments]
    with at_terminal(str(COMMAND), *words, env=env, folder=scene.folder) as terminal:
        assert terminal.finish() != 0
        assert (b"\x1b[31m" in terminal.raw) == coloured


@pytest.mark.parametrize(
    ("words", "sign", "ends"),
    [
        ("tail -f -v", "target:", 130),
        ("enqueue pay.ok --set amount=1 --wait -v", "target:", 130),
        ("validate --watch", "0 errors", 130),
        ("worker start --registry services.yaml", "worker_started", 0),
    ],
)
def test_ctrl_c_ends_what_waits(scene: Scene, words: str, sign: str, ends: int) -> None:
    """Ctrl-C at the terminal ends a waiting command with 130, without a traceback; a worker drains and ends with 0."""
    with at_terminal(str(COMMAND), *words.split(), env=scene.env, folder=scene.folder) as terminal:
        terminal.wait_for(sign)
        terminal.type("\x03")
        assert terminal.finish() == ends, terminal.text
        assert "Traceback" not in terminal.text
