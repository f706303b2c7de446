"""The wiring of a worker process: registry, runners, scope, signals, health, event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from ..core import log
from ..core.contract import JobRunner
from ..core.errors import NotFound, RunnerUnavailable, SpecqlJobsError, UsageError
from ..core.job import ExecutionType
from ..core.retention import Retention, configured
from ..core.secrets import Secrets
from ..core.selector import parse_duration
from ..core.store.db import reachable
from ..core.store.store import Scope
from ..core.version import VERSION
from ..core.worker.attempt import Surroundings
from ..core.worker.health import Health
from ..core.worker.planner import Planner
from ..core.worker.worker import End, Worker, WorkerSettings, run_worker
from ..runners import RunnerRegistry
from .context import load_ceiling, load_registry, policy_path, runner_settings, settings_for
from .exits import Exit
from .options import Sources, Target
from .output.console import Console
from .output.wait_text import reason_words

if TYPE_CHECKING:
    from ..core.registry.model import Registry
    from ..core.settings import Settings
    from .commands.worker import WorkerOptions


T = TypeVar("T")


def run(console: Console, sources: Sources, target: Target, options: WorkerOptions) -> int:
    """Run a worker, or several processes of it, to its end; return the exit code."""
    settings = settings_for(console, target)
    start = Start(console, sources, options, settings, settings.require_dsn(), console.secrets)
    start.configure_log()
    if options.processes > 1:
        from .worker_pool import run_pool  # noqa: PLC0415 - multiprocessing, rarely asked for

        return run_pool(start)
    return Exit.OK if in_loop(start.run()) else Exit.NEGATIVE


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a worker's coroutine in the fastest event loop that is installed (uvloop: +14 % on no-op jobs).

    The collector is told that what is loaded stays, and to look less often: a worker makes many short-lived objects and
    no cycles worth a full scan every 700 allocations (measured: 3 % to 6 % of a no-op job).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if find_spec("uvloop") is None:
        return None
    from uvloop import new_event_loop  # noqa: PLC0415 - an extra

    return new_event_loop


@dataclass(frozen=True, slots=True)
class Start:
    """All that one worker process is started with."""

    console: Console
    sources: Sources
    options: WorkerOptions
    settings: Settings
    dsn: str
    secrets: Secrets

    def configure_log(self) -> None:
        """Write this process's events as the options say."""
        level = log.Level.DEBUG if self.console.verbose else log.Level.INFO
        log.configure(
            level=log.Level.WARNING if self.console.quiet else level,
            as_json=self.options.log_format == "json",
            redact=self.secrets.redact,
        )

    async def run(self) -> bool:
        """Run one worker process to its end; return whether it drained."""
        made_with = {**runner_settings(self.settings), **_weaker(self.options)}
        runners = RunnerRegistry(settings=made_with, chosen=self.settings.runners)
        planner = self.planner(runners)
        working = await _working(runners, planner.registry, _types(self.options.types))
        scope = _scope(planner.registry, working, self.options)
        try:
            async with reachable(self.dsn) as dsn:
                settings = _worker_settings(self.options, dsn, scope, working)
                settings = replace(settings, retention=_retention(self.settings))
                around = Surroundings(planner, self.secrets)
                return await _Process(self, runners, around).run(settings, working)
        finally:
            await runners.aclose()

    def planner(self, runners: RunnerRegistry) -> Planner:
        """Return the registry under the host ceiling; raise RegistryError or UsageError."""
        ceiling = policy_path(self.sources.policy, self.settings)
        registry = load_registry(self.sources, self.settings)
        log.log_event("registry_loaded", digest=registry.digest[:12], services=len(registry.services))
        return Planner(registry, runners, load_ceiling(ceiling) if ceiling else None)


class _Process:
    """The present worker, and what reaches it from outside: signals and probes."""

    def __init__(self, start: Start, runners: RunnerRegistry, around: Surroundings) -> None:
        self._start = start
        self._runners = runners
        self._around = around
        self._working: Sequence[JobRunner[Any, Any]] = ()
        self._scope: Scope | None = None
        self._worker: Worker | None = None
        self._asked_to_stop = False

    async def run(self, settings: WorkerSettings, runners: Sequence[JobRunner[Any, Any]]) -> bool:
        self._working = runners
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        health = await self._probes()
        try:
            end = await run_worker(settings, self._around, runners, self._started)
        finally:
            if health is not None:
                await health.close()
        self._say_left()
        return end is End.DRAINED

    def _say_left(self) -> None:
        """After --until-empty: why the worker did not wait for what is pending, reason by reason."""
        for reason in (self._worker.left if self._worker is not None else None) or ():
            log.log_event("jobs_left", jobs=reason.jobs, code=reason.code, why=reason_words(reason))

    def _started(self, worker: Worker) -> None:
        worker.reload(self._around, self._scope)
        self._worker = worker
        if self._asked_to_stop:
            worker.stop()

    def _stop(self) -> None:
        self._asked_to_stop = True
        if self._worker is not None:
            self._worker.stop()

    def _reload(self) -> None:
        """Use the registry as it is now for jobs claimed from now on; keep the old one if the new one is bad.

        Execution types that were not in use at the start were not checked on this host: they are left to others.
        """
        try:
            planner = self._start.planner(self._runners)
            scope = _scope(planner.registry, self._working, self._start.options)
        except SpecqlJobsError as error:
            log.log_event("registry_rejected", code=error.code, error=error.message)
            return
        self._around, self._scope = replace(self._around, planner=planner), scope
        if self._worker is not None:
            self._worker.reload(self._around, scope)

    async def _probes(self) -> Health | None:
        if not self._start.options.health:
            return None
        host, port = _address(self._start.options.health)
        health = Health(host, port, lambda: self._worker is not None and self._worker.ready)
        try:
            bound = await health.start()
        except OSError as error:
            raise UsageError(f"--health {host}:{port} cannot be used: {error.strerror}") from None
        log.log_event("health_listening", address=f"{host}:{bound}")
        return health


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--health {text!r} is not HOST:PORT", hint="for example --health 127.0.0.1:8099")
    return host.strip("[]") or "127.0.0.1", int(port)


def _weaker(options: WorkerOptions) -> dict[ExecutionType, dict[str, Any]]:
    weaker = {"allow_weak_limits": options.allow_weak_limits, "allow_unsandboxed": options.allow_unsandboxed}
    return {ExecutionType.SHELL: weaker}


def _retention(settings: Settings) -> Retention:
    """What workers prune by themselves: nothing unless [retention] says `worker = true`."""
    return configured(settings.retention) if settings.retention.get("worker") else Retention()


def _words(given: list[str] | None) -> list[str]:
    return [word.strip() for text in given or [] for word in text.split(",") if word.strip()]


def _types(given: list[str] | None) -> frozenset[ExecutionType]:
    words = _words(given)
    if given and not words:
        raise UsageError("--types is empty", hint="leave it out, or name types: --types http,shell")
    try:
        return frozenset(map(ExecutionType.parse, words)) or frozenset(ExecutionType)
    except ValueError:
        raise UsageError(
            f"--types {','.join(words)} names no execution type", hint="known: http, shell, docker, serverless"
        ) from None


async def _working(
    runners: RunnerRegistry, registry: Registry, wanted: frozenset[ExecutionType]
) -> list[JobRunner[Any, Any]]:
    """Return the runners that this host can really use, of the types that are wanted and that the registry has."""
    used = {service.execution_type for service in registry.services.values()} & wanted
    found = []
    for execution_type in sorted(used):
        try:
            runner = runners.runner(execution_type)
        except RunnerUnavailable as error:
            log.log_event("runner_unavailable", execution_type=execution_type.value, reason=error.message)
            continue
        looked = await runner.check() if _needs_this_host(execution_type, registry) else []
        missing = [check for check in looked if check.status in ("fail", "skip")]
        for check in missing:
            log.log_event("runner_unavailable", execution_type=execution_type.value, reason=check.detail, fix=check.fix)
        if not missing:
            found.append(runner)
    return found


def _needs_this_host(execution_type: ExecutionType, registry: Registry) -> bool:
    """Whether some service of that type is executed with what this host has; AWS Batch needs no engine here."""
    services = (each for each in registry.services.values() if each.execution_type is execution_type)
    return any(each.runner_config.get("engine") != "aws_batch" for each in services)


def _scope(registry: Registry, working: Sequence[JobRunner[Any, Any]], options: WorkerOptions) -> Scope:
    """Return which services to claim. A worker that cannot execute a type leaves its jobs to others."""
    types = {runner.execution_type for runner in working}
    chosen = _chosen(registry, options.services)
    served = {name for name in chosen if registry.services[name].execution_type in types}
    if not served:
        raise RunnerUnavailable(
            "this host can execute none of the services asked for", hint="specql-jobs doctor    says what is missing"
        )
    if options.services or options.types:
        return Scope(only=tuple(sorted(served)))
    # Unknown services are claimed too: they fail with a sentence that names the registry, instead of waiting unseen.
    return Scope(excluded=tuple(sorted(set(registry.services) - served)))


def _chosen(registry: Registry, given: list[str] | None) -> set[str]:
    names = {name.lower() for name in _words(given)}
    if given and not names:
        raise UsageError("--services is empty", hint="leave it out, or name services of the registry")
    unknown = sorted(names - set(registry.services))
    if unknown:
        raise NotFound(
            f"the registry has no service {unknown[0]!r}",
            hint=f"it has: {', '.join(sorted(registry.services)[:10])}",
            code="E310",
            name="unknown-service",
        )
    return names or set(registry.services)


def _worker_settings(
    options: WorkerOptions, dsn: str, scope: Scope, working: Sequence[JobRunner[Any, Any]]
) -> WorkerSettings:
    return WorkerSettings(
        dsn=dsn,
        host=os.uname().nodename,
        pid=os.getpid(),
        version=VERSION,
        concurrency=options.concurrency,
        scope=scope,
        execution_types=tuple(runner.execution_type.value for runner in working),
        drain_timeout=parse_duration(options.drain_timeout),
        until_empty=options.until_empty,
        max_jobs=options.max_jobs,
    )
