"""AWS Batch and CloudWatch Logs as one job's attempt asks them: each call over the judged transport, or NotDone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from ..core.contract import ExecutionContext, Failed, Outcome, Refused
from ..core.job import Category
from .answers import one_line
from .aws_doors import Doors, NoAws
from .aws_errand import Errand, Threads
from .aws_refusals import not_here, refusal
from .capture import Kept
from .docker_batch_plan import BatchPlan
from .service_settings import endpoint
from .wire import Wire, WireBroken

T = TypeVar("T")

#: Bytes of one answer: a page of log events is 1 MiB of text, and JSON may write a byte as six.
LARGEST_ANSWER: Final = 8 * 1024 * 1024
#: Pages of log events that are read at most; more than any max_output_bytes fills.
MOST_PAGES: Final = 64
#: Seconds between two tries of a question that AWS was too busy to answer.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
EXCERPT: Final = 300  # characters of AWS's own words
#: Earlier attempts of one job that are looked at.
MOST_EARLIER: Final = 100


class NotDone(Exception):
    """A call was not answered as hoped; `outcome` says what that means for the job."""

    def __init__(self, outcome: Outcome, code: str = "") -> None:
        """`code` is AWS's word for it, where it answered."""
        super().__init__(type(outcome).__name__)
        self.outcome = outcome
        self.code = code

    @property
    def passing(self) -> bool:
        """Whether the same call may well be answered a little later."""
        return isinstance(self.outcome, Failed) and self.outcome.retryable


@dataclass(frozen=True, slots=True)
class Calls:
    """What one attempt may ask of AWS."""

    plan: BatchPlan
    context: ExecutionContext
    wire: Wire
    doors: Doors
    threads: Threads
    external_id: str

    async def ask(self, what: str, work: Callable[[Any], T], api: str = "batch") -> T:
        """Return what `work` returns of that API's client; raise NotDone. `what` is what AWS would not have done."""
        secrets: list[str] = []

        def errand() -> T:
            door = self.doors.door(api, self.plan.spec.place, self.external_id)
            secrets.extend(door.secrets())
            return work(door.client)

        try:
            return await self.threads.run(self._errand(), errand)
        except Exception as error:  # noqa: BLE001 - sorted out by type; a bug is raised again
            raise self._not_done(error, what) from None
        finally:
            for value in secrets:
                self.context.secrets.protect(value)

    def _errand(self) -> Errand:
        spec = self.plan.spec
        host = endpoint(spec.endpoint_url).host if spec.endpoint_url else ""
        return Errand(self.wire, self.context.judge, spec.service, LARGEST_ANSWER, host)

    def _not_done(self, error: Exception, what: str) -> Exception:
        """Return NotDone for an error of AWS's or the network's; a bug is returned as it is."""
        if isinstance(error, NoAws):
            return NotDone(not_here(error))
        if isinstance(error, WireBroken):
            return NotDone(error.outcome)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - botocore is there by now

        if isinstance(error, ClientError):
            return self._refused(error.response, what)
        if isinstance(error, BotoCoreError):  # its texts may quote what was sent
            return NotDone(Failed(Category.INFRASTRUCTURE, f"boto3 cannot {what}: {type(error).__name__}"))
        return error

    def _refused(self, response: Mapping[str, Any], what: str) -> NotDone:
        failed, said = refusal(response, f"AWS Batch did not {what}"), response.get("Error", {})
        if failed.category is Category.INFRASTRUCTURE and failed.retryable:
            self.doors.forget(self.plan.spec.place)
        code = str(said.get("Code") or "")
        if code == "ClientException":  # says which queue or definition; other texts may quote what was sent
            failed = replace(failed, message=f"{failed.message}: {one_line(str(said.get('Message') or ''))[:EXCERPT]}")
        return NotDone(failed, code)

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask` brings, however often it takes; raise NotDone for what does not pass by itself.

        Only for questions, and only under a deadline.
        """
        pause = SHORTEST_PAUSE
        while True:
            try:
                return await ask()
            except NotDone as broken:
                if not broken.passing:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    # ---- jobs --------------------------------------------------------------------------------------------------------

    async def submit(self, definition: str) -> str:
        """Return the id of the new job."""
        asked = self.plan.submission(definition)
        return str((await self.ask("submit the job", lambda client: client.submit_job(**asked)))["jobId"])

    async def job(self, job_id: str) -> Mapping[str, Any]:
        """Return the job as it is now; raise NotDone if Batch knows it no more."""
        found = (await self.ask("show the job", lambda client: client.describe_jobs(jobs=[job_id])))["jobs"]
        if not found:
            gone = Failed(Category.INFRASTRUCTURE, f"AWS Batch does not know its job {job_id} any more")
            raise NotDone(gone)
        job: Mapping[str, Any] = found[0]
        return job

    async def listed(self, name: str) -> list[Mapping[str, Any]]:
        """Return the queue's jobs whose name is, or (with a `*`) begins so, the newest first."""
        asked = {"jobQueue": self.plan.spec.job_queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}
        answer = await self.ask(
            "list the queue's jobs", lambda client: client.list_jobs(**asked, maxResults=MOST_EARLIER)
        )
        return sorted(answer["jobSummaryList"], key=lambda each: int(each.get("createdAt") or 0), reverse=True)

    async def terminate(self, job_id: str, reason: str) -> None:
        """Have a job ended, wherever it is on its way; one that has ended already stays as it is."""
        await self.ask("end the job", lambda client: client.terminate_job(jobId=job_id, reason=reason))

    async def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a job."""
        await self.ask("tag the job", lambda client: client.tag_resource(resourceArn=arn, tags=dict(tags)))

    # ---- definitions -------------------------------------------------------------------------------------------------

    async def definition(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest active revision of a definition, or the one that is named; None if there is none."""
        by_arn = name.startswith("arn:") or ":" in name
        asked = {"jobDefinitions": [name]} if by_arn else {"jobDefinitionName": name, "status": "ACTIVE"}
        found = await self.ask("show the job definition", lambda client: client.describe_job_definitions(**asked))
        active = [each for each in found["jobDefinitions"] if each.get("status", "ACTIVE") == "ACTIVE"]
        return max(active, key=lambda each: int(each["revision"]), default=None)

    async def register(self, name: str, made: Mapping[str, Any]) -> None:
        """Register a definition of one container."""
        asked = {"jobDefinitionName": name, "type": "container", "containerProperties": dict(made)}
        await self.ask("register the job definition", lambda client: client.register_job_definition(**asked))

    # ---- logs --------------------------------------------------------------------------------------------------------

    async def log(self, stream: str, into: Kept, most: int) -> None:
        """Read a stream of log lines into `into`, until its end or until there were more than `most` bytes."""
        token: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            answer = await self._page(stream, token)
            for event in answer["events"]:
                into.store(f"{event['message']}\n".encode("utf-8", "replace"))
            following = {"nextToken": str(answer.get("nextForwardToken") or "")}
            if following == token or not following["nextToken"] or into.total > most:
                return
            token = following

    async def _page(self, stream: str, token: Mapping[str, str]) -> Mapping[str, Any]:
        asked = {"logGroupName": self.plan.spec.log_group, "logStreamName": stream, "startFromHead": True, **token}
        return await self.patiently(
            lambda: self.ask("read the log", lambda client: client.get_log_events(**asked), "logs")
        )


def refused(found: tuple[Any, ...]) -> NotDone:
    """Return what ends an attempt that policy refuses half way."""
    return NotDone(Refused(found))
