"""The plan of a shell job, as a value: what configuration and input make of it, with no process started."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.builders import make_operation, make_service
from support.shelljobs import PYTHON, Job

from specql_jobs.core.contract import Mount, PlanError
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category, ExecutionType
from specql_jobs.core.policy import judge
from specql_jobs.runners.shell import ShellScriptRunner

RUNNER = ShellScriptRunner()


def test_plan_is_deterministic_and_frozen() -> None:
    """The same call makes the same plan, and a plan cannot be changed afterwards."""
    job = Job(argv=(PYTHON, "x.py", "{name}"), input={"name": "a b"}, config={"working_directory": "/srv/app"})
    plan = job.plan(RUNNER)
    assert plan == job.plan(RUNNER)
    assert plan.argv == (PYTHON, "x.py", "a b")
    assert plan.stdin == b'{"name": "a b"}'
    with pytest.raises(AttributeError):
        plan.argv = ()  # type: ignore[misc]  # the rule under test


def test_footprint_states_all_that_is_touched() -> None:
    """Command, mounts, variables by origin, limits and sandbox are all in the footprint that policy judges."""
    job = Job(
        argv=None,
        input={"command": PYTHON, "args": ["-V", 3, True], "env_vars": {"COLOUR": "red"}},
        config={"working_directory": "/srv/app", "environment": {"LEVEL": "INFO"}},
        policy={"read_paths": ("/srv/data",), "write_paths": ("/srv/out",), "file_access": "read_write"},
    )
    plan = job.plan(RUNNER)
    footprint = plan.footprint
    assert plan.argv == (PYTHON, "-V", "3", "true")
    assert footprint.commands == (PYTHON,)
    assert footprint.mounts == (
        Mount("/srv/app", "/srv/app", "rw"),
        Mount("/srv/data", "/srv/data", "ro"),
        Mount("/srv/out", "/srv/out", "rw"),
    )
    assert (footprint.env, footprint.input_env) == (("LEVEL",), ("COLOUR",))
    assert (footprint.sandbox, footprint.network) == ("required", "none")
    assert footprint.resources == RUNNER.get_resource_requirements(plan) == job.effective.resources


def test_default_file_access_mounts_everything_read_only() -> None:
    """Under the default file_access even write_paths and the working directory are only read."""
    job = Job(argv=(PYTHON,), config={"working_directory": "/srv/app"}, policy={"write_paths": ("/srv/out",)})
    plan = job.plan(RUNNER)
    assert {mount.mode for mount in plan.mounts} == {"ro"}
    assert judge(plan.footprint, job.effective) == ()


def test_description_shows_names_and_no_values() -> None:
    """Dry-run shows the command ready to paste, and of variables only name and origin."""
    job = Job(
        argv=None,
        input={"command": PYTHON, "args": ["a b", "$(id)"], "env_vars": {"COLOUR": "red-value"}},
        config={"working_directory": "/srv/my app", "environment": {"LEVEL": "info-value"}},
    )
    shown = job.plan(RUNNER).describe()
    assert shown["command"] == f"cd '/srv/my app' && {PYTHON} 'a b' '$(id)'"
    assert shown["environment"]["LEVEL"] == "registry"
    assert shown["environment"]["COLOUR"] == "input"
    assert shown["environment"]["SPECQL_JOB_ID"] == "specql-jobs"
    assert "value" not in json.dumps(shown)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"command": ""},
        {"command": ["/bin/true"]},
        {"command": "/bin/true", "args": "x"},
        {"command": "/bin/true", "args": [None]},
        {"command": "/bin/true", "args": [{"a": 1}]},
        {"command": "/bin/true", "args": ["a\0b"]},
        {"command": "/bin/true\0"},
        {"command": "/bin/true", "args": ["x" * 131072]},
        {"command": "/bin/true", "args": ["x" * 100_000] * 12},
        {"command": "/bin/true", "args": ["\ud800"]},
        {"command": "/bin/true", "env_vars": ["A=1"]},
        {"command": "/bin/true", "env_vars": {"A": "x\0y"}},
        {"command": "/bin/true", "env_vars": {"A": None}},
    ],
)
def test_input_without_a_plan_is_invalid_input(data: dict[str, Any]) -> None:
    """Input of the default mapping that is no command, or that no process could take, fails before anything runs."""
    with pytest.raises(PlanError) as caught:
        Job(argv=None, input=data).plan(RUNNER)
    assert caught.value.category is Category.INVALID_INPUT


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"working_directory": "scripts"}, "runner_config.working_directory"),
        ({"working_directory": 5}, "runner_config.working_directory"),
        ({"environment": ["A=1"]}, "runner_config.environment"),
        ({"environment": {"A": ["x"]}}, "runner_config.environment.A"),
        ({"environment": {"A": "x\0"}}, "runner_config.environment.A"),
    ],
)
def test_wrong_configuration_names_the_field(config: dict[str, Any], names: str) -> None:
    """A setting of the wrong form is refused when the service is loaded, by its name."""
    with pytest.raises(ConfigError, match=names):
        RUNNER.validate_config(make_service(ExecutionType.SHELL, runner_config=config))


@pytest.mark.parametrize("argv", ["/bin/true", [], ["/bin/true", 5]])
def test_wrong_argv_names_the_operation(argv: object) -> None:
    """An argv that is not a list of texts is refused when the service is loaded."""
    operations = {"op": make_operation(mapping={"argv": argv})}
    with pytest.raises(ConfigError, match=r"operations\.op\.argv"):
        RUNNER.validate_config(make_service(ExecutionType.SHELL, operations=operations))
