"""What a function, its platform, a queue of results and a name server may do to the worker that called."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.builders import JOB_ID, make_call, make_context
from support.http_target import HttpTarget, Seen, Wire, drip, gzipped, raw, reply
from support.identity_server import IdentityServer
from support.lambda_host import REGION, arn
from support.moto_server import client, make_queue, moto
from support.serverless_calls import ENVIRONMENT, KEY, POLICY, SECRET, aws_service, failure, perform, web_service

from specql_jobs.core.contract import ExecutionContext, JobResult, Refused, Succeeded
from specql_jobs.core.job import Category
from specql_jobs.core.policy import Policy
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.worker.attempt import storable
from specql_jobs.runners.http import HTTPRunner
from specql_jobs.runners.serverless import ServerlessRunner

INVOKE = "/2015-03-31/functions/echo/invocations"
INSIDE = {"private_address", "address_forbidden"}


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


# ---- where requests go ----------------------------------------------------------------------------------------------


class Names:
    """A resolver whose answers the test decides; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        """Return the next answer."""
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def through(names: Names, service: Any) -> JobResult:
    """Execute a job whose names are resolved by the test."""
    runner = ServerlessRunner(http=HTTPRunner(resolve=names))
    try:
        return await perform(service, runner=runner)
    finally:
        await runner.aclose()


def codes(result: JobResult) -> set[str]:
    """Return why a job was refused."""
    assert isinstance(result.outcome, Refused), result.outcome
    return {found.code for found in result.outcome.violations}


@pytest.mark.parametrize("make", [aws_service, web_service])
@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "[::]"])
async def test_no_policy_opens_the_metadata_service(make: Any, host: str) -> None:
    """Even with private networks allowed and the address listed, no job reaches it."""
    policy = replace(POLICY, allowed_functions=("echo",), allowed_domains=(host.strip("[]"),), allow_http=True)
    assert "address_forbidden" in codes(await perform(make(f"http://{host}/latest", policy=policy)))


@pytest.mark.parametrize("make", [aws_service, web_service])
async def test_a_private_endpoint_needs_the_policy_s_word(make: Any) -> None:
    """An emulator on loopback is reached only with allow_private_networks."""
    async with HttpTarget() as target:
        policy = replace(POLICY, allowed_functions=("echo",), allow_private_networks=False, allow_http=True)
        assert codes(await perform(make(target.url, policy=policy))) == {"private_address"}
    assert not target.requests


@pytest.mark.parametrize("make", [aws_service, web_service])
async def test_an_endpoint_that_is_not_listed_is_refused(make: Any) -> None:
    """endpoint_url is held against allowed_domains."""
    async with HttpTarget() as target:
        policy = replace(POLICY, allowed_functions=("echo",), allowed_domains=("other.example",))
        assert "domain_not_allowed" in codes(await perform(make(target.url, policy=policy)))
    assert not target.requests


@pytest.mark.parametrize("make", [aws_service, web_service])
@pytest.mark.parametrize("answers", [["169.254.169.254"], ["93.184.216.34", "10.0.0.1"], ["127.0.0.1"]])
async def test_a_name_that_leads_inside_is_refused(make: Any, answers: list[str]) -> None:
    """Every address of a name is judged, and one that may not be reached refuses them all."""
    policy = Policy(
        allowed_providers=("aws", "http"),
        allowed_regions=(REGION,),
        allowed_functions=("echo",),
        allowed_domains=("api.test",),
        allow_http=True,
    )
    names = Names(answers)
    assert codes(await through(names, make("http://api.test", policy=policy))) <= INSIDE
    assert names.asked == ["api.test"]


@pytest.mark.parametrize("answer", ["127.0.0.1", "169.254.169.254", "10.1.2.3"])
async def test_a_poisoned_name_of_aws_itself_is_refused(answer: str) -> None:
    """lambda.REGION.amazonaws.com needs no listing, but its addresses are judged like anybody's."""
    service = aws_service("", policy=replace(POLICY, allowed_functions=("echo",), allow_private_networks=False))
    names = Names([answer])
    assert codes(await through(names, service)) <= INSIDE
    assert names.asked == [f"lambda.{REGION}.amazonaws.com"]


async def test_the_worker_s_environment_sends_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proxies, endpoints of the SDK's own variables and files, and identity services in the environment do nothing."""
    async with HttpTarget() as target, HttpTarget() as decoy:
        config = tmp_path / "config"
        config.write_text(f"[default]\nendpoint_url = {decoy.url}\nregion = us-east-1\n")
        stray = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA")
        for name in (*stray, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            monkeypatch.setenv(name, decoy.url)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        assert (await perform(aws_service(target.url))).outcome == Succeeded({"ok": True})
        for name in ENVIRONMENT:
            monkeypatch.delenv(name)
        without = await perform(aws_service(target.url))
    assert type(without.outcome).__name__ == "Interrupted"
    assert len(target.requests) == 1
    assert not decoy.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_the_api_is_not_followed(status: int) -> None:
    """Signed requests and payloads go nowhere that the answer names."""
    async with HttpTarget() as target, HttpTarget() as decoy:
        target.script(INVOKE, reply(status, location=f"{decoy.url}/steal"))
        failure(await perform(aws_service(target.url)))
    assert len(target.requests) == 1
    assert not decoy.requests


async def test_a_key_file_s_token_service_is_judged(tmp_path: Path) -> None:
    """A key file that names another token service than Google's sends its signature only where policy allows."""
    async with HttpTarget() as decoy, HttpTarget() as target:
        auth = {"credentials_file": IdentityServer(decoy).key_file(tmp_path)}
        policy = replace(POLICY, allowed_functions=("echo",), allowed_domains=("api.test",))
        names = Names(["127.0.0.1"])
        service = web_service(f"http://api.test:{target.port}", "gcp", auth_config=auth, policy=policy)
        result = await through(names, service)
    assert "domain_not_allowed" in codes(result)
    assert not decoy.requests
    assert not target.requests


# ---- what comes back ------------------------------------------------------------------------------------------------


def small(**config: Any) -> Policy:
    """Return a policy that takes little."""
    return replace(POLICY, allowed_functions=("echo",), max_response_size=50_000, **config)


BOMB = gzip.compress(b'"' + b"a" * 30_000_000 + b'"')

TOO_MUCH, BROKEN, INVALID = Category.RESOURCE_EXHAUSTED, Category.TARGET_UNAVAILABLE, Category.INVALID_OUTPUT
ANSWERS: dict[str, tuple[Any, Category]] = {
    "oversize": (reply(200, "x" * 200_000), TOO_MUCH),
    "bomb": (gzipped(b'"' + b"a" * 30_000_000 + b'"'), TOO_MUCH),
    "bomb in an error": (reply(502, BOMB, content_encoding="gzip"), BROKEN),
    "promises more": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}", close=True), BROKEN),
    "two lengths": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 900\r\n\r\n{}"), BROKEN),
    "unknown coding": (reply(200, b"x", content_encoding="br"), INVALID),
    "broken coding": (reply(200, b"x" * 40, content_encoding="gzip"), INVALID),
    "not HTTP": (raw(b"+OK POP3 ready\r\n\r\n", close=True), BROKEN),
    "impossible status": (raw(b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"), BROKEN),
    "endless headers": (drip(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 9000 + b"\r\n", 0.0), BROKEN),
}


@pytest.mark.parametrize("make", [aws_service, web_service])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_bounded_whatever_it_says_of_itself(make: Any, name: str) -> None:
    """Size, decoded size, lengths and framing are the runner's own measure."""
    script, wanted = ANSWERS[name]
    async with HttpTarget() as target:
        target.script(INVOKE, script)
        target.script("/echo", script)
        found = failure(await perform(make(target.url, policy=small())))
    assert found.category is wanted, found
    assert len(json.dumps(found.output)) < 70_000


async def test_an_answer_that_never_ends_is_over_at_the_deadline() -> None:
    """Bytes that drip do not hold a job, nor its thread."""
    async with HttpTarget() as target:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        target.script(INVOKE, drip(head, b" "))
        result = await perform(aws_service(target.url), seconds=0.5)
        await target.hung_up()
    assert failure(result).category is Category.TIMEOUT


@pytest.mark.parametrize(
    "body", [b"NaN", b"[1e999]", b"[" * 100_000, b"[" * 200 + b"]" * 200, b"\xff\xfe", b"{", b"1" * 5000, b"<html>"]
)
async def test_an_answer_that_is_no_strict_json_is_invalid_output(body: bytes) -> None:
    """What Postgres or a later reader could not take ends as invalid_output."""
    async with HttpTarget() as target:
        target.script(INVOKE, reply(200, body))
        assert failure(await perform(aws_service(target.url))).category is Category.INVALID_OUTPUT


async def echo_everything(seen: Seen, wire: Wire) -> None:
    """Answer with all that arrived and all that a function might know."""
    tail = f"START\n\x1b[2J\x00 {SECRET} {seen.header('authorization')}\n".encode()
    said = {"headers": dict(seen.headers), "secret": SECRET, "nested": [{SECRET: "x\x00\ud800"}]}
    heads = {"x_amz_log_result": base64.b64encode(tail).decode(), "content_type": "application/json"}
    await reply(200, json.dumps(said), **heads)(seen, wire)


async def test_what_a_function_repeats_of_the_credentials_is_masked() -> None:
    """Output and log hold neither the secret key nor what Postgres refuses."""
    async with HttpTarget() as target:
        target.script(INVOKE, echo_everything)
        secrets = Secrets()
        result = await perform(aws_service(target.url), secrets=secrets)
    assert isinstance(result.outcome, Succeeded)
    output, _, problem = storable(result.outcome.output, 1_000_000, secrets)
    (chunk,) = result.logs
    kept = json.dumps(output) + chunk.text
    assert not problem
    assert SECRET not in kept
    assert "\x00" not in kept
    assert "\\u0000" not in kept


async def test_an_error_that_repeats_the_credentials_is_masked() -> None:
    """Neither message nor output of a failure holds the secret, wherever the far end put it."""
    async with HttpTarget() as target:
        said = {"errorType": SECRET, "errorMessage": f"key {SECRET} and\x1b[31m\nred"}
        target.script(INVOKE, reply(200, said, x_amz_function_error="Unhandled"))
        result = await perform(aws_service(target.url))
        target.script(INVOKE, reply(400, {"message": SECRET}, x_amzn_errortype=f"{SECRET}\x1b[31m"))
        other = await perform(aws_service(target.url))
    for found in (failure(result), failure(other)):
        assert SECRET not in repr(found)
        assert KEY not in found.message
        assert not {"\x1b", "\n"} & set(found.message)


@pytest.mark.parametrize("auth", [{"token_env_var": "FN"}, {"api_key_env_var": "FN"}, {"secret_env_var": "FN"}])
async def test_what_a_web_function_repeats_of_its_credentials_is_masked(
    auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token, key and signing secret come back in nothing that is kept."""
    monkeypatch.setenv("FN", "function-credential-0123456789")

    async def tell(seen: Seen, wire: Wire) -> None:
        await reply(500, {"sent": dict(seen.headers), "secret": "function-credential-0123456789"})(seen, wire)

    async with HttpTarget() as target:
        target.script("/echo", tell)
        result = await perform(web_service(target.url, auth_config=auth))
    assert "function-credential-0123456789" not in repr(result)


# ---- a queue of results that others write to ------------------------------------------------------------------------


def record(**changes: Any) -> dict[str, Any]:
    """Return a record that would be the job's, with changes."""
    good: dict[str, Any] = {
        "requestContext": {"functionArn": f"{arn('echo')}:$LATEST", "condition": "Success", "requestId": "r"},
        "requestPayload": {"_specql_jobs": {"job_id": str(JOB_ID)}},
        "responseContext": {"statusCode": 200},
        "responsePayload": "forged",
    }
    return {**good, **changes}


FORGED: dict[str, str] = {
    "not JSON": "<xml/>",
    "a list": "[1]",
    "deep": "[" * 3000,
    "no mark": json.dumps(record(requestPayload={})),
    "mark of a wrong kind": json.dumps(record(requestPayload={"_specql_jobs": {"job_id": ["x"]}})),
    "another job": json.dumps(record(requestPayload={"_specql_jobs": {"job_id": str(JOB_ID)[::-1]}})),
    "another function": json.dumps(record(requestContext={"functionArn": arn("other"), "condition": "Success"})),
    "another region": json.dumps(
        record(requestContext={"functionArn": arn("echo").replace(REGION, "us-east-1"), "condition": "Success"})
    ),
    "no function": json.dumps(record(requestContext={"functionArn": "echo\n", "condition": "Success"})),
}


async def test_a_message_that_is_not_the_job_s_record_is_nobody_s_result() -> None:
    """Others' records, wrong marks and noise in the queue are put back; the job waits until its deadline."""
    with moto() as url:
        queue = make_queue(url, "results", seconds=1)
        for body in FORGED.values():
            client("sqs", url).send_message(QueueUrl=queue, MessageBody=body)
        service = aws_service(url, invocation_type="Event", result_queue=queue)
        created = client("iam", url).create_role(RoleName="f", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code = {"ZipFile": _zip()}
        places = {"FunctionName": "echo", "Role": created, "Handler": "f.f", "Runtime": "python3.12"}
        client("lambda", url).create_function(Code=code, **places)
        result = await perform(service, seconds=4)
    assert failure(result).category is Category.TIMEOUT


def _zip() -> bytes:
    import io  # noqa: PLC0415 - for moto's create_function alone
    import zipfile  # noqa: PLC0415

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("f.py", "def f(event, context): return event")
    return made.getvalue()


async def test_a_judge_that_says_no_while_executing_is_heard() -> None:
    """What only execution can know is judged again, in the thread's requests too."""
    async with HttpTarget() as target:
        runner = ServerlessRunner()
        plan = runner.plan(runner.validate_config(aws_service(target.url)), make_call(aws_service(target.url)))
        context: ExecutionContext = make_context(policy=Policy(), timeout_seconds=5)
        result = await runner.execute(plan, context)
        await runner.aclose()
    assert isinstance(result.outcome, Refused)
    assert not target.requests


async def test_many_stopped_jobs_leave_no_thread_behind() -> None:
    """A hundred jobs over the bounded pool are all stopped at their deadline, those that waited for a thread too."""
    async with HttpTarget() as target:
        target.script(INVOKE, drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "))
        runner = ServerlessRunner()
        service = aws_service(target.url)
        results = await asyncio.gather(*(perform(service, runner=runner, seconds=1.0) for _ in range(100)))
        await target.hung_up()
        target.script(INVOKE, reply(200, 1))
        again = await perform(service, runner=runner)
        await runner.aclose()
    assert {failure(result).category for result in results} == {Category.TIMEOUT}
    assert again.outcome == Succeeded(1)
