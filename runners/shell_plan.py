"""What one shell job will do, decided from registry and input alone: the service's settings and the plan. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.contract import Call, Footprint, Mount, PlanError, ResourceRequirements
from ..core.job import Category
from ..core.template import fill_argument
from .arguments import JOB_NAMES, check_size, config_environment, input_environment, word, wrong
from .sandbox import SCRATCH, HostLayout, Sandbox, limit_words, pasted

if TYPE_CHECKING:
    from ..core.registry.model import Operation, Service

#: What a job starts from, before registry and input add names.
FIRST_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/work", "LANG": "C.UTF-8"}

#: Where programs are that the sandbox has anyhow.
_SYSTEM = ("/usr/", "/bin/", "/sbin/")


@dataclass(frozen=True, slots=True)
class ShellSpec:
    """One shell service's settings as its registry gives them. `working_directory` "" is the private scratch."""

    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellPlan:
    """One process, fully decided. `resources`, `network` and `sandbox` are the policy's; `mounts` parents first."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]  # registry's and input's; the fixed names are added when it starts
    input_env: tuple[str, ...]
    working_directory: str
    mounts: tuple[Mount, ...]
    resources: ResourceRequirements
    network: str
    sandbox: str
    stdin: bytes
    output_bytes: int
    timeout_seconds: float
    streams: bool  # the output is {exit_code, stdout, stderr}, even where stdout is JSON
    any_json: bool  # JSON other than an object is output too
    localhost_ports: tuple[int, ...] = ()  # of this host, on the job's private loopback

    @property
    def footprint(self) -> Footprint:
        """All that executing this plan would touch."""
        return Footprint(
            commands=self.argv[:1],
            mounts=self.mounts,
            working_directory=self.working_directory,
            network=self.network,
            localhost_ports=self.localhost_ports,
            env=tuple(name for name in self.environment if name not in self.input_env),
            input_env=self.input_env,
            sandbox=self.sandbox,
            request_bytes=len(self.stdin),
            output_bytes=self.output_bytes,
            timeout_seconds=self.timeout_seconds,
            resources=self.resources,
        )

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON-able data; of the environment names only."""
        return {
            "execution_type": "shell",
            "command": self.command_line(),
            "bwrap": self.sandbox_line() if self.sandbox != "none" else "",
            "argv": list(self.argv),
            "working_directory": self.working_directory or "(private scratch)",
            "environment": self._origins(),
            "mounts": [f"{mount.host_path} ({mount.mode})" for mount in self.mounts],
            "network": self.network,
            "localhost_ports": list(self.localhost_ports),
            "sandbox": self.sandbox,
            "stdin_bytes": len(self.stdin),
            "max_output_bytes": self.output_bytes,
            "timeout_seconds": self.timeout_seconds,
            "resources": {
                name: getattr(self.resources, name)
                for name in ResourceRequirements.__slots__
                if getattr(self.resources, name) is not None
            },
        }

    def _origins(self) -> dict[str, str]:
        """Every variable's name with where its value comes from."""
        fixed = dict.fromkeys((*FIRST_ENVIRONMENT, *JOB_NAMES), "specql-jobs")
        registry = dict.fromkeys(self.environment, "registry")
        return {**fixed, **registry, **dict.fromkeys(self.input_env, "input")}

    def command_line(self) -> str:
        """Return one line that a person can paste into a shell to run the same program without the sandbox."""
        line = shlex.join(self.argv)
        return f"cd {shlex.quote(self.working_directory)} && {line}" if self.working_directory else line

    def sandbox_line(self) -> str:
        """Return one line that runs the program under bubblewrap much as a worker does; values by name, as $NAME."""
        box = Sandbox(
            layout=HostLayout(),
            network=self.network,
            scratch_mib=self.resources.disk_mb or 1,
            working_directory=self.working_directory or SCRATCH,
            environment={},
        )
        own_program = () if self.argv[0].startswith(_SYSTEM) else (Mount(self.argv[0], self.argv[0], "ro"),)
        words = ["bwrap", *pasted(box, (*self.mounts, *own_program))]
        fixed = [word for name, value in FIRST_ENVIRONMENT.items() for word in ("--setenv", name, value)]
        own = [f'--setenv {name} "${name}"' for name in self.environment if name not in FIRST_ENVIRONMENT]
        limited = ["--", *limit_words(self.resources, weak=False), *self.argv]
        return " ".join([shlex.join([*words, *fixed]), *own, shlex.join(limited)])


# ---- settings ------------------------------------------------------------------------------------------------------


def read_spec(service: Service) -> ShellSpec:
    """Return a service's settings; raise ConfigError naming the field that is wrong."""
    config = service.runner_config
    directory = config.get("working_directory") or ""
    if not isinstance(directory, str) or (directory and not directory.startswith("/")):
        raise wrong(service, "working_directory", "must be an absolute path")
    for operation in service.operations.values():
        _check_argv(service, operation)
    return ShellSpec(directory, config_environment(service))


def _check_argv(service: Service, operation: Operation) -> None:
    argv = operation.mapping.get("argv")
    if argv is None:
        return
    if not isinstance(argv, list | tuple) or not argv or not all(isinstance(word, str) for word in argv):
        raise wrong(service, f"operations.{operation.name}.argv", "must be a list of texts that starts with a command")


# ---- the plan ------------------------------------------------------------------------------------------------------


def make_plan(spec: ShellSpec, call: Call) -> ShellPlan:
    """Return what one call will do; raise PlanError for input that has no plan."""
    policy = call.policy
    if policy.localhost_ports and policy.network_access == "none":
        raise PlanError(
            "localhost_ports is set, but network_access is none: a job without network reaches no port",
            Category.POLICY_VIOLATION,
        )
    argv, from_input = _command(call)
    environment = {**spec.environment, **from_input}
    check_size(argv, environment)
    schema = call.operation.output_schema or {}
    return ShellPlan(
        argv=argv,
        environment=environment,
        input_env=tuple(sorted(from_input)),
        working_directory=spec.working_directory,
        mounts=_mounts(spec, call),
        resources=policy.resources,
        network=policy.network_access,
        localhost_ports=policy.localhost_ports if policy.network_access == "localhost" else (),
        sandbox=policy.sandbox,
        stdin=json.dumps(dict(call.input)).encode("ascii"),
        output_bytes=policy.max_output_bytes,
        timeout_seconds=call.timeout_seconds,
        streams=bool({"exit_code", "stdout", "stderr"} & set(schema.get("properties", {}))),
        any_json=bool(schema) and schema.get("type") != "object",
    )


def _command(call: Call) -> tuple[tuple[str, ...], dict[str, str]]:
    template = call.operation.mapping.get("argv")
    if template is not None:
        return tuple(fill_argument(word, call.input) for word in template), {}
    command, arguments = call.input.get("command"), call.input.get("args") or []
    if not isinstance(command, str) or not command:
        raise PlanError("the operation has no argv, so the input must name a command: {command, args, env_vars}")
    if not isinstance(arguments, list | tuple):
        raise PlanError("the input field 'args' must be a list")
    words = (word(f"args[{index}]", value) for index, value in enumerate(arguments))
    return (word("command", command), *words), input_environment(call.input.get("env_vars") or {})


def _mounts(spec: ShellSpec, call: Call) -> tuple[Mount, ...]:
    """Every host path the job sees, once, parents before what is below them; the looser mode wins."""
    modes = dict(_wanted(spec, call))
    return tuple(Mount(path, path, mode) for path, mode in sorted(modes.items()))


def _wanted(spec: ShellSpec, call: Call) -> Iterator[tuple[str, str]]:
    policy = call.policy
    loosest = "rw" if policy.file_access == "read_write" else "ro"
    if policy.file_access != "none":
        yield from ((path, "ro") for path in policy.read_paths)
        yield from ((path, loosest) for path in policy.write_paths)
    if spec.working_directory:
        yield spec.working_directory, loosest
