"""What a plan would touch, in words common to every runner: hosts, programs, images, mounts, functions, limits.

A runner states it; only `policy.judge` says no to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A network address that a plan would connect to. `address` is the resolved IP, known only while executing."""

    scheme: str
    host: str  # lower case, no brackets
    port: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path made visible to a job. `host_path` is absolute; `mode` is "ro" or "rw"."""

    host_path: str
    job_path: str
    mode: str


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A cloud function that a plan would invoke. `name` may be an AWS function's ARN; policy knows every spelling."""

    provider: str
    region: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequirements:
    """What an execution may consume. None means: this runner does not limit it."""

    memory_mb: int | None = None  # MiB, all processes of the job together
    cpu_cores: float | None = None  # share of CPU time, 1.0 = one core
    cpu_seconds: float | None = None  # total CPU time, all processes
    pids: int | None = None  # processes and threads
    open_files: int | None = None  # per process
    disk_mb: int | None = None  # MiB of private scratch


#: A runner that states none does not limit what its executions consume.
UNLIMITED = ResourceRequirements()


class Footprint(NamedTuple):
    """All that a plan would touch, in words common to every runner. Policy judges this and nothing else.

    State fields by name. A tuple because every plan makes one: a frozen dataclass of so many takes six times as long.
    """

    endpoints: tuple[Endpoint, ...] = ()
    commands: tuple[str, ...] = ()  # executables on this host
    images: tuple[str, ...] = ()
    user: str = ""  # in a container: uid:gid or a name
    functions: tuple[FunctionRef, ...] = ()
    regions: tuple[str, ...] = ()  # of a cloud, in which containers run; a function has its own
    mounts: tuple[Mount, ...] = ()
    working_directory: str = ""  # on this host; "" = private scratch
    network: str = "none"  # none | localhost | all; processes and containers only
    localhost_ports: tuple[int, ...] = ()
    env: tuple[str, ...] = ()  # names set by the registry
    input_env: tuple[str, ...] = ()  # names set by the job's input
    secrets: tuple[str, ...] = ()  # names, never values
    sandbox: str = ""  # "" (not a process) | required | none
    request_bytes: int = 0
    output_bytes: int = 0  # the most that this plan would accept as output
    timeout_seconds: float = 0.0
    cost_usd: float = 0.0  # the most that executing could be billed, US dollars; 0 = nothing, or not known
    resources: ResourceRequirements = UNLIMITED


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that policy does not allow. `field` is the policy key that decided it."""

    code: str
    message: str
    field: str
