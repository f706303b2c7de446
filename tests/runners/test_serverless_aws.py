"""Lambda jobs: functions that AWS's own runtime client executes, and a far end that misbehaves as the real one may."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.builders import JOB_ID, make_call
from support.http_target import HttpTarget, reply, reset, silence
from support.lambda_host import ACCOUNT, REGION, LambdaHost, arn
from support.moto_server import make_queue, moto, waiting_in
from support.serverless_calls import ENVIRONMENT, GRANTED, SECRET, aws_service, failure, perform
from support.waiting import until

from specql_jobs.core.contract import Cancelled, StopReason, StopSignal, Succeeded
from specql_jobs.core.job import Category
from specql_jobs.runners.serverless import ServerlessRunner
from specql_jobs.runners.serverless_aws_plan import AwsPlan
from specql_jobs.runners.serverless_config import LAMBDA_GB_SECOND, LAMBDA_INVOCATION

HANDLERS = "support.lambda_functions"
INVOKE = "/2015-03-31/functions/echo/invocations"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has in its environment, and nothing else of AWS's."""
    for name, value in {**ENVIRONMENT, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def deployed(*names: str, destination: str = "") -> AsyncIterator[LambdaHost]:
    """Yield a host with those functions of support/lambda_functions.py."""
    async with LambdaHost() as host:
        for name in names:
            host.function(name, f"{HANDLERS}.{name}", destination)
        yield host


# ---- what is sent and what comes back -------------------------------------------------------------------------------


async def test_a_function_is_executed_with_the_input_and_its_answer_is_the_output() -> None:
    """Without a mapping the whole input is the payload; with one, the template, absent fields left out."""
    async with deployed("echo") as host:
        service = aws_service(host.url)
        whole = await perform(service, {"image": "é", "n": 3})
        payload = {"url": "{image}", "size": {"w": "{n}"}, "gone": "{absent}"}
        mapped = await perform(service, {"image": "a", "n": 3}, mapping={"payload": payload})
        inner = await perform(service, {"payload": [1, {"a": None}]})
    assert whole.outcome == Succeeded({"image": "é", "n": 3})
    assert mapped.outcome == Succeeded({"url": "a", "size": {"w": 3}})
    assert inner.outcome == Succeeded([1, {"a": None}])


async def test_identity_lease_and_environment_travel_in_the_client_context() -> None:
    """The function can tell a repetition and an overtaken worker, and reads the service's environment."""
    async with deployed("context") as host:
        service = aws_service(host.url, "context", environment={"BUCKET_NAME": "images", "FAST": True})
        result = await perform(service, idempotency_key="order-7", lease_seq=41, attempt=2, correlation_id="c 1")
    assert isinstance(result.outcome, Succeeded)
    assert result.outcome.output["env"] == {"BUCKET_NAME": "images", "FAST": "true"}
    assert result.outcome.output["custom"] == {
        "specql_job_id": str(JOB_ID),
        "specql_lease": 41,
        "specql_attempt": 2,
        "specql_correlation_id": "c 1",
        "idempotency_key": "order-7",
    }


async def test_log_tail_report_and_cost_are_kept() -> None:
    """The log is the function's own, the numbers the platform's last report, the cost their product."""
    async with deployed("talk") as host:
        result = await perform(aws_service(host.url, "talk"), {"name": "a picture"})
    assert result.outcome == Succeeded("said")
    (chunk,) = result.logs
    assert "working on a picture" in chunk.text
    assert SECRET not in chunk.text
    usage = result.usage
    assert (usage["memory_mb"], usage["status_code"]) == (128, 200)
    assert usage["billed_ms"] > 0
    assert usage["peak_memory_mb"] > 1
    cost = usage["billed_ms"] / 1000 * 128 / 1024 * LAMBDA_GB_SECOND + LAMBDA_INVOCATION
    assert usage["cost_usd"] == pytest.approx(cost, rel=1e-6)


async def test_a_price_of_the_registry_replaces_ours() -> None:
    """Another region or processor costs what the registry says."""
    async with deployed("echo") as host:
        service = aws_service(host.url, price_per_gb_second=0, price_per_invocation=0.25)
        result = await perform(service)
    assert result.usage["cost_usd"] == 0.25


async def test_an_exception_of_the_function_is_a_target_error_with_its_words() -> None:
    """FunctionError Unhandled: the attempt failed, another may not."""
    async with deployed("fail") as host:
        result = await perform(aws_service(host.url, "fail"), {"message": "no such image"})
    failed = failure(result)
    assert (failed.category, failed.retryable) == (Category.TARGET_ERROR, True)
    assert failed.message == "the function fail:$LATEST failed: ValueError: no such image"
    assert failed.output["errorType"] == "ValueError"
    assert result.usage["billed_ms"] > 0


@pytest.mark.parametrize("spelling", ["echo", "echo:$LATEST", f"{ACCOUNT}:function:echo", arn("echo")])
async def test_every_spelling_reaches_the_function_and_is_sent_in_one_form(spelling: str) -> None:
    """What is sent is made of the parts that were judged: a name, or a whole ARN."""
    async with deployed("echo") as host:
        result = await perform(aws_service(host.url, spelling), {"a": 1})
        (seen,) = host.front.requests
    assert result.outcome == Succeeded({"a": 1})
    sent = arn("echo").replace(":", "%3A") if ACCOUNT in spelling else "echo"
    assert seen.target == f"/2015-03-31/functions/{sent}/invocations"


async def test_a_qualifier_is_sent_as_such() -> None:
    """A version or alias travels beside the name, wherever it was written."""
    async with HttpTarget() as target:
        await perform(aws_service(target.url, "echo:prod"))
        await perform(aws_service(target.url, qualifier="7"))
    assert [seen.target for seen in target.requests] == [f"{INVOKE}?Qualifier=prod", f"{INVOKE}?Qualifier=7"]


# ---- faults of the far end ------------------------------------------------------------------------------------------


def api_error(status: int, code: str, **headers: str) -> Any:
    """Return an error as the API writes it."""
    body = {"Type": "User", "Message": "words that may quote the request", "message": "the same"}
    return reply(status, body, x_amzn_errortype=f"{code}:http://internal", **headers)


@pytest.mark.parametrize(
    ("status", "code", "category", "retryable"),
    [
        (429, "TooManyRequestsException", Category.TARGET_UNAVAILABLE, True),
        (500, "ServiceException", Category.TARGET_UNAVAILABLE, True),
        (502, "ENILimitReachedException", Category.TARGET_UNAVAILABLE, True),
        (409, "ResourceConflictException", Category.TARGET_UNAVAILABLE, True),
        (403, "ExpiredTokenException", Category.INFRASTRUCTURE, True),
        (403, "AccessDeniedException", Category.INFRASTRUCTURE, False),
        (404, "ResourceNotFoundException", Category.TARGET_ERROR, False),
        (413, "RequestTooLargeException", Category.INVALID_INPUT, False),
        (400, "InvalidRequestContentException", Category.INVALID_INPUT, False),
        (400, "InvalidParameterValueException", Category.TARGET_ERROR, False),
    ],
)
async def test_an_error_of_the_api_is_one_request_with_a_meaning(
    status: int, code: str, category: Category, retryable: bool
) -> None:
    """boto3 repeats nothing by itself, the category says whose fault it is, and nothing was billed."""
    async with HttpTarget() as target:
        target.script(INVOKE, api_error(status, code))
        result = await perform(aws_service(target.url))
    failed = failure(result)
    assert (failed.category, failed.retryable) == (category, retryable), failed
    assert code in failed.message
    assert "quote" not in failed.message
    assert (len(target.requests), result.usage["cost_usd"], result.usage["status_code"]) == (1, 0.0, status)


async def test_throttling_passes_on_when_to_come_back() -> None:
    """Retry-After becomes the wait before the next attempt."""
    async with HttpTarget() as target:
        target.script(INVOKE, api_error(429, "TooManyRequestsException", retry_after="7"))
        assert failure(await perform(aws_service(target.url))).retry_after == 7


async def test_a_broken_connection_may_have_been_an_invocation() -> None:
    """What was sent and never answered is worth another attempt, and is counted as billed."""
    async with HttpTarget() as target:
        target.script(INVOKE, reset)
        result = await perform(aws_service(target.url))
    failed = failure(result)
    assert (failed.category, failed.retryable) == (Category.TARGET_UNAVAILABLE, True)
    assert result.usage["cost_usd"] > 0


async def test_nobody_there_costs_nothing() -> None:
    """A refused connection is no invocation."""
    async with HttpTarget() as target:
        url = target.url
    result = await perform(aws_service(url))
    assert failure(result).category is Category.TARGET_UNAVAILABLE
    assert result.usage["cost_usd"] == 0.0


@pytest.mark.parametrize("reason", [StopReason.TIMEOUT, StopReason.CANCELLED])
async def test_a_stop_closes_the_connection_and_frees_the_thread(reason: StopReason) -> None:
    """At its deadline or when cancelled, the job ends at once and the far end sees the connection close."""
    async with HttpTarget() as target:
        target.script(INVOKE, reply(200, {}), silence)
        runner, stop = ServerlessRunner(), StopSignal()
        await perform(aws_service(target.url), runner=runner)  # the client is there before the deadline is running
        seconds = 2.0 if reason is StopReason.TIMEOUT else 30.0
        work = asyncio.create_task(perform(aws_service(target.url), runner=runner, stop=stop, seconds=seconds))
        await target.asked(2)
        if reason is StopReason.CANCELLED:
            stop.request(reason)
        result = await work
        await target.hung_up()
        target.script(INVOKE, reply(200, {"ok": 1}))
        again = await perform(aws_service(target.url), runner=runner)
        await runner.aclose()
    wanted = Cancelled() if reason is StopReason.CANCELLED else failure(result)
    assert result.outcome == wanted
    assert again.outcome == Succeeded({"ok": 1})
    assert result.usage["cost_usd"] > 0


@pytest.mark.parametrize(
    ("kind", "said", "category", "retryable"),
    [
        ("Handled", {"errorMessage": "no", "errorType": "Refusal"}, Category.TARGET_ERROR, False),
        ("Unhandled", {"errorMessage": "boom", "errorType": "Error"}, Category.TARGET_ERROR, True),
        ("Unhandled", {"errorMessage": "2026 x Task timed out after 3.00 seconds"}, Category.TIMEOUT, True),
        ("Unhandled", {"errorType": "Sandbox.Timedout", "errorMessage": "…"}, Category.TIMEOUT, True),
        ("Unhandled", {"errorType": "Runtime.OutOfMemory", "errorMessage": "x"}, Category.RESOURCE_EXHAUSTED, True),
        ("Unhandled", {"errorMessage": "Runtime exited with error: signal: killed"}, Category.RESOURCE_EXHAUSTED, True),
        ("Unhandled", None, Category.TARGET_ERROR, True),
    ],
)
async def test_a_function_error_is_told_by_its_header_not_by_the_status(
    kind: str, said: Any, category: Category, retryable: bool
) -> None:
    """HTTP 200 with X-Amz-Function-Error is a failure; what it says decides the category."""
    async with HttpTarget() as target:
        target.script(INVOKE, reply(200, said, x_amz_function_error=kind))
        failed = failure(await perform(aws_service(target.url)))
    assert (failed.category, failed.retryable, failed.output) == (category, retryable, said)


async def test_without_a_report_time_and_cost_are_estimated() -> None:
    """A tail that is missing, or no base64, costs the wall time of the memory that the registry states."""
    async with HttpTarget() as target:
        target.script(INVOKE, reply(200, 1, x_amz_log_result="%%%"))
        result = await perform(aws_service(target.url, memory_mb=256))
    assert result.outcome == Succeeded(1)
    assert result.usage["billed_ms"] > 0
    cost = result.usage["billed_ms"] / 1000 * 256 / 1024 * LAMBDA_GB_SECOND + LAMBDA_INVOCATION
    assert result.usage["cost_usd"] == pytest.approx(cost, rel=1e-6)


async def test_a_report_on_another_request_does_not_count() -> None:
    """Only the report with the answer's own request id is believed."""
    report = "Duration: 1 ms\tBilled Duration: 900000 ms\tMemory Size: 1 MB\tMax Memory Used: 1 MB"
    tail = base64.b64encode(f"REPORT RequestId: other\t{report}\n".encode()).decode()
    async with HttpTarget() as target:
        target.script(INVOKE, reply(200, 1, x_amz_log_result=tail, x_amzn_requestid="mine"))
        result = await perform(aws_service(target.url, memory_mb=128))
    assert result.usage["billed_ms"] < 900_000


# ---- rights ---------------------------------------------------------------------------------------------------------


async def test_a_role_is_assumed_once_and_narrowed_to_the_function() -> None:
    """STS is asked once for many jobs, with the external id, for 15 minutes, for this function alone."""
    auth = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs", "external_id_env_var": "EXTERNAL_ID"}
    async with HttpTarget() as target:
        target.script("/", reply(200, GRANTED, content_type="text/xml"))
        target.script(INVOKE, reply(200, 1))
        runner = ServerlessRunner()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EXTERNAL_ID", "their-own-id")
            for _ in range(3):
                assert (await perform(aws_service(target.url, auth_config=auth), runner=runner)).outcome == Succeeded(1)
        await runner.aclose()
    asked, *invoked = target.requests
    form = dict(item.split("=", 1) for item in asked.body.decode().split("&"))
    assert (form["Action"], form["ExternalId"], form["DurationSeconds"]) == ("AssumeRole", "their-own-id", "900")
    assert "function%3Aecho" in form["Policy"]
    assert "s3" not in form["Policy"]
    assert len(invoked) == 3
    assert all(seen.header("x-amz-security-token") == "role-token-0123456789" for seen in invoked)


async def test_an_answer_that_is_none_of_awss_is_a_failure() -> None:
    """What stands before STS may answer what boto3 cannot read: the attempt failed, and nothing was invoked."""
    auth = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs"}
    async with HttpTarget() as target:
        target.script("/", reply(403, "no entry"))
        failed = failure(await perform(aws_service(target.url, auth_config=auth)))
    assert (failed.category, failed.retryable) == (Category.INFRASTRUCTURE, False)
    assert "ResponseParserError" in failed.message
    assert len(target.requests) == 1


async def test_a_role_is_asked_for_again_before_its_session_ends() -> None:
    """Credentials in their last minute are replaced; stale ones that AWS refuses are dropped for the next attempt."""
    with moto() as url:
        auth = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs"}
        async with deployed("echo") as host:
            host.forward(url)
            runner = ServerlessRunner()
            service = aws_service(host.url, auth_config=auth)
            assert (await perform(service, runner=runner)).outcome == Succeeded({})
            host.front.script(INVOKE, api_error(403, "ExpiredTokenException"))
            assert failure(await perform(service, runner=runner)).retryable
            await perform(service, runner=runner)
            await runner.aclose()
            asked = [seen for seen in host.front.requests if seen.target == "/"]
    assert len(asked) == 2


async def test_a_profile_and_a_credentials_file_are_those_of_the_service(tmp_path: Path) -> None:
    """The named profile of the named file signs, whatever the worker's environment has."""
    file = tmp_path / "credentials"
    file.write_text("[billing]\naws_access_key_id = AKIABILLING\naws_secret_access_key = other-secret-0123456789\n")
    auth = {"profile": "billing", "credentials_file": str(file)}
    async with HttpTarget() as target:
        await perform(aws_service(target.url, auth_config=auth))
    assert "Credential=AKIABILLING/" in target.requests[0].header("authorization")


async def test_a_credentials_file_stands_alone(tmp_path: Path) -> None:
    """Its default section signs though the environment has keys; where it is missing, nobody else's rights are used."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = other-secret-0123456789\n")
    service = {name: {"credentials_file": str(path)} for name, path in (("there", file), ("gone", tmp_path / "gone"))}
    async with HttpTarget() as target:
        assert (await perform(aws_service(target.url, auth_config=service["there"]))).outcome == Succeeded({"ok": True})
        gone = failure(await perform(aws_service(target.url, auth_config=service["gone"])))
    (seen,) = target.requests
    assert "Credential=AKIADEFAULT/" in seen.header("authorization")
    assert gone.category is Category.INFRASTRUCTURE


async def test_without_credentials_the_attempt_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has none cannot execute the job, and another may: nothing is sent, no attempt is lost."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    async with HttpTarget() as target:
        result = await perform(aws_service(target.url))
    assert type(result.outcome).__name__ == "Interrupted"
    assert not target.requests


# ---- events ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def results() -> Iterator[str]:
    """The root of a server with a queue named results, whose messages come back after a second."""
    with moto() as url:
        make_queue(url, "results", seconds=1)
        yield url


def queue_at(url: str) -> str:
    """Return the queue's URL as it is called through a host."""
    return f"{url}/{ACCOUNT}/results"


async def test_an_event_without_a_queue_is_done_when_it_is_taken() -> None:
    """Event: the answer is the acceptance, and whose it is."""
    async with deployed("echo") as host:
        result = await perform(aws_service(host.url, invocation_type="Event"), {"a": 1})
        (seen,) = host.front.requests
    assert isinstance(result.outcome, Succeeded)
    assert result.outcome.output["status_code"] == 202
    assert seen.header("x-amz-invocation-type") == "Event"
    assert "cost_usd" not in result.usage


async def test_the_result_of_an_event_comes_out_of_the_queue(results: str) -> None:
    """Many jobs wait on one queue, each gets its own record, success or failure, and the queue is empty afterwards."""
    async with deployed("echo", "fail", destination=queue_at(results)) as host:
        host.forward(results)
        runner = ServerlessRunner()
        queue = {"invocation_type": "Event", "result_queue": queue_at(host.url)}
        echo, fail = (aws_service(host.url, name, **queue) for name in ("echo", "fail"))
        ids = [JOB_ID.__class__(int=JOB_ID.int + number) for number in range(1, 5)]
        done = [perform(echo, {"n": n}, runner=runner, job_id=id_) for n, id_ in enumerate(ids)]
        *good, bad = await asyncio.gather(*done, perform(fail, {"message": "no"}, runner=runner))
        await runner.aclose()
    assert [result.outcome.output["n"] for result in good if isinstance(result.outcome, Succeeded)] == [0, 1, 2, 3]
    assert failure(bad).message.endswith("ValueError: no")
    until(lambda: waiting_in(queue_at(results)) == 0, "the queue is empty")


async def test_a_further_attempt_finds_the_result_of_the_one_before(results: str) -> None:
    """A worker died after the event was handed over: the next attempt takes its record and invokes nothing."""
    async with deployed("echo", destination=queue_at(results)) as host:
        host.forward(results)
        service = aws_service(host.url, invocation_type="Event", result_queue=queue_at(host.url))
        planner = ServerlessRunner()
        plan = planner.plan(planner.validate_config(service), make_call(service, {"n": 1}))
        assert isinstance(plan, AwsPlan)
        await perform(aws_service(host.url, invocation_type="Event"), json.loads(plan.payload))
        await asyncio.to_thread(until, lambda: waiting_in(queue_at(results)) == 1, "the record is in the queue")
        result = await perform(service, {"n": 1}, attempt=2, lease_seq=2, seconds=30)
        invoked = [seen for seen in host.front.requests if seen.target == INVOKE]
    assert isinstance(result.outcome, Succeeded), result.outcome
    assert result.outcome.output["n"] == 1
    assert len(invoked) == 1


async def test_a_queue_that_cannot_be_read_is_a_failure_with_a_reason() -> None:
    """After three failures the jobs that wait are told."""
    async with HttpTarget() as target:
        target.script(INVOKE, reply(202))
        target.script("/", api_error(403, "AccessDeniedException"))
        queue = {"invocation_type": "Event", "result_queue": f"{target.url}/{ACCOUNT}/results"}
        failed = failure(await perform(aws_service(target.url, **queue)))
    assert failed.message.startswith("the result_queue cannot be read: ")
    assert REGION in failed.message
