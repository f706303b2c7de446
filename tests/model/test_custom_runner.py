"""A runner from another package: installed with pip, chosen by the host's configuration, held to the same rules."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from support.builders import make_operation, make_service
from support.cli import Said, specql_jobs
from support.tree import ROOT

from specql_jobs.core.conformance import RunnerConformance, Subject, Try
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy

EXAMPLE = ROOT / "examples" / "runner-local-functions"

FUNCTIONS = """\
import os, time

def handler(event, context):
    match event.get("do", "greet"):
        case "greet":
            return {"hello": event.get("name", "you"), "job": os.environ["SPECQL_JOB_ID"]}
        case "fail":
            raise ValueError("as asked")
        case "wait":
            time.sleep(600)
        case "flood":
            return "x" * 10_000_000
"""

Command = Callable[..., Said]

REGISTRY = """\
services:
  greeter:
    category: test
    execution_type: serverless
    runner_config: {provider: aws, region: eu-west-1, function_name: greeter}
    security_policy: {allowed_providers: [aws], allowed_regions: [eu-west-1], allowed_functions: [FUNCTION]}
    operations:
      say: {input_schema: {do: "string?", name: "string?"}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed by pip, from a copy, because building writes into the source."""
    source, site = tmp_path_factory.mktemp("source") / "example", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    words = [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder: registry, functions, and a configuration that chooses the runner."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "greeter.py").write_text(FUNCTIONS)
    (tmp_path / "services.yaml").write_text(REGISTRY.replace("FUNCTION", "greeter"))
    (tmp_path / "specql-jobs.toml").write_text(
        'registry = "services.yaml"\n[runners]\nserverless = "local-functions"\n'
    )
    return tmp_path


@pytest.fixture
def command(site: Path, project: Path) -> Command:
    """The command line in that folder, with the package on its path."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))

    def run(*arguments: str, **env: str) -> Said:
        return specql_jobs(*arguments, env={"PYTHONPATH": path, **env}, folder=project)

    return run


def test_a_worker_executes_with_it(command: Command, dsn: str) -> None:
    """A job of the queue is executed by the installed runner, and row and audit trail say by which."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT jobs.enqueue('greeter', 'say', '{\"name\": \"Mo\"}')")
        said = command("worker", "--until-empty", SPECQL_JOBS_DSN=dsn)
        assert said.code == 0, said.err
        row = connection.execute("SELECT status, output_data, runner_version FROM jobs.tb_job_run").fetchone()
        audited = connection.execute("SELECT outcome, runner_version FROM jobs.tb_audit_event").fetchone()
    assert row is not None
    assert (row[0], row[1]["hello"], row[2]) == ("completed", "Mo", "local-functions/1")
    assert audited == ("succeeded", "local-functions/1")


def test_run_and_doctor_know_it(command: Command) -> None:
    """`run` plans and executes with it, `doctor` shows its lines."""
    planned = command("run", "greeter.say", "--set", "name=Mo", "-n", "-o", "json")
    assert (planned.code, planned.data["plan"]["function"]) == (0, "greeter")
    assert command("run", "greeter.say", "--set", "name=Mo", "-o", "json").data["output"]["hello"] == "Mo"
    lines = {each["name"]: each["status"] for each in command("doctor", "-o", "json").data["checks"]}
    assert lines["local functions"] == "ok"


def test_the_same_judge_judges_it(command: Command, project: Path) -> None:
    """A function that the policy does not list is refused, whoever would execute it."""
    (project / "services.yaml").write_text(REGISTRY.replace("FUNCTION", "other"))
    said = command("run", "greeter.say", "-o", "json")
    assert (said.code, said.data["error"]["category"]) == (1, "policy_violation")


def test_installing_it_changes_nothing(command: Command, project: Path) -> None:
    """Only the host's configuration puts a package in charge of a type; the environment may overrule the file."""
    (project / "specql-jobs.toml").write_text('registry = "services.yaml"\n')
    planned = command("run", "greeter.say", "-n", "-o", "json")
    assert planned.code != 0 or planned.data["plan"]["runner"] != "local-functions/1"
    chosen = command("run", "greeter.say", "-n", "-o", "json", SPECQL_JOBS_RUNNERS="serverless=local-functions")
    assert chosen.data["plan"]["runner"] == "local-functions/1"


@pytest.mark.parametrize("stated", ["serverless=nobody", "http=local-functions"])
def test_a_choice_that_cannot_be_kept_fails_closed(command: Command, project: Path, stated: str) -> None:
    """An entry point that is not installed, or executes another type, is exit 5; the built-in one does not step in."""
    (project / "services.yaml").write_text(REGISTRY.replace("FUNCTION", "greeter") + HTTP_SERVICE)
    service = "greeter.say" if stated.startswith("serverless") else "web.get"
    said = command("run", service, "-n", "-o", "json", SPECQL_JOBS_RUNNERS=stated)
    assert (said.code, said.error["code"]) == (5, "E510")


HTTP_SERVICE = """\
  web:
    category: test
    runner_config: {base_url: "https://web.example"}
    security_policy: {allowed_domains: [web.example]}
    operations:
      get: {input_schema: {}}
"""


@pytest.mark.parametrize("stated", ["soap=x", "serverless=", "serverless"])
def test_a_malformed_choice_is_exit_2(command: Command, stated: str) -> None:
    """A word that is no execution type, or names nothing, is a wrong configuration."""
    assert command("run", "greeter.say", "-n", "-o", "json", SPECQL_JOBS_RUNNERS=stated).error["code"] == "E210"


def _example() -> ModuleType:
    """Return the example's module, straight from its source."""
    spec = importlib.util.spec_from_file_location(
        "local_functions", EXAMPLE / "src" / "local_functions" / "__init__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class TestLocalFunctions(RunnerConformance):
    """The example keeps all the rules."""

    @pytest.fixture(autouse=True)
    def functions(self, tmp_path: Path) -> None:
        """A folder with the function of these tests."""
        (tmp_path / "greeter.py").write_text(FUNCTIONS)
        self.folder = tmp_path

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield the example's runner."""
        waiting = str(self.folder).encode()

        def processes() -> list[str]:
            return [pid for pid in os.listdir("/proc") if pid.isdigit() and _has(pid, waiting)]

        yield Subject(
            runner=_example().LocalFunctionRunner(str(self.folder)),
            service=make_service(
                ExecutionType.SERVERLESS,
                runner_config={"provider": "aws", "region": "eu-west-1", "function_name": "greeter"},
                policy=Policy(
                    allowed_providers=("aws",), allowed_regions=("eu-west-1",), allowed_functions=("greeter",)
                ),
                operations={"say": make_operation("say")},
            ),
            succeeds=Try("say", {"name": "Mo"}),
            fails=Try("say", {"do": "fail"}),
            waits=Try("say", {"do": "wait"}),
            floods=Try("say", {"do": "flood"}),
            begun=lambda: bool(processes()),
            left=processes,
        )


def _has(pid: str, word: bytes) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
