"""Container jobs on AWS Batch: moto's Batch runs them as real containers; its API is looked at from outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.batch_calls import QUEUE, FarEnd, batch_policy, batch_service, code, far_end, perform, planned
from support.dockerd import BUSYBOX, TestEngine
from support.http_target import HttpTarget, Script, Seen, Wire, reply, silence
from support.lambda_host import REGION
from support.serverless_calls import ENVIRONMENT, SECRET, failure
from support.waiting import until, until_async

from specql_jobs.core.contract import Cancelled, Interrupted, JobResult, StopReason, StopSignal, Succeeded
from specql_jobs.core.job import Category


@pytest.fixture(scope="module")
def batch(engine: TestEngine) -> Iterator[FarEnd]:
    """A Batch whose containers the run's engine starts."""
    with far_end(engine) as served:
        yield served


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has in its environment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def _log(result: JobResult) -> str:
    return "".join(chunk.text for chunk in result.logs)


# ---- what comes back ------------------------------------------------------------------------------------------------


async def test_a_container_runs_on_batch_and_its_json_is_the_output(batch: FarEnd) -> None:
    """Input and identity come as variables, log lines are kept, the last line of JSON is the output."""
    says = 'echo "lease $SPECQL_JOB_LEASE of $SPECQL_JOB_ID"; echo "$SPECQL_JOB_INPUT"'
    job = uuid4()
    result = await perform(batch_service(batch.url, code(says)), {"row": "é"}, job_id=job, lease_seq=7)
    assert result.outcome == Succeeded({"row": "é"})
    assert f"lease 7 of {job}" in _log(result)
    assert [each["jobName"] for each in batch.jobs(job)] == [f"specql-{job}-7"]


async def test_usage_says_what_was_reserved_and_when(batch: FarEnd) -> None:
    """Times, cores and memory are those of Batch's own description."""
    result = await perform(batch_service(batch.url, code("exit 0")), job_id=uuid4())
    usage = result.usage
    assert (usage["vcpus"], usage["memory_mb"], usage["exit_code"], usage["source"]) == (1, 64, 0, "aws_batch")
    assert usage["started_at"] <= usage["stopped_at"]
    assert usage["duration_seconds"] >= 0


async def test_a_failing_program_fails_with_its_exit_code(batch: FarEnd) -> None:
    """The exit code and the lines are kept; the failure is the target's, and tried again."""
    result = await perform(batch_service(batch.url, code("echo before; exit 3")), job_id=uuid4())
    failed = failure(result)
    assert (failed.category, failed.retryable, result.usage["exit_code"]) == (Category.TARGET_ERROR, True, 3)
    assert "exit code 3" in failed.message
    assert "before" in _log(result)


async def test_output_is_bounded_and_marked(batch: FarEnd) -> None:
    """More lines than max_output_bytes are cut, and marked as such."""
    policy = batch_policy(max_output_bytes=2000)
    result = await perform(batch_service(batch.url, code("seq 1 5000"), policy), job_id=uuid4())
    (chunk,) = result.logs
    assert chunk.truncated
    assert len(chunk.text.encode()) <= 2000


async def test_credentials_that_a_container_repeats_are_masked(batch: FarEnd) -> None:
    """A line that says the worker's own key is kept without it."""
    result = await perform(batch_service(batch.url, code(f"echo key={SECRET}; exit 1")), job_id=uuid4())
    assert SECRET not in repr(result)
    assert "key=" in _log(result)


# ---- definitions ----------------------------------------------------------------------------------------------------


async def test_a_definition_is_registered_once_and_confines(batch: FarEnd) -> None:
    """The plan's definition is named by its content, used again, and has no privileges or volumes."""
    service = batch_service(batch.url, code("exit 0"))
    for _ in range(2):
        assert isinstance((await perform(service, job_id=uuid4())).outcome, Succeeded)
    name = planned(service).definition
    (found,) = [each for each in batch.definitions() if each["jobDefinitionName"] == name]
    inside = found["containerProperties"]
    assert (inside["image"], inside["user"], inside["privileged"]) == (BUSYBOX, "65534:65534", False)
    assert (inside["readonlyRootFilesystem"], inside["volumes"], inside["mountPoints"]) == (True, [], [])


async def test_a_named_definition_is_used_with_its_revision(batch: FarEnd) -> None:
    """The registry's definition is what the job runs under."""
    arn = batch.define("named-score")
    job = uuid4()
    result = await perform(batch_service(batch.url, code("exit 0"), job_definition="named-score"), job_id=job)
    assert isinstance(result.outcome, Succeeded)
    assert [each["jobDefinition"] for each in batch.jobs(job)] == [arn]


async def test_a_definition_that_is_not_there_is_a_failure_without_retries(batch: FarEnd) -> None:
    """Trying again would not bring it."""
    failed = failure(await perform(batch_service(batch.url, code("exit 0"), job_definition="absent"), job_id=uuid4()))
    assert (failed.category, failed.retryable) == (Category.INFRASTRUCTURE, False)
    assert "no job definition absent" in failed.message


# ---- once, whatever happens to workers -------------------------------------------------------------------------------


async def test_a_further_attempt_adopts_what_an_interrupted_one_submitted(batch: FarEnd) -> None:
    """A worker that drains leaves the Batch job running, and the next attempt waits for that one."""
    job, stop = uuid4(), StopSignal()
    service = batch_service(batch.url, code('sleep 3; echo "{\\"lease\\": $SPECQL_JOB_LEASE}"'))
    first = asyncio.create_task(perform(service, job_id=job, lease_seq=1, stop=stop))
    await until_async(lambda: _running(batch, job), "the Batch job runs")
    stop.request(StopReason.INTERRUPTED)
    assert isinstance((await first).outcome, Interrupted)
    second = await perform(service, job_id=job, lease_seq=2, attempt=1)
    assert second.outcome == Succeeded({"lease": 1})
    assert len(batch.jobs(job)) == 1


async def test_a_job_that_ended_unseen_is_adopted_with_its_result(batch: FarEnd) -> None:
    """A worker that was killed after it submitted leaves a result, which the next attempt fetches."""
    job, service = uuid4(), batch_service(batch.url, code('echo "{\\"lease\\": $SPECQL_JOB_LEASE}"'))
    await perform(service, job_id=uuid4())
    plan = planned(service, job_id=job, lease_seq=1)
    batch.api.submit_job(**plan.submission(plan.definition))
    until(lambda: batch.jobs(job)[0]["status"] == "SUCCEEDED", "the killed worker's Batch job ends")
    result = await perform(service, job_id=job, lease_seq=2, attempt=2)
    assert result.outcome == Succeeded({"lease": 1})
    assert len(batch.jobs(job)) == 1


async def test_a_result_that_was_collected_is_not_given_twice(batch: FarEnd) -> None:
    """An operator's retry of a job whose Batch job has succeeded runs it again."""
    job, service = uuid4(), batch_service(batch.url, code("exit 0"))
    await perform(service, job_id=job, lease_seq=1)
    await perform(service, job_id=job, lease_seq=2, attempt=2)
    assert len(batch.jobs(job)) == 2


async def test_a_failed_batch_job_is_not_adopted(batch: FarEnd) -> None:
    """A retry after a failure submits a job of its own."""
    job, service = uuid4(), batch_service(batch.url, code('test "$SPECQL_JOB_LEASE" = 2'))
    assert failure(await perform(service, job_id=job, lease_seq=1)).retryable
    again = await perform(service, job_id=job, lease_seq=2, attempt=2)
    assert isinstance(again.outcome, Succeeded)


async def test_an_earlier_job_that_differs_is_ended_and_replaced(batch: FarEnd) -> None:
    """What another registry's version left running is terminated, not adopted."""
    job, stop = uuid4(), StopSignal()
    first = asyncio.create_task(perform(batch_service(batch.url, code("sleep 60")), job_id=job, stop=stop))
    await until_async(lambda: _running(batch, job), "the Batch job runs")
    stop.request(StopReason.INTERRUPTED)
    await first
    result = await perform(batch_service(batch.url, code("exit 0")), job_id=job, lease_seq=2)
    assert isinstance(result.outcome, Succeeded)
    until(lambda: batch.jobs(job)[0]["status"] == "FAILED", "the earlier Batch job has ended")


@pytest.mark.parametrize("reason", [StopReason.TIMEOUT, StopReason.CANCELLED])
async def test_a_stop_terminates_the_batch_job(batch: FarEnd, engine: TestEngine, reason: StopReason) -> None:
    """After a timeout or a cancellation, Batch says that it ended, and no container of it runs."""
    job, stop = uuid4(), StopSignal()
    work = asyncio.create_task(perform(batch_service(batch.url, code("sleep 90")), job_id=job, stop=stop))
    await until_async(lambda: _running(batch, job), "the Batch job runs")
    stop.request(reason)
    result = await work
    wanted = Cancelled() if reason is StopReason.CANCELLED else reason.outcome(60.0)
    assert result.outcome == wanted
    (ended,) = batch.jobs(job)
    assert (ended["status"], ended["statusReason"]) == ("FAILED", f"specql-jobs: {reason.value}")
    until(lambda: not _containers(engine, str(job)), "its container is gone")


async def _running(batch: FarEnd, job: Any) -> bool:
    return any(each["status"] == "RUNNING" for each in await asyncio.to_thread(batch.jobs, job))


def _containers(engine: TestEngine, job: str) -> list[str]:
    return [name for each in engine.client.containers() for name in each["Names"] if job in name]


async def test_questions_that_aws_is_too_busy_for_are_asked_again() -> None:
    """Throttled looks at the job and at its log cost the job nothing, and no line of its output."""
    async with HttpTarget() as target:
        service = batch_service(target.url, code("exit 0"))
        arn = f"arn:aws:batch:{REGION}:1:job-definition/a:1"
        known = {"jobDefinitionArn": arn, "revision": 1, "type": "container", "status": "ACTIVE"}
        known["containerProperties"] = planned(service).registers
        ended = {"jobId": "j", "jobArn": "arn:j", "jobName": "n", "status": "SUCCEEDED", "jobDefinition": arn}
        ended |= {"jobQueue": "q", "startedAt": 1000, "stoppedAt": 3000, "container": {"logStreamName": "s"}}
        busy = reply(
            400, {"__type": "ThrottlingException", "message": "slow down"}, x_amzn_errortype="ThrottlingException"
        )
        target.script("/v1/describejobdefinitions", reply(200, {"jobDefinitions": [known]}))
        target.script("/v1/submitjob", reply(200, {"jobId": "j", "jobName": "n"}))
        target.script("/v1/describejobs", once(busy, reply(200, {"jobs": [ended]})))
        target.script("/v1/tags/arn%3Aj", reply(200, {}))
        said = {"events": [{"message": '{"a": 1}'}], "nextForwardToken": "f/1"}
        target.script("/", once(busy, reply(200, said)))
        result = await perform(service)
    assert result.outcome == Succeeded({"a": 1})
    assert result.usage["duration_seconds"] == 2.0


def once(first: Script, then: Script) -> Script:
    """Answer the first request one way and all others another way."""
    seen_before = []

    async def answer(seen: Seen, wire: Wire) -> None:
        seen_before.append(seen)
        await (first if len(seen_before) == 1 else then)(seen, wire)

    return answer


async def test_a_queue_that_is_not_there_is_named(batch: FarEnd) -> None:
    """What Batch says of a wrong name reaches the person who has to correct it."""
    failed = failure(await perform(batch_service(batch.url, code("exit 0"), job_queue="absent"), job_id=uuid4()))
    assert (failed.category, failed.retryable) == (Category.TARGET_ERROR, False)
    assert "Job queue absent does not exist" in failed.message


async def test_a_stop_while_a_submission_hangs_closes_the_connection() -> None:
    """A far end that never answers does not keep a cancelled job."""
    async with HttpTarget() as target:
        service, stop = batch_service(target.url, code("exit 0")), StopSignal()
        plan = planned(service)
        found = {"jobDefinitionArn": f"arn:aws:batch:{REGION}:1:job-definition/a:1", "revision": 1, "type": "container"}
        known = {"jobDefinitions": [{**found, "status": "ACTIVE", "containerProperties": plan.registers}]}
        target.script("/v1/describejobdefinitions", reply(200, known))
        target.script("/v1/submitjob", silence)
        work = asyncio.create_task(perform(service, stop=stop))
        await target.asked(2)
        stop.request(StopReason.CANCELLED)
        assert (await work).outcome == Cancelled()
        await target.hung_up()
        assert [seen.target for seen in target.requests] == ["/v1/describejobdefinitions", "/v1/submitjob"]


# ---- the plan -------------------------------------------------------------------------------------------------------


def test_the_plan_is_described_as_lines_for_the_aws_cli() -> None:
    """Both lines can be pasted; a variable of the registry takes its value from the shell."""
    service = batch_service("http://127.0.0.1:1", ["score", "it's {row}"], environment={"TOKEN": "hidden-value"})
    plan = planned(service, {"row": "1"}, lease_seq=2)
    described = plan.describe()
    assert "hidden-value" not in json.dumps(described)
    line = described["command"]
    assert line.startswith("aws batch register-job-definition --region")
    assert f"&& aws batch submit-job --region {REGION}" in line
    assert f"--job-queue {QUEUE}" in line
    assert '"$TOKEN"' in line
    assert described["registers"]["privileged"] is False
    assert "pids" not in described["resources"]  # Batch does not hold it


def test_the_plans_lines_can_be_pasted(tmp_path: Path) -> None:
    """A shell hands the AWS CLI well-formed JSON, with the shell's own value of the registry's variable."""
    (tmp_path / "aws").write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done; printf "\\0"\n')
    (tmp_path / "aws").chmod(0o755)
    service = batch_service("http://127.0.0.1:1", ["score", "it's {row} $HOME"], environment={"TOKEN": "hidden-value"})
    plan = planned(service, {"row": "`id`"})
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TOKEN": "mine"}
    shell = ["/bin/sh", "-c", plan.describe()["command"]]
    said = subprocess.run(shell, env=env, capture_output=True, text=True, check=True)
    register, submit = (line.split("\0") for line in said.stdout.split("\0\0")[:2])
    assert json.loads(register[register.index("--cli-input-json") + 1])["containerProperties"] == plan.registers
    overrides = json.loads(submit[submit.index("--container-overrides") + 1])
    assert overrides["command"] == ["score", "it's `id` $HOME"]
    assert {"name": "TOKEN", "value": "mine"} in overrides["environment"]
    assert overrides["resourceRequirements"] == plan.overrides()["resourceRequirements"]
