"""Container jobs on AWS Batch: submitted once, watched to their end, ended when asked, their log lines fetched.

What leaves this machine: the command, the environment, the input and the job's identity, to AWS's API. A worker that
dies or drains leaves its Batch job running; the next attempt finds it by its name and waits for it instead of
submitting again. A timeout and a cancellation have it terminated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

from ..core.contract import ExecutionContext, Failed, JobResult, StopReason
from ..core.job import Category, ExecutionType
from .aws_doors import Doors
from .aws_errand import Threads
from .capture import Kept
from .docker_batch_calls import Calls, NotDone, refused
from .docker_batch_definition import differences
from .docker_batch_outcome import FINAL, SUCCEEDED, exit_code, result, usage
from .docker_batch_plan import INPUT, BatchPlan
from .wire import Wire

#: Seconds between two looks at a job. Batch itself needs seconds to place one.
SHORTEST_LOOK, LONGEST_LOOK = 0.25, 15.0
#: Seconds until the log of a job that seems to have written nothing is looked at again.
LATE_LINES: Final = 1.0
#: Seconds in which a submission that was stopped half way may still say its job's id.
LATE_ANSWER: Final = 3.0
#: Seconds in which a terminated job is seen to end; Batch ends it in any case. The worker waits for 10 s in all.
LAST_LOOK: Final = 6.0
#: Tag of a job whose result a worker has fetched: a later attempt is not to be answered with it.
COLLECTED: Final = "specql-jobs-collected"


class Batch:
    """AWS Batch as an engine: threads, clients, and definitions that were looked at."""

    def __init__(self) -> None:
        self._threads = Threads()
        self._doors = Doors()
        self._wire: Wire | None = None
        self._http: Any = None
        self._definitions: dict[tuple[object, ...], Mapping[str, Any]] = {}

    async def run(self, plan: BatchPlan, context: ExecutionContext) -> JobResult:
        """Return the result of one Batch job, within the deadline; raise Denied where a secret is missing."""
        values = {ref: await asyncio.to_thread(context.secrets.resolve, ref) for ref in plan.spec.access.secrets}
        external = plan.spec.access.external_id
        calls = Calls(plan, context, self._sender(), self._doors, self._threads, values[external] if external else "")
        attempt = BatchAttempt(calls, self._definitions)
        found = await context.stop.race(attempt.run(), context.timeout_seconds)
        if not isinstance(found, StopReason):
            return _redacted(found, context)
        used = await attempt.stop(found)
        return JobResult(found.outcome(context.timeout_seconds), used)

    def _sender(self) -> Wire:
        if self._wire is None:
            from . import RunnerRegistry  # noqa: PLC0415 - the registry imports this module

            self._http = RunnerRegistry().runner(ExecutionType.HTTP)
            self._wire = cast("Wire", self._http)
        return self._wire

    async def aclose(self) -> None:
        """Let the threads go and close every connection."""
        self._threads.close()
        if self._http is not None:
            await self._http.aclose()


class BatchAttempt:
    """One attempt. `run` is called once; `stop` afterwards, where `run` was cut short."""

    def __init__(self, calls: Calls, definitions: dict[tuple[object, ...], Mapping[str, Any]]) -> None:
        self._calls = calls
        self._plan = calls.plan
        self._definitions = definitions
        self._key = (*calls.plan.spec.place.rights, calls.plan.definition)
        self._submission: asyncio.Future[str] | None = None
        self._job_id = ""
        self._job: Mapping[str, Any] = {}

    async def run(self) -> JobResult:
        """Return what came of the job that an earlier attempt submitted, or of a new one."""
        try:
            definition = await self._definition()
            context = self._calls.context
            if context.attempt > 1 or context.lease_seq > 1:
                self._job_id = await self._adopted(definition)
            if not self._job_id:
                self._job_id = await self._submitted(definition)
            return await self._collected(await self._ended())
        except NotDone as broken:
            self._definitions.pop(self._key, None)  # it may have been deregistered since it was looked at
            return JobResult(broken.outcome, usage(self._plan, self._job) if self._job else {})

    # ---- which definition --------------------------------------------------------------------------------------------

    async def _definition(self) -> str:
        """Return the ARN of the definition, with its revision, once it was seen to be what the plan says."""
        plan = self._plan
        found = self._definitions.get(self._key) or await self._found()
        beyond = differences(plan, found)
        if beyond:
            raise refused(beyond)
        if plan.registers is not None or ":" in plan.definition.rpartition("/")[2]:
            self._definitions[self._key] = found  # a revision never changes; which one is the newest does
        return str(found["jobDefinitionArn"])

    async def _found(self) -> Mapping[str, Any]:
        plan = self._plan
        found = await self._calls.definition(plan.definition)
        if found is None and plan.registers is not None:
            await self._calls.register(plan.definition, plan.registers)
            found = await self._calls.definition(plan.definition)
        if found is None:
            raise NotDone(_missing(plan))
        return found

    # ---- an earlier attempt's job ------------------------------------------------------------------------------------

    async def _adopted(self, definition: str) -> str:
        """Return the id of an earlier attempt's job that is the same and not collected; end those that differ."""
        for listed in await self._calls.listed(f"{self._plan.family}*"):
            if listed["status"] == "FAILED":
                continue
            job = await self._calls.job(str(listed["jobId"]))
            if self._is_same(job, definition) and COLLECTED not in (job.get("tags") or {}):
                return str(job["jobId"])
            if job["status"] not in FINAL:
                await self._calls.terminate(str(job["jobId"]), "specql-jobs: the job is submitted anew, and differs")
        return ""

    def _is_same(self, job: Mapping[str, Any], definition: str) -> bool:
        """Whether a job does what this attempt would ask for, but for lease and attempt."""
        container = job.get("container") or {}
        said = {each["name"]: each["value"] for each in container.get("environment") or ()}
        wanted = {name: value for name, value in self._plan.environment if not name.startswith("SPECQL_JOB_")}
        wanted[INPUT] = dict(self._plan.environment)[INPUT]
        same = job.get("jobDefinition") == definition and all(said.get(name) == wanted[name] for name in wanted)
        command = self._plan.inner.command
        return same and (command is None or list(command) == list(container.get("command") or ()))

    async def _submitted(self, definition: str) -> str:
        """Submit; a request that was begun is waited for even by an attempt that was stopped."""
        self._submission = asyncio.ensure_future(self._calls.submit(definition))
        return await asyncio.shield(self._submission)

    # ---- its end -----------------------------------------------------------------------------------------------------

    async def _ended(self) -> Mapping[str, Any]:
        """Look at the job, ever more rarely, until it has ended; what passes by itself is waited for."""
        pause = SHORTEST_LOOK
        while True:
            self._job = await self._calls.patiently(lambda: self._calls.job(self._job_id))
            if self._job["status"] in FINAL:
                return self._job
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)

    async def _collected(self, job: Mapping[str, Any]) -> JobResult:
        log = await self._log(job)
        code = exit_code(job)
        if code is None and job["status"] != SUCCEEDED:
            code = await self._listed_code(job)
        made = result(self._plan, job, code, log, self._calls.context.secrets.redact)
        if job["status"] == SUCCEEDED:
            with suppress(NotDone):  # the result is here; without the tag a retry by hand might be answered with it
                await self._calls.tag(str(job["jobArn"]), {COLLECTED: str(self._calls.context.lease_seq)})
        return made

    async def _listed_code(self, job: Mapping[str, Any]) -> int | None:
        """Some services say the exit code only in the list of a queue's jobs."""
        listed = await self._calls.patiently(lambda: self._calls.listed(str(job["jobName"])))
        return next((exit_code(each) for each in listed if each["jobId"] == job["jobId"]), None)

    async def _log(self, job: Mapping[str, Any]) -> Kept:
        """Return the job's lines; of a job that never started there are none."""
        log = Kept(self._plan.inner.output_bytes)
        stream = str((job.get("container") or {}).get("logStreamName") or "")
        for pause in (LATE_LINES, 0.0):
            try:
                if stream:
                    await self._calls.log(stream, log, self._plan.inner.output_bytes)
            except NotDone as broken:
                if broken.code != "ResourceNotFoundException":  # nothing was written yet, or ever
                    raise
            if log.total or not stream:
                break
            await asyncio.sleep(pause)
        return log

    # ---- stopping ----------------------------------------------------------------------------------------------------

    async def stop(self, reason: StopReason) -> dict[str, Any]:
        """End the job unless another worker is to go on with it; return what it has used."""
        if self._submission is not None and not self._job_id:
            await asyncio.wait({self._submission}, timeout=LATE_ANSWER)
            self._job_id = _late_id(self._submission)
        if self._job_id and reason is not StopReason.INTERRUPTED:
            await self._terminated(reason)
        return usage(self._plan, self._job) if self._job else {}

    async def _terminated(self, reason: StopReason) -> None:
        """Batch ends the job by itself at its own duration should it not hear this."""
        with suppress(NotDone, TimeoutError):
            async with asyncio.timeout(LAST_LOOK):
                await self._calls.terminate(self._job_id, f"specql-jobs: {reason.value}")
                await self._ended()


def _late_id(submission: asyncio.Future[str]) -> str:
    """Return the id that a submission brought, "" where it was refused or is given up."""
    if not submission.done():
        submission.cancel()
        return ""
    return "" if submission.exception() else submission.result()


def _missing(plan: BatchPlan) -> Failed:
    return Failed(Category.INFRASTRUCTURE, f"AWS Batch in {plan.spec.region} has no job definition {plan.definition}")


def _redacted(found: JobResult, context: ExecutionContext) -> JobResult:
    if isinstance(found.outcome, Failed):
        message = context.secrets.redact(found.outcome.message)
        return replace(found, outcome=replace(found.outcome, message=message))
    return found
