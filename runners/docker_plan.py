"""What one container job will do, decided from the service's settings, its policy and the input alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..core.contract import Call, Footprint, Mount, PlanError, ResourceRequirements
from ..core.job import Category
from ..core.template import fill_argument
from .arguments import check_size, input_environment, word
from .docker_describe import command_line, described
from .docker_spec import DockerSpec

if TYPE_CHECKING:
    from ..core.policy import Policy

#: Where scratch is when the registry names no other place.
SCRATCH = "/tmp"  # noqa: S108 - a path inside the container


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerPlan:
    """One container, fully decided. `resources` and `network` are the policy's; None: the image's own word holds."""

    image: str
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]  # registry's and input's; the job's identity is added when it starts
    input_env: tuple[str, ...]
    working_dir: str
    mounts: tuple[Mount, ...]
    network: str  # none | all
    user: str
    read_only: bool
    tmpfs: tuple[tuple[str, int], ...]  # path in the container, MiB
    runtime: str
    resources: ResourceRequirements
    stdin: bytes
    output_bytes: int
    timeout_seconds: float
    streams: bool  # the output is {exit_code, stdout, stderr}, even where stdout is JSON
    any_json: bool  # JSON other than an object is output too

    @property
    def footprint(self) -> Footprint:
        """All that executing this plan would touch."""
        return Footprint(
            images=(self.image,),
            mounts=self.mounts,
            network=self.network,
            user=self.user,
            env=tuple(name for name in self.environment if name not in self.input_env),
            input_env=self.input_env,
            request_bytes=len(self.stdin),
            output_bytes=self.output_bytes,
            timeout_seconds=self.timeout_seconds,
            resources=self._asked(),
        )

    def _asked(self) -> ResourceRequirements:
        """The limits, with the scratch that the registry's own sizes add up to."""
        scratch, allowed = sum(size for _, size in self.tmpfs), self.resources.disk_mb
        return replace(self.resources, disk_mb=scratch) if allowed is not None and scratch > allowed else self.resources

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON-able data; of the environment names only."""
        return described(self)

    def command_line(self) -> str:
        """Return one line that a person can paste into a shell to start the same container."""
        return command_line(self)


def make_plan(spec: DockerSpec, call: Call) -> DockerPlan:
    """Return what one call will do; raise PlanError for input that has no plan."""
    policy = call.policy
    if policy.localhost_ports:
        message = "localhost_ports is set, but reaching ports of the host is not supported for docker services"
        raise PlanError(message, Category.POLICY_VIOLATION)
    command, from_input = _command(spec, call)
    environment = {**spec.environment, **from_input}
    check_size(command or (), environment)
    schema = call.operation.output_schema or {}
    return DockerPlan(
        image=spec.image,
        entrypoint=spec.entrypoint,
        command=command,
        environment=environment,
        input_env=tuple(sorted(from_input)),
        working_dir=spec.working_dir,
        mounts=spec.volumes,
        network=_network(spec, policy),
        user=spec.user,
        read_only=spec.read_only,
        tmpfs=_tmpfs(spec, policy.resources.disk_mb),
        runtime=spec.runtime,
        resources=policy.resources,
        stdin=json.dumps(dict(call.input)).encode("ascii"),
        output_bytes=policy.max_output_bytes,
        timeout_seconds=call.timeout_seconds,
        streams=bool({"exit_code", "stdout", "stderr"} & set(schema.get("properties", {}))),
        any_json=bool(schema) and schema.get("type") != "object",
    )


def _command(spec: DockerSpec, call: Call) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The operation's template, else the registry's command, else what the input asks for, else the image's own."""
    template = call.operation.mapping.get("command")
    if template is not None:
        return tuple(fill_argument(each, call.input) for each in template), {}
    from_input = input_environment(call.input.get("env_vars") or {})
    asked = call.input.get("command")
    if spec.command is not None or asked is None:
        return spec.command, from_input
    words = [asked] if isinstance(asked, str) else asked
    if not isinstance(words, list | tuple) or not words:
        raise PlanError("the input field 'command' must be a text or a list of arguments")
    return tuple(word(f"command[{index}]", value) for index, value in enumerate(words)), from_input


def _network(spec: DockerSpec, policy: Policy) -> str:
    """A row or a ceiling may take the network away; a registry whose own policy forbids it contradicts itself."""
    if not spec.bridge:
        return "none"
    narrowed = policy.network_isolation or policy.network_access != "all"
    return "none" if narrowed and spec.may_have_network else "all"


def _tmpfs(spec: DockerSpec, most: int | None) -> tuple[tuple[str, int], ...]:
    """Scratch folders with their sizes: as stated, the rest shared evenly, shrunk where a row narrowed the limit."""
    mounted = {volume.job_path for volume in spec.volumes}
    wanted = dict(spec.tmpfs) or {SCRATCH: None}
    room = most if most is not None else spec.disk_mb
    stated = sum(size for size in wanted.values() if size is not None)
    if stated > room and stated <= spec.disk_mb:
        wanted = {path: size and max(size * room // stated, 1) for path, size in wanted.items()}
        stated = room
    open_ended = [path for path, size in wanted.items() if size is None and path not in mounted]
    share = max((room - stated) // len(open_ended), 1) if open_ended else 0
    return tuple((path, size or share) for path, size in wanted.items() if path not in mounted)
