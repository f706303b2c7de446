"""The docker runner: one container per job, made by a container engine, confined by everything that engine offers.

What leaves this machine: nothing, unless the registry says `network_mode: bridge` and policy allows it. What stopping
stops: the container and every process in it; `execute` returns once the engine has said that it ended, and removed it.
What may remain after a crash of the worker: its containers run on to their end; the sweep of any worker on this host
removes them. With `engine: aws_batch` the same plan goes to AWS Batch instead (docker_batch.py).

Whoever may talk to the engine is root on its host. Give this runner a worker of its own (`--types docker`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..core.contract import (
    Call,
    Check,
    ExecutionContext,
    Failed,
    JobResult,
    JobRunner,
    Outcome,
    Refused,
    ResourceRequirements,
    Violation,
)
from ..core.job import Category, ExecutionType
from . import docker_checks, docker_sweep, docker_usage
from .docker_attempt import Attempt
from .docker_batch import Batch
from .docker_batch_config import BatchSpec, is_batch, read_batch
from .docker_batch_plan import BatchPlan, make_batch_plan
from .docker_create import Image
from .docker_engine import Engine, EngineError, Facts
from .docker_images import on_engine
from .docker_lodging import Lodging
from .docker_mounts import hold, release
from .docker_outcome import engine_outcome, image_missing
from .docker_plan import DockerPlan, make_plan
from .docker_spec import DockerSpec, read_spec
from .paths import PathProblem, path_outcome
from .visit import NOBODY, Visit

if TYPE_CHECKING:
    from ..core.registry.model import Service


Spec = DockerSpec | BatchSpec
Plan = DockerPlan | BatchPlan


class DockerRunner(JobRunner[Spec, Plan]):
    """Runs a container for each job."""

    execution_type = ExecutionType.DOCKER
    version = "docker/1"

    def __init__(self, *, url: str = "", visit: Visit = NOBODY) -> None:
        """`url` is DOCKER_HOST's; "" is the engine's usual socket. `visit` is of a person who watches one execution."""
        self._visit = visit
        self._stated = bool(url)
        self._engine = Engine(url)
        self._running: set[str] = set()
        self._removals: set[asyncio.Task[None]] = set()
        self._batch = Batch()

    def validate_config(self, service: Service) -> Spec:
        """Return the service's settings; raise ConfigError naming the field that is wrong."""
        return read_batch(service) if is_batch(service) else read_spec(service)

    def plan(self, spec: Spec, call: Call) -> Plan:
        """Return exactly what will be done; raise PlanError for input that has no plan."""
        return make_batch_plan(spec, call) if isinstance(spec, BatchSpec) else make_plan(spec, call)

    def get_resource_requirements(self, plan: Plan) -> ResourceRequirements:
        """Return what executing the plan may consume."""
        return plan.resources

    async def execute(self, plan: Plan, context: ExecutionContext) -> JobResult:
        """Run the plan's container to its end, or to the first limit, and return what came of it."""
        if not isinstance(plan, BatchPlan):
            return await self._local(plan, context)
        if self._visit != NOBODY:
            message = "the container runs at AWS Batch: nothing of it can be kept or entered on this machine"
            return JobResult(Failed(Category.INFRASTRUCTURE, message))
        return await self._batch.run(plan, context)

    async def _local(self, plan: DockerPlan, context: ExecutionContext) -> JobResult:
        started = time.monotonic()
        try:
            facts = await self._engine.facts()
            refusal = _refusal(plan, facts)
            image = await on_engine(self._engine, plan.image) if refusal is None else None
            if refusal is not None or image is None:
                return JobResult(refusal or image_missing(plan.image))
            lodging = Lodging(self._engine, facts, self._running, self._removals, self._visit)
            return await self._lodge(plan, context, lodging, image)
        except EngineError as error:
            return JobResult(engine_outcome(error, started=False))
        except PathProblem as problem:
            return JobResult(path_outcome(problem), {"duration_seconds": round(time.monotonic() - started, 4)})

    async def _lodge(self, plan: DockerPlan, context: ExecutionContext, lodging: Lodging, image: Image) -> JobResult:
        started = time.monotonic()
        held = await asyncio.to_thread(hold, plan.mounts, self._private(lodging.facts))
        try:
            return await Attempt(plan, context, lodging, image).run(held, started)
        finally:
            await asyncio.to_thread(release, held)

    def _private(self, facts: Facts) -> tuple[str, ...]:
        """Paths of the engine's own, which no container may see."""
        return tuple(path for path in (facts.root_dir, self._engine.socket_path) if path)

    async def check(self) -> list[Check]:
        """Return what the engine really enforces."""
        return await docker_checks.run(self._engine, stated=self._stated)

    async def sweep(self, alive: frozenset[str]) -> list[str]:  # noqa: ARG002 - a dead process tells more than a list
        """Remove the containers and control groups of processes that have ended, whoever's workers they were."""
        try:
            removed = await docker_sweep.sweep(self._engine, frozenset(self._running))
        except EngineError as error:
            if not error.down:
                raise
            removed = []
        return [*removed, *await asyncio.to_thread(docker_sweep.sweep_groups)]

    async def aclose(self) -> None:
        """Finish the removals under way, give back the control groups and let go of the engine."""
        if self._removals:
            await asyncio.wait(set(self._removals))
        await self._engine.aclose()
        await self._batch.aclose()
        await asyncio.to_thread(docker_usage.remove_owner, docker_sweep.own_name())


def _refusal(plan: DockerPlan, facts: Facts) -> Outcome | None:
    """Return why this engine cannot hold what the plan demands."""
    if plan.runtime and plan.runtime not in facts.runtimes:
        known = ", ".join(sorted(facts.runtimes)) or "none"
        message = f"the runtime {plan.runtime!r} is not registered with this host's engine (it has: {known})"
        return Refused((Violation("runtime_unavailable", message, "runtime"),))
    if plan.mounts and not facts.same_files:
        message = "volumes are refused: the engine does not share this worker's file system, so paths cannot be checked"
        return Refused((Violation("engine_elsewhere", message, "volume_restrictions.allowed_host_paths"),))
    if plan.resources.pids is not None and not facts.limits_pids:
        return Failed(Category.INFRASTRUCTURE, "the engine cannot limit processes on this host (no pids controller)")
    return None
