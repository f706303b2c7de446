"""Results of Event invocations, out of the SQS queue to which the function's destinations send them.

A record finds its job by the mark in the payload that it repeats. A handed-over record stays in the queue, invisible,
until its job is surely settled: a worker that dies in between leaves it to the next attempt, which looks for it before
it invokes anything. Records of other workers' jobs are put back, ever longer while nobody wants them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from ..core.contract import Failed, JobResult, Outcome, Succeeded, parse_function
from ..core.job import Category
from .answers import AnswerInvalid, one_line, parse_json, scrubbed
from .aws_errand import Errand, Threads
from .serverless_aws_outcome import Tally, of_error, of_function_error
from .serverless_aws_plan import MARK, AwsPlan

#: Seconds that SQS waits for a message; a longer poll saves requests, and nothing else.
POLL: Final = 5
#: Seconds until a handed-over record is deleted, by when its job is settled; and for how long it is invisible.
SETTLED_AFTER: Final = 5.0
INVISIBLE: Final = 15
#: Seconds that a further attempt looks for the result of an earlier one: longer than such a record is invisible.
LOOK_BACK: Final = 17.0
LONGEST_PUT_BACK: Final = 300
#: Failures in a row, a second apart, after which the jobs that wait are told.
MOST_FAILURES: Final = 3

Client = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One destination record, as Lambda writes it (Lambda guide, "Capturing records of asynchronous invocations")."""

    key: str
    function: str
    condition: str
    error: str
    said: Any

    def result(self, plan: AwsPlan, tally: Tally, clean: Callable[[str], str]) -> JobResult:
        """Return what it means for its job."""
        tally.invoked = True
        return JobResult(self._outcome(plan, clean), tally.usage(plan))

    def _outcome(self, plan: AwsPlan, clean: Callable[[str], str]) -> Outcome:
        said = scrubbed(self.said, clean)
        if self.condition == "Success" and not self.error:
            return Succeeded(said)
        if self.condition == "EventAgeExceeded":
            message = f"{plan.spec.function} was not free before the event was too old"
            return Failed(Category.TARGET_UNAVAILABLE, message, retryable=True)
        return of_function_error(plan, self.error or "Unhandled", said)


def read_record(body: str) -> Record | None:
    """Return the record in a message, None for anything else: whoever may write to the queue may send anything."""
    try:
        found = parse_json(body.encode("utf-8", "surrogatepass"))
        request, payload = found["requestContext"], found["requestPayload"]
        response = found.get("responseContext") or {}
        key, arn, condition = payload[MARK]["job_id"], request["functionArn"], request["condition"]
        error = response.get("functionError") or ""
    except (AnswerInvalid, KeyError, TypeError, AttributeError):
        return None
    if not all(isinstance(text, str) for text in (key, arn, condition, error)):
        return None
    return Record(key, arn, one_line(condition), one_line(error), found.get("responsePayload"))


def is_of(record: Record, plan: AwsPlan) -> bool:
    """Whether the record is of the plan's function: another one's records may stand in the same queue."""
    there, ours = parse_function(record.function), plan.spec.function
    if there is None or there.name != ours.name:
        return False
    return ours.account in ("", there.account) and plan.spec.region in (there.region, "")


class Waiter:
    """One job that waits for its record."""

    def __init__(self, plan: AwsPlan) -> None:
        self.plan = plan
        self.found: asyncio.Future[Record] = asyncio.get_running_loop().create_future()

    async def within(self, seconds: float | None) -> Record | None:
        """Return the record if it comes within `seconds` (None: however long); raise what makes it impossible."""
        if seconds == 0:
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.found)
        return None


class Collector:
    """Polls one queue while jobs of this process wait for records in it."""

    def __init__(self, queue: str, threads: Threads) -> None:
        self._queue = queue
        self._threads = threads
        self._waiters: dict[str, Waiter] = {}
        self._settling: list[tuple[float, str]] = []  # monotonic time, receipt handle
        self._errand: Callable[[], Errand] | None = None
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def waiting(self, plan: AwsPlan, errand: Callable[[], Errand], client: Client) -> Iterator[Waiter]:
        """While inside, records of the plan's job are handed to the waiter."""
        waiter = self._waiters[plan.key] = Waiter(plan)
        self._errand, self._client = errand, client
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            yield waiter
        finally:
            if self._waiters.get(plan.key) is waiter:
                del self._waiters[plan.key]
            waiter.found.cancel()

    async def aclose(self) -> None:
        """Stop polling and delete what was handed over: its jobs are settled by now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._settling = [(0.0, receipt) for _, receipt in self._settling]
        with suppress(Exception):  # the records stay, and come back to nobody
            async with asyncio.timeout(POLL):
                await self._delete_settled()

    async def _poll(self) -> None:
        failures = 0
        while self._waiters or self._settling:
            try:
                await self._round()
                failures = 0
            except Exception as error:  # noqa: BLE001 - told to every job that waits, which sorts it out
                failures += 1
                if failures >= MOST_FAILURES:
                    self._tell(error)
                await asyncio.sleep(1.0)

    async def _round(self) -> None:
        if self._waiters:
            await self._receive()
        else:
            await asyncio.sleep(0.5)
        await self._delete_settled()

    async def _receive(self) -> None:
        asked = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": POLL}
        wanted = {"MessageSystemAttributeNames": ["ApproximateReceiveCount"]}
        answer = await self._ask("receive_message", **asked, **wanted)
        entries = [self._hand_over(message) for message in answer.get("Messages", ())]
        if entries:
            numbered = [{"Id": str(number), **entry} for number, entry in enumerate(entries)]
            await self._ask("change_message_visibility_batch", Entries=numbered)

    def _hand_over(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Give a record to its job, if that waits here; return for how long the message is to be invisible."""
        receipt = str(message["ReceiptHandle"])
        record = read_record(str(message.get("Body") or ""))
        waiter = self._waiters.get(record.key) if record else None
        if record is None or waiter is None or waiter.found.done() or not is_of(record, waiter.plan):
            count = int(message.get("Attributes", {}).get("ApproximateReceiveCount") or 1)
            return {"ReceiptHandle": receipt, "VisibilityTimeout": min(2 ** min(count - 1, 16), LONGEST_PUT_BACK)}
        waiter.found.set_result(record)
        self._settling.append((time.monotonic() + SETTLED_AFTER, receipt))
        return {"ReceiptHandle": receipt, "VisibilityTimeout": INVISIBLE}

    async def _delete_settled(self) -> None:
        now = time.monotonic()
        due = [receipt for at, receipt in self._settling if at <= now][:10]
        if due:
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(due)]
            await self._ask("delete_message_batch", Entries=entries)
            self._settling = [item for item in self._settling if item[1] not in due]

    async def _ask(self, verb: str, **parameters: Any) -> dict[str, Any]:
        client, errand = self._client, self._errand
        assert client is not None
        assert errand is not None

        def work() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(client(), verb)(QueueUrl=self._queue, **parameters)
            return answer

        return await self._threads.run(errand(), work)

    def _tell(self, error: Exception) -> None:
        for waiter in self._waiters.values():
            if not waiter.found.done():
                waiter.found.set_exception(error)
                waiter.found.exception()  # a waiter that has just left reads it no more


def unreachable(plan: AwsPlan, error: Exception, tally: Tally) -> Outcome:
    """Return the failure of a job whose queue of results cannot be read; its event may be under way."""
    outcome = of_error(plan, error, tally)
    if isinstance(outcome, Failed):
        return Failed(outcome.category, f"the result_queue cannot be read: {outcome.message}", outcome.retryable)
    return outcome
