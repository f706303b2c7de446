"""One attempt of one container job: created, attached, started, watched, ended, explained and removed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ..core.contract import ExecutionContext, JobResult, StopReason
from . import docker_usage
from .arguments import identity
from .cgroup import MIB, GroupUsage
from .docker_create import Image, Setting, request, visited
from .docker_engine import EngineError, Facts
from .docker_lodging import Lodging, leave
from .docker_mounts import Held, VolumeProblem, misplaced
from .docker_outcome import engine_outcome, may_be_oom, usage, with_oom
from .docker_plan import DockerPlan
from .docker_stream import Streams, attach
from .docker_sweep import kept_name, labels, name_of, own_name, remove
from .docker_usage import Sample
from .ending import Ending, Said, flood_limit, outcome
from .paths import path_outcome

T = TypeVar("T")

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
LATE_WORD = 0.3  # seconds in which the engine hears of a kill for want of memory
LAST_WAIT = 5.0  # seconds in which a killed container must have ended
SHORTEST_LOOK, LONGEST_LOOK = 0.005, 1.0  # seconds between two looks at a container


class Attempt:
    """The container of one attempt. `run` is called once; whatever happens, the container is removed by its end."""

    def __init__(self, plan: DockerPlan, context: ExecutionContext, lodging: Lodging, image: Image) -> None:
        self._plan = plan
        self._context = context
        self._lodging = lodging
        self._image = image
        self._name = kept_name() if lodging.visit.keep else name_of(context)
        self._parent = docker_usage.parent_path(own_name(), self._name) if _measurable(lodging.facts) else ""
        self._id = ""
        self._started = False
        self._call: asyncio.Future[Any] | None = None
        self._connection: socket.socket | None = None  # to the container's streams
        self._streams: Streams | None = None
        self._listening: asyncio.Task[None] | None = None
        self._helpers: list[asyncio.Task[Any]] = []
        self._sample = Sample()
        self._cpu_exceeded = self._disk_exceeded = False

    async def run(self, held: tuple[Held, ...], started: float) -> JobResult:
        """Return what came of it; `held` are the plan's folders, `started` is on the monotonic clock."""
        self._lodging.running.add(self._name)
        try:
            left = self._context.timeout_seconds - (time.monotonic() - started)
            end = await self._context.stop.race(self._work(held), left)
            return await self._conclude(end if isinstance(end, StopReason) else None, started)
        except EngineError as error:
            return JobResult(engine_outcome(error, started=self._started))
        except VolumeProblem as problem:
            return JobResult(path_outcome(problem))
        finally:
            await self._clean()

    # ---- start -----------------------------------------------------------------------------------------------------

    async def _work(self, held: tuple[Held, ...]) -> None:
        body = request(self._plan, self._setting())
        if self._lodging.visit.shell:
            body |= visited()
        await self._ask(lambda client: self._create(client, body))
        await self._ask(self._attach)
        assert self._connection is not None
        self._streams = self._made_streams(self._connection)
        self._listening = asyncio.create_task(self._streams.listen())
        self._started = True  # from here on it may run, whatever the engine answers
        await self._ask(lambda client: client.start(self._id))
        self._helpers.append(asyncio.create_task(self._streams.feed(self._plan.stdin)))
        if held:
            await self._check_mounts(held)
        await self._watch(self._streams)

    def _made_streams(self, connection: socket.socket) -> Streams:
        if not self._lodging.visit.shell:
            return Streams(connection, self._plan.output_bytes, flood_limit(self._plan))
        from .docker_visit import TerminalStreams  # noqa: PLC0415 - only for a visitor

        return TerminalStreams(connection, self._lodging.engine, self._id)

    def _create(self, client: Any, body: dict[str, Any]) -> None:
        """In a thread, so that the id is known even if nobody waits for the answer any more."""
        self._id = client.create_container_from_config(body, self._name)["Id"]

    def _attach(self, client: Any) -> None:
        """In a thread too, so that the connection is closed even if nobody waits for it any more."""
        self._connection = attach(client, self._id)

    def _setting(self) -> Setting:
        return Setting(
            image=self._image,
            environment={**self._plan.environment, **identity(self._context)},
            labels=labels(self._context),
            init=self._lodging.facts.has_init,
            parent=self._parent,
        )

    async def _ask(self, work: Callable[[Any], T]) -> T:
        """Let the engine do something; a call that was begun is waited for, even by an attempt that was stopped."""
        self._call = asyncio.ensure_future(self._lodging.engine.do(work))
        self._call.add_done_callback(_heard)
        done: T = await asyncio.shield(self._call)
        return done

    async def _check_mounts(self, held: tuple[Held, ...]) -> None:
        state = (await self._inspect())["State"]
        wrong = misplaced(held, int(state.get("Pid") or 0)) if state.get("Pid") else ""
        if wrong:
            raise VolumeProblem(f"volume {wrong} was swapped while the container started; it was killed")

    # ---- while it runs ---------------------------------------------------------------------------------------------

    async def _watch(self, streams: Streams) -> None:
        """Return at the container's end, or at the first limit that the engine does not hold itself."""
        ends = {asyncio.create_task(self._ended()), asyncio.create_task(self._exceeded())}
        self._helpers.extend(ends)
        done, _ = await asyncio.wait({*ends, streams.flooded}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & ends:
            await task

    async def _ended(self) -> None:
        """Wait for the streams to end, which a container may close early, and then for the container."""
        assert self._listening is not None
        await self._listening
        pause = SHORTEST_LOOK
        while (await self._inspect())["State"].get("Running"):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)

    async def _exceeded(self) -> None:
        """Sample what cannot be read afterwards; return once CPU time or disk is used up."""
        pause = 0.05
        while True:
            await asyncio.sleep(pause)
            await self._look()
            if self._cpu_exceeded or self._disk_exceeded:
                return
            pause = min(pause * 2, LONGEST_LOOK)

    async def _look(self) -> None:
        resources = self._plan.resources
        if not self._parent or self._plan.network != "none":
            await self._take_sample()
        if resources.cpu_seconds is not None:
            self._cpu_exceeded = await self._cpu_seconds() > resources.cpu_seconds
        if not self._plan.read_only and resources.disk_mb is not None:
            self._disk_exceeded = await self._written() > resources.disk_mb * MIB

    async def _take_sample(self) -> None:
        answer = await self._lodging.engine.do(lambda client: client.stats(self._id, stream=False, one_shot=True))
        self._sample = self._sample.with_stats(answer)

    async def _cpu_seconds(self) -> float:
        if self._parent:
            return (await asyncio.to_thread(docker_usage.measured, self._parent)).cpu_seconds or 0.0
        return self._sample.cpu_seconds or 0.0

    async def _written(self) -> int:
        """Bytes in the container's own layer, where its root is writable: nothing but a look limits them."""
        which = {"id": self._id}
        found = await self._lodging.engine.do(lambda client: client.containers(all=True, size=True, filters=which))
        return sum(int(each.get("SizeRw") or 0) for each in found)

    async def _inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._lodging.engine.do(lambda client: client.inspect_container(self._id))
        return found

    # ---- the end ---------------------------------------------------------------------------------------------------

    async def _conclude(self, stop: StopReason | None, started: float) -> JobResult:
        await self._last_call()
        flooded = self._streams is not None and self._streams.flooded.done()
        ours = bool(stop or flooded or self._cpu_exceeded or self._disk_exceeded)
        if self._started and ours:
            await self._stop(gently=stop in (StopReason.TIMEOUT, StopReason.CANCELLED))
        measured = await asyncio.to_thread(docker_usage.measured, self._parent) if self._parent else None
        used = self._sample.usage(measured)
        state = await self._last_state(used, wait=not ours) if self._id else {}
        ending = Ending(
            exit_code=int(state["ExitCode"]) if self._started else None,
            stop=stop,
            flooded=flooded,
            cpu_exceeded=self._cpu_exceeded,
            confirmed_dead=not state.get("Running"),
            seconds=time.monotonic() - started,
            timeout_seconds=self._context.timeout_seconds,
            usage=with_oom(used, state, None if ours else self._plan.resources),
            disk_exceeded=self._disk_exceeded,
        )
        return self._result(ending)

    async def _last_state(self, used: GroupUsage | None, *, wait: bool) -> dict[str, Any]:
        """Return the container's state, waiting a moment for word of a kill for want of memory, which may come late."""
        deadline = time.monotonic() + (LATE_WORD if wait else 0.0)
        while True:
            state: dict[str, Any] = (await self._inspect())["State"]
            if not may_be_oom(state, used, self._plan.resources) or time.monotonic() > deadline:
                return state
            await asyncio.sleep(SHORTEST_LOOK * 4)

    def _result(self, ending: Ending) -> JobResult:
        source = "cgroup" if self._parent else "samples"
        used = usage(ending, self._sample, self._image, self._id, source)
        if self._streams is None:
            assert ending.stop is not None
            return JobResult(ending.stop.outcome(ending.timeout_seconds), used)
        redact, most = self._context.secrets.redact, self._plan.output_bytes
        said = Said.of(self._streams.stdout, self._streams.stderr, redact, most)
        found = outcome(self._plan, ending, said, self._streams.stdout.whole(most), redact)
        assert found is not None  # an attempt without an exit code was stopped, or raised
        return JobResult(found, used, said.logs())

    async def _stop(self, *, gently: bool) -> None:
        """End the container and everything in it: SIGTERM where it is asked to stop, SIGKILL after the grace."""
        assert self._listening is not None
        over = asyncio.create_task(self._ended())
        self._helpers.append(over)
        if gently:
            await self._signal("SIGTERM")
            await asyncio.wait({over}, timeout=GRACE)
        if not over.done():
            await self._signal("SIGKILL")
            await asyncio.wait({over}, timeout=LAST_WAIT)

    async def _signal(self, name: str) -> None:
        try:
            await self._lodging.engine.do(lambda client: client.kill(self._id, name))
        except EngineError as error:
            if error.status not in (404, 409):  # it has ended by itself
                raise

    async def _last_call(self) -> None:
        if self._call is not None and not self._call.done():
            await asyncio.wait({self._call})

    async def _clean(self) -> None:
        """Remove the container, and finish doing so even if this attempt is cancelled meanwhile."""
        removal = asyncio.create_task(self._remove())
        self._lodging.removals.add(removal)
        removal.add_done_callback(self._lodging.removals.discard)
        await asyncio.shield(removal)

    async def _remove(self) -> None:
        try:
            await self._last_call()
            await _cancelled([task for task in (self._listening, *self._helpers) if task is not None])
            if self._streams is not None:
                self._streams.close()
            elif self._connection is not None:
                self._connection.close()
            if self._id and self._lodging.visit.keep:
                await leave(self._lodging, self._id, self._name)
            elif self._id:
                # An engine that is gone keeps the container until the next sweep.
                with suppress(EngineError):
                    await remove(self._lodging.engine, self._id)
            if self._parent and not self._lodging.visit.keep:
                await asyncio.to_thread(docker_usage.remove, self._parent)
        finally:
            self._lodging.running.discard(self._name)


def _heard(call: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody may be waiting for any more."""
    if not call.cancelled():
        call.exception()


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have let go of the connection."""
    for task in tasks:
        task.add_done_callback(_heard)
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _measurable(facts: Facts) -> bool:
    """A parent group of our own works with the cgroupfs driver only, and must be ours to remove."""
    return facts.same_groups and facts.cgroup_driver == "cgroupfs" and "rootless" not in facts.options
