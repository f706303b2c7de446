"""Every runner of ours, and the puppet that serves the worker's tests, held to the rules that third parties inherit.

Another runner joins with a class of its own whose `subject` yields a Subject with a real far end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

import pytest
from support import dockerjobs
from support.answering import Answering, answering_http
from support.builders import make_operation, make_service
from support.dockerd import BUSYBOX, TestEngine
from support.puppet import PuppetRunner
from support.require import require
from support.shelljobs import JOB_UID, PYTHON, groups, survivors

from specql_jobs.core.conformance import RunnerConformance, Subject, Try
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.http import HTTPRunner
from specql_jobs.runners.shell import ShellScriptRunner

#: Stands on the command line of containers that wait.
WAITING: Final = "conformance-of-containers"


class TestPuppet(RunnerConformance):
    """The runner of the worker's own tests must not promise what real ones do not keep."""

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield a puppet; it touches nothing."""
        puppet = PuppetRunner()
        yield Subject(
            runner=puppet,
            service=make_service(),
            succeeds=Try("op", {"output": {"answer": 42}}),
            fails=Try("op", {"fail": "target_error"}),
            waits=Try("op", {"wait": 600}),
            begun=lambda: puppet.busy,
            touches_nothing=True,
        )


class TestHttp(RunnerConformance):
    """HTTP against a real server on this machine, with a token that the server repeats where it can."""

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield the HTTP runner and its far end."""
        with answering_http() as target:
            yield _http(target)


def _http(target: Answering) -> Subject:
    requests = {"ok": "POST", "no": "POST", "hang": "GET", "flood": "GET"}
    return Subject(
        runner=HTTPRunner(),
        service=make_service(
            runner_config={
                "base_url": target.url,
                "auth_type": "bearer",
                "auth_config": {"token_env_var": "API_TOKEN"},
            },
            policy=Policy(allowed_domains=("127.0.0.1",), allow_private_networks=True, max_response_size=100_000),
            operations={
                name: make_operation(name, mapping={"request": {"method": method, "path": f"/{name}"}})
                for name, method in requests.items()
            },
        ),
        succeeds=Try("ok", {"name": "Mo"}),
        fails=Try("no", {"name": "Mo"}),
        waits=Try("hang"),
        floods=Try("flood"),
        secrets=Secrets({"API_TOKEN": "tok-CONFORM-0123456789"}),
        secret="tok-CONFORM-0123456789",
        begun=lambda: target.hanging > 0,
        left=lambda: ["a connection that hangs"] * target.hanging,
    )


class TestShell(RunnerConformance):
    """Processes in the real sandbox; what is left is looked for by user and by control group."""

    scripts: ClassVar[dict[str, str]] = {
        "ok": "import json; print(json.dumps({'hello': 'world'}))",
        "no": "import sys; print('it went wrong', file=sys.stderr); sys.exit(3)",
        "hang": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "flood": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    }

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield the shell runner."""
        available = os.geteuid() == 0 and Path("/usr/bin/bwrap").exists()
        require("sandbox", available, "bubblewrap is not installed, or this is not root")
        operations = {
            name: make_operation(name, mapping={"argv": [PYTHON, "-c", code.replace("{", "{{").replace("}", "}}")]})
            for name, code in self.scripts.items()
        }
        yield Subject(
            runner=ShellScriptRunner(job_uid=JOB_UID),
            service=make_service(
                ExecutionType.SHELL,
                policy=Policy(allowed_commands=(PYTHON,), max_output_bytes=100_000),
                operations=operations,
            ),
            succeeds=Try("ok"),
            fails=Try("no"),
            waits=Try("hang"),
            floods=Try("flood"),
            begun=lambda: any("time.sleep(600)" in line for line in survivors()),
            left=lambda: [*survivors(), *groups()],
        )


class TestDocker(RunnerConformance):
    """Containers on a real engine; what is left is asked of the engine, and looked for among processes and groups."""

    scripts: ClassVar[dict[str, str]] = {
        "ok": """echo '{"hello": "world"}'""",
        "no": "echo 'it went wrong' >&2; exit 3",
        "hang": f"trap '' TERM; : {WAITING}; sleep 600",
        "flood": "yes",
    }
    engine: TestEngine

    @pytest.fixture(autouse=True)
    def given(self, engine: TestEngine) -> None:
        """Take the run's engine."""
        self.engine = engine

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield the docker runner."""
        operations = {
            name: make_operation(
                name, mapping={"command": ["/bin/sh", "-c", code.replace("{", "{{").replace("}", "}}")]}
            )
            for name, code in self.scripts.items()
        }
        yield Subject(
            runner=DockerRunner(url=self.engine.url),
            service=make_service(
                ExecutionType.DOCKER,
                runner_config={"image": BUSYBOX},
                policy=Policy(allowed_images=(BUSYBOX,), max_output_bytes=100_000),
                operations=operations,
            ),
            succeeds=Try("ok"),
            fails=Try("no"),
            waits=Try("hang"),
            floods=Try("flood"),
            begun=lambda: bool(dockerjobs.running(WAITING)),
            left=lambda: [*self.engine.ours(), *dockerjobs.groups()],
        )


def test_a_class_without_a_subject_is_told_so() -> None:
    """Whoever forgets `subject` learns what is missing."""
    with pytest.raises(NotImplementedError, match="subject"):
        RunnerConformance().subject()
