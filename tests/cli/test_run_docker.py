"""`run` and `doctor` with container services: a plan to paste, a job to run, an engine that is not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.dockerd import BUSYBOX, TestEngine

REGISTRY = """
services:
  box:
    execution_type: container
    runner_config:
      image: "{image}"
      environment: {{GREETING: hello}}
      tmpfs: {{/tmp: 2MB, /open: 1}}
    security_policy:
      allowed_images: ["{repository}:*"]
      network_isolation: false
      resource_limits: {{memory: 64MB, cpu: 0.5, pids: 10}}
    operations:
      greet:
        input_schema: {{who: string}}
        command: [/bin/sh, "-c", 'echo "$GREETING $1"; cat; id -u; ls /sys/class/net', sh, "{{who}}"]
        timeout: 30
"""


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """A registry with one container service of the test image."""
    path = tmp_path / "services.yaml"
    path.write_text(REGISTRY.format(image=BUSYBOX, repository=BUSYBOX.partition(":")[0]))
    return str(path)


def _run(registry: str, *more: str, engine: str) -> tuple[int, str]:
    said = specql_jobs(
        "run", "box.greet", "--registry", registry, "--set", "who=it's me", *more, env={"DOCKER_HOST": engine}
    )
    return said.code, said.out + said.err


def test_a_dry_run_needs_no_engine(registry: str, tmp_path: Path) -> None:
    """The plan is made without an engine, in words, and with the limits of the registry."""
    code, said = _run(registry, "-n", engine=f"unix://{tmp_path}/none.sock")
    assert code == 0
    assert "docker run --rm --interactive --network none --user 65534:65534 --cap-drop ALL" in said
    assert "--memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 10" in said
    assert "Nothing was executed." in said


def test_the_plans_line_does_what_run_does(registry: str, engine: TestEngine) -> None:
    """The line that the plan shows, pasted into a shell, prints what the job prints."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    said = specql_jobs("run", "box.greet", "-r", registry, "--set", "who=it's me", "-n", "-o", "json")
    line = said.data["plan"]["command"]
    env = {
        "DOCKER_HOST": engine.url,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GREETING": "hello",
        "HOME": "/nonexistent",
    }
    pasted = subprocess.run(["/bin/sh", "-c", line], env=env, capture_output=True, text=True, check=True).stdout
    ran = specql_jobs(
        "run", "box.greet", "-r", registry, "--set", "who=it's me", "-o", "json", env={"DOCKER_HOST": engine.url}
    )
    assert ran.data["output"]["stdout"] == pasted
    assert pasted.split("\n")[0] == "hello it's me"
    assert ran.data["resource_usage"]["image_id"] == engine.image_id()


def test_an_absent_engine_is_exit_5(registry: str, tmp_path: Path) -> None:
    """A job that only lacks its engine is `unavailable`, with the reason and what to type."""
    code, said = _run(registry, engine=f"unix://{tmp_path}/none.sock")
    assert code == 5
    assert "cannot be reached" in said
    assert "doctor" in said


def test_doctor_says_what_the_engine_holds(engine: TestEngine, tmp_path: Path) -> None:
    """doctor lists the engine's version and what it enforces; one that is named and absent fails the check."""
    there = specql_jobs("doctor", "-o", "json", env={"DOCKER_HOST": engine.url})
    found = {check["name"]: check["status"] for check in there.data["checks"]}
    assert (found["docker"], found["docker seccomp"], found["docker limits"]) == ("ok", "ok", "ok")
    gone = specql_jobs("doctor", "-o", "json", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert {check["name"]: check["status"] for check in gone.data["checks"]}["docker"] == "fail"
    assert gone.code == 1
