"""Functions at a URL: Google's framework really running, Azure's key, OpenFaaS and Knative paths, CloudEvents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import JOB_ID, make_call
from support.http_target import HttpTarget, reply
from support.identity_server import IdentityServer
from support.processes import Started, started
from support.serverless_calls import POLICY, failure, perform, web_service

from specql_jobs.core.contract import Succeeded
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category
from specql_jobs.runners.serverless import ServerlessRunner

SOURCE = Path(__file__).parents[1] / "support" / "google_function.py"


@pytest.fixture
def framework() -> Iterator[Callable[[str], tuple[str, Started]]]:
    """Start a function under Google's framework; return its URL and its process."""
    with ExitStack() as stack:

        def start(name: str, signature: str = "http") -> tuple[str, Started]:
            words = ("-m", "functions_framework", "--target", name, "--source", str(SOURCE), "--debug")
            words = (*words, "--signature-type", signature, "--host", "127.0.0.1", "--port", "0")
            process = stack.enter_context(started(sys.executable, *words))
            process.wait_until(lambda: "Running on http://" in process.said(), "the framework listens")
            line = next(line for line in process.said().splitlines() if "Running on http://" in line)
            return line.split("Running on ")[1].split()[0], process

        yield start


async def test_a_google_function_is_executed_with_the_payload(framework: Callable[..., tuple[str, Started]]) -> None:
    """Its framework gets JSON and its JSON comes back."""
    url, _ = framework("hello")
    result = await perform(web_service(url, "gcp", "hello"), {"a": [1, "é"]})
    assert result.outcome == Succeeded({"sent": {"a": [1, "é"]}, "who": ""})


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_a_cloud_event_is_one_to_google_s_own_parser(
    mode: str, framework: Callable[..., tuple[str, Started]]
) -> None:
    """In both modes id, type and data arrive as they were meant."""
    url, process = framework("happened", "cloudevent")
    result = await perform(web_service(url, "gcp", "happened", cloud_events=mode), {"n": 7}, correlation_id="über 1")
    assert isinstance(result.outcome, Succeeded), result.outcome
    process.wait_until(lambda: f"happened {JOB_ID} specql.svc.op {{'n': 7}}" in process.said(), "the event is parsed")


async def test_a_key_file_becomes_an_identity_token_that_is_kept(tmp_path: Path) -> None:
    """One token for many jobs, for the function's URL, signed for with the key; plan and log have neither."""
    async with HttpTarget() as target:
        server = IdentityServer(target)
        auth = {"credentials_file": server.key_file(tmp_path)}
        service = web_service(target.url, "gcp", "resize", auth_config=auth)
        runner = ServerlessRunner()
        results = [await perform(service, {"a": 1}, runner=runner) for _ in range(3)]
        plan = runner.plan(runner.validate_config(service), make_call(service, {"a": 1}))
        await runner.aclose()
    assert all(result.outcome == Succeeded({"ok": True}) for result in results)
    assert server.given == 1
    proofs = {seen.header("authorization") for seen in target.requests if seen.target == "/resize"}
    (proof,) = proofs
    assert proof.startswith("Bearer ")
    assert not [result for result in results if proof.removeprefix("Bearer ") in repr(result)]
    described = plan.describe()
    assert f"--audiences={target.url}/resize" in described["curl"]
    assert described["secrets"] == [f"file:{auth['credentials_file']}"]


async def test_a_token_that_is_not_taken_is_fetched_anew() -> None:
    """After 401 or 403 the next attempt asks for another token; so it does in the last minute of the old one."""
    async with HttpTarget() as target:
        server = IdentityServer(target)
        service = web_service(target.url, "gcp", "resize", auth_config={"metadata": True})
        runner = ServerlessRunner(metadata_url=target.url)
        target.script("/resize", reply(401), reply(200, {"ok": 1}))
        assert failure(await perform(service, runner=runner)).category is Category.TARGET_ERROR
        assert (await perform(service, runner=runner)).outcome == Succeeded({"ok": 1})
        assert server.given == 2
        short = IdentityServer(target, lifetime=30.0)
        other = ServerlessRunner(metadata_url=target.url)
        await perform(service, runner=other)
        await perform(service, runner=other)
        await runner.aclose()
        await other.aclose()
    assert short.given == 2


async def test_an_azure_function_gets_its_key_and_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """x-functions-key carries the key; a function app's functions stand below /api."""
    monkeypatch.setenv("RESIZE_KEY", "azure-function-key-0123456789")
    async with HttpTarget() as target:
        auth = {"api_key_env_var": "RESIZE_KEY"}
        result = await perform(web_service(target.url, "azure", "resize", auth_config=auth), {"a": 1})
    (seen,) = target.requests
    assert result.outcome == Succeeded({"ok": True})
    assert (seen.method, seen.target, seen.json()) == ("POST", "/api/resize", {"a": 1})
    assert seen.header("x-functions-key") == "azure-function-key-0123456789"


@pytest.mark.parametrize(
    ("path", "function", "called"),
    [
        ("", "resize", "/resize"),
        ("/function", "resize", "/function/resize"),
        ("/function/resize", "resize", "/function/resize"),
        ("/function/resize/", "resize", "/function/resize"),
        ("/function/other", "resize", "/function/other/resize"),
        ("/async-function/media/resize", "media/resize", "/async-function/media/resize"),
    ],
)
async def test_what_is_called_is_what_is_named(path: str, function: str, called: str) -> None:
    """The URL has the function's name in it, or the name is added: a name that is allowed calls nothing else."""
    async with HttpTarget() as target:
        await perform(web_service(target.url + path, function=function), {"a": 1})
    assert [seen.target for seen in target.requests] == [called]


async def test_identity_and_fence_travel_as_with_any_http_job() -> None:
    """Idempotency-Key and X-Job-Lease are the HTTP runner's own."""
    async with HttpTarget() as target:
        await perform(web_service(target.url), idempotency_key="order-7", lease_seq=41)
    (seen,) = target.requests
    assert (seen.header("idempotency-key"), seen.header("x-job-lease")) == ("order-7", "41")


async def test_a_structured_answer_is_its_data() -> None:
    """A function that answers with a CloudEvent means what is in it."""
    async with HttpTarget() as target:
        answer = {"specversion": "1.0", "id": "1", "source": "/f", "type": "done", "data": {"n": 1}}
        target.script("/echo", reply(200, answer, content_type="application/cloudevents+json"))
        wanted = await perform(web_service(target.url, cloud_events="structured"))
        plain = await perform(web_service(target.url))
    assert wanted.outcome == Succeeded({"n": 1})
    assert plain.outcome == Succeeded(answer)


async def test_a_price_makes_a_cost_and_no_price_none() -> None:
    """Other providers cost what the registry says, by wall time and stated memory; unknown stays unknown."""
    async with HttpTarget() as target:
        priced = await perform(
            web_service(target.url, price_per_invocation=0.5, price_per_gb_second=0.1, memory_mb=512)
        )
        unknown = await perform(web_service(target.url))
    assert 0.5 < priced.usage["cost_usd"] < 0.5 + 0.05 * priced.usage["duration_seconds"] + 1e-6
    assert "cost_usd" not in unknown.usage


def test_a_cost_limit_that_cannot_be_kept_is_refused() -> None:
    """max_cost_per_hour without a price is no limit, so it is no configuration either."""
    service = web_service("https://f.example", policy=replace(POLICY, max_cost_per_hour=1.0))
    with pytest.raises(ConfigError, match="cannot be kept"):
        ServerlessRunner().validate_config(service)
