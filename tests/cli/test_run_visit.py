"""`run --keep` and `run --shell`: what an execution leaves for a person, and a shell in its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.at_terminal import typed
from support.cli import Said, specql_jobs
from support.dockerd import BUSYBOX, TestEngine
from support.require import require

from specql_jobs.runners.docker_sweep import left_behind

REGISTRY = f"""\
services:
  tool:
    category: test
    execution_type: shell
    security_policy: {{allowed_commands: [/bin/sh], resource_limits: {{memory: 64MB, disk: 8MB, pids: 16}}}}
    operations:
      write: {{input_schema: {{word: string}}, argv: [/bin/sh, -c, 'echo "$1" > made; exit 3', sh, "{{word}}"]}}
  box:
    category: test
    execution_type: docker
    runner_config: {{image: "{BUSYBOX}", tmpfs: {{/tmp: 2MB}}}}
    security_policy: {{allowed_images: ["{BUSYBOX.partition(":")[0]}:*"], resource_limits: {{memory: 64MB, pids: 16}}}}
    operations:
      go: {{input_schema: {{}}, command: [/bin/sh, -c, "echo said"]}}
  far:
    category: test
    execution_type: http
    runner_config: {{base_url: "https://api.far.example"}}
    security_policy: {{allowed_domains: ["api.far.example"]}}
    operations:
      go: {{input_schema: {{}}}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of each kind in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services.yaml").write_text(REGISTRY, "utf-8")
    return tmp_path


@pytest.fixture
def sandbox() -> None:
    """Skips where no sandbox can be made, or fails where it was promised."""
    require(
        "sandbox", os.geteuid() == 0 and Path("/usr/bin/bwrap").exists(), "bubblewrap is not installed, or not root"
    )


def _run(*arguments: str, **more: str) -> Said:
    return specql_jobs("run", *arguments, "-o", "json", env=more)


@pytest.mark.usefixtures("sandbox")
def test_a_kept_folder_has_what_the_job_wrote() -> None:
    """--keep leaves the scratch of a job that failed, says where, and changes nothing of how it ended."""
    said = _run("tool.write", "--set", "word=hello", "--keep")
    (kept,) = said.data["kept"]
    try:
        assert (said.code, (Path(kept) / "made").read_text()) == (1, "hello\n")
        assert f"kept: {kept}" in said.err
        assert Path(kept).stat().st_mode & 0o077 == 0
    finally:
        shutil.rmtree(kept)


@pytest.mark.usefixtures("sandbox")
def test_without_keep_nothing_is_left() -> None:
    """The scratch goes with the sandbox, and the answer names no place."""
    assert "kept" not in _run("tool.write", "--set", "word=hello").data


@pytest.mark.usefixtures("sandbox")
def test_a_shell_sees_what_the_job_would_see() -> None:
    """In it are the job's user and input, and a terminal of its own that Ctrl-C reaches; it ends with exit 0."""
    dialogue = [
        ("$ ", "cat input.json; id -un; echo wa''iting; sleep 600\n"),
        ("waiting", "\x03"),
        ("$ ", "tty; stty size; ls /root; exit 7\n"),
    ]
    code, shown = typed("run", "tool.write", "--set", "word=hello", "--shell", dialogue=dialogue)
    assert code == 0, shown
    assert '{"word": "hello"}' in shown
    assert "}job\n" in shown
    assert "30 100" in shown
    assert "/root" in shown.partition("cannot access")[2]
    assert "the shell ended with 7" in shown


def test_a_kept_container_can_be_looked_into(engine: TestEngine) -> None:
    """--keep leaves the container, ended, under a name that no sweep takes."""
    said = _run("box.go", "--keep", DOCKER_HOST=engine.url)
    (name,) = said.data["kept"]
    container = engine.client.inspect_container(name)
    try:
        assert (said.code, container["State"]["Status"], said.data["output"]["stdout"]) == (0, "exited", "said\n")
        assert not left_behind({**container["Config"], "Names": [container["Name"]]}, frozenset(), 1e12)
    finally:
        engine.client.remove_container(name, v=True, force=True)


def test_a_shell_in_the_container(engine: TestEngine) -> None:
    """The shell is in the job's image, as its user, with its limits; the container is gone afterwards."""
    dialogue = [("$ ", "id -u; touch /x; tty; exit\n")]
    code, shown = typed("run", "box.go", "--shell", dialogue=dialogue, env={"DOCKER_HOST": engine.url})
    assert code == 0, shown
    assert "65534" in shown
    assert "Read-only file system" in shown
    assert "the shell ended with" in shown
    assert engine.client.containers(all=True, filters={"label": "specql-jobs.owner"}) == []


@pytest.mark.parametrize("flag", ["--keep", "--shell"])
def test_nothing_of_an_http_job_is_here(flag: str) -> None:
    """An HTTP job leaves nothing on this machine and has nothing to enter: exit 2."""
    code, shown = typed("run", "far.go", flag, dialogue=())
    assert (code, "nothing of this http job's runs on this machine" in shown.replace("\r\n", " ")) == (2, True), shown


def test_a_shell_needs_a_terminal() -> None:
    """In a pipe, and with -o json, --shell is exit 2 before anything is started."""
    assert _run("tool.write", "--set", "word=x", "--shell").code == 2
    assert specql_jobs("run", "tool.write", "--set", "word=x", "--shell").code == 2
