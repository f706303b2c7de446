"""The HTTP runner over real sockets on 127.0.0.1: what is sent, what comes back, what it means."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from support.builders import JOB_ID, make_service
from support.http_calls import LOCAL, failure, local_service, perform
from support.http_target import HttpTarget, drip, echo, raw, reply, reset, silence

from specql_jobs.core.contract import (
    Cancelled,
    Refused,
    StopReason,
    StopSignal,
    Succeeded,
)
from specql_jobs.core.job import Category
from specql_jobs.core.lifecycle import RetryPolicy
from specql_jobs.core.policy import Policy
from specql_jobs.runners.http import HTTPRunner

# ---- what is sent ---------------------------------------------------------------------------------------------------


async def test_the_input_is_posted_as_json_where_there_is_no_mapping() -> None:
    """Without a mapping the whole input goes to base_url/operation as JSON."""
    async with HttpTarget() as target:
        result = await perform(local_service(target), {"amount": 5, "note": "é"})
    assert result.outcome == Succeeded({"ok": True})
    (seen,) = target.requests
    assert (seen.method, seen.target, seen.json()) == ("POST", "/v1/op", {"amount": 5, "note": "é"})
    assert seen.header("content-type") == "application/json"


async def test_identity_and_lease_travel_with_every_request() -> None:
    """The fence and the stable key reach the target."""
    async with HttpTarget() as target:
        await perform(local_service(target), idempotency_key="order-7", lease_seq=41, attempt=2, correlation_id="c 1")
    (seen,) = target.requests
    assert seen.header("idempotency-key") == "order-7"
    assert seen.header("x-job-id") == str(JOB_ID)
    assert (seen.header("x-job-attempt"), seen.header("x-job-lease")) == ("2", "41")
    assert seen.header("x-correlation-id") == "c%201"


async def test_the_job_id_is_the_key_where_there_is_none_and_a_registry_header_replaces_it() -> None:
    """Idempotency-Key is always there, once; only the registry may replace it."""
    async with HttpTarget() as target:
        await perform(local_service(target))
        await perform(local_service(target, headers={"idempotency-key": "fixed"}))
        mapping = {"request": {"headers": {"Idempotency-Key": "{order}"}}}
        await perform(local_service(target), {"order": "o1"}, mapping=mapping)
        await perform(local_service(target), {}, mapping=mapping)
    keys = [seen.header("idempotency-key") for seen in target.requests]
    assert keys == [str(JOB_ID), "fixed", "o1", str(JOB_ID)]


async def test_a_mapping_fills_path_query_headers_and_body() -> None:
    """Each part of the request comes from its template, values encoded where they stand."""
    mapping = {
        "request": {
            "method": "put",
            "path": "/customers/{id}/notes",
            "query": {"limit": "{limit}", "tag": "{tags}", "skip": "{absent}"},
            "headers": {"X-Tenant": "t-{tenant}"},
            "body": {"text": "{text}", "n": "{limit}", "left_out": "{absent}"},
        }
    }
    values = {"id": "a/../b?c=d", "limit": 5, "tags": ["x y", "ö"], "tenant": 3, "text": 'a"b'}
    async with HttpTarget() as target:
        await perform(local_service(target), values, mapping=mapping)
    (seen,) = target.requests
    assert seen.method == "PUT"
    assert seen.target == "/v1/customers/a%2F..%2Fb%3Fc%3Dd/notes?limit=5&tag=x%20y&tag=%C3%B6"
    assert seen.header("x-tenant") == "t-3"
    assert seen.json() == {"text": 'a"b', "n": 5}


@pytest.mark.parametrize(
    ("body", "values", "sent", "kind"),
    [
        ("form", {"a": 1, "b": [True, "x&y"], "c": None}, b"a=1&b=true&b=x%26y", "application/x-www-form-urlencoded"),
        ("raw", {"body": "<a/>"}, b"<a/>", "text/plain; charset=utf-8"),
        ("none", {"a": 1}, b"", ""),
        ("{items}", {"items": [1, {"b": 2}]}, b'[1,{"b":2}]', "application/json"),
    ],
)
async def test_each_kind_of_body(body: str, values: dict[str, Any], sent: bytes, kind: str) -> None:
    """A body is JSON, a form, raw text, nothing, or one field of the input."""
    async with HttpTarget() as target:
        await perform(local_service(target), values, mapping={"request": {"path": "/x", "body": body}})
    (seen,) = target.requests
    assert (seen.body, seen.header("content-type")) == (sent, kind)
    assert seen.header("content-length") == str(len(sent))


async def test_an_input_endpoint_is_honoured_as_specql_writes_it() -> None:
    """`endpoint`, `method`, `payload` and `headers` of the input make the request, as a path or as a URL."""
    async with HttpTarget() as target:
        service = local_service(target)
        asked = {"endpoint": "/charges?x=1", "method": "PATCH", "payload": {"a": 1}, "headers": {"Prefer": "wait=5"}}
        await perform(service, asked)
        await perform(service, {"endpoint": f"{target.url}/other", "amount": 2})
        await perform(make_service(policy=LOCAL), {"endpoint": f"{target.url}/free", "method": "GET"})
    one, two, three = target.requests
    assert (one.method, one.target, one.json()) == ("PATCH", "/v1/charges?x=1", {"a": 1})
    assert one.header("prefer") == "wait=5"
    assert (two.method, two.target, two.json()) == ("POST", "/other", {"amount": 2})
    assert (three.method, three.target, three.body) == ("GET", "/free", b"")


async def test_one_connection_serves_many_jobs() -> None:
    """Connections are kept: no client, handshake or connection per job."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        for _ in range(20):
            await perform(local_service(target), runner=runner)
        await runner.aclose()
    assert (len(target.requests), target.connections) == (20, 1)


# ---- what an answer means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "output"),
    [
        (reply(200, {"id": 1}), {"id": 1}),
        (reply(201, [1, 2]), [1, 2]),
        (reply(200, b"3", content_type="application/vnd.x+json"), 3),
        (reply(200, b"\xef\xbb\xbf{}", content_type="application/json"), {}),
        (reply(200, '{"a":1}'), {"a": 1}),
        (reply(200, "fine"), {"body": "fine", "content_type": "text/plain"}),
        (reply(200, "{not json"), {"body": "{not json", "content_type": "text/plain"}),
        (reply(200, b"caf\xe9", content_type="text/plain; charset=ISO-8859-1"), None),
        (reply(200, b"\x89PNG", content_type="image/png"), None),
        (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), {}),
        (reply(200, ""), {}),
        (reply(200, b'{"a":"x\\u0000\\ud800y"}', content_type="application/json"), {"a": "x\ufffd\ufffdy"}),
    ],
)
async def test_a_success_becomes_json_able_output(script: Any, output: Any) -> None:
    """JSON as parsed, text and bytes in an object, nothing as an empty object; nothing that Postgres cannot store."""
    special = {"text": {"body": "café", "content_type": "text/plain"}}
    special["png"] = {"body": "iVBORw==", "content_type": "image/png", "encoding": "base64"}
    async with HttpTarget() as target:
        target.script("/v1/op", script)
        result = await perform(local_service(target))
    assert isinstance(result.outcome, Succeeded), result.outcome
    assert result.outcome.output == output or (output is None and result.outcome.output in special.values())


@pytest.mark.parametrize("body", [b"{oops", b"NaN", b'{"a":1e999}', b"[" * 5000, b"1" * 5000, b"\xff{}"])
async def test_bad_json_is_an_invalid_output(body: bytes) -> None:
    """What says that it is JSON must be: no NaN, no infinity, no endless number, no deep nesting."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(200, body, content_type="application/json"))
        failed = failure(await perform(local_service(target)))
    assert (failed.category, failed.retryable) == (Category.INVALID_OUTPUT, False)
    assert failed.message.startswith("the answer to POST http://127.0.0.1")


@pytest.mark.parametrize(
    ("status", "category", "retryable"),
    [
        (400, Category.TARGET_ERROR, False),
        (401, Category.TARGET_ERROR, False),
        (402, Category.TARGET_ERROR, False),
        (304, Category.TARGET_ERROR, False),
        (408, Category.TARGET_UNAVAILABLE, True),
        (425, Category.TARGET_UNAVAILABLE, True),
        (429, Category.TARGET_UNAVAILABLE, True),
        (500, Category.TARGET_UNAVAILABLE, True),
        (503, Category.TARGET_UNAVAILABLE, True),
        (999, Category.INVALID_OUTPUT, False),
    ],
)
async def test_statuses_map_to_categories(status: int, category: Category, retryable: bool) -> None:
    """4xx is the target's no, busy and broken are worth another attempt, an impossible status is an invalid answer."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(status))
        result = await perform(local_service(target))
    failed = failure(result)
    assert (failed.category, failed.retryable) == (category, retryable)
    assert f"HTTP status {status} from POST {target.url}/v1/op" in failed.message
    assert result.usage["status_code"] == status


async def test_an_error_message_quotes_the_target_on_one_line() -> None:
    """The start of an error body is in the message without control characters; the body is kept as output."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(402, "no\x1b[31m money\r\n" + "x" * 400))
        failed = failure(await perform(local_service(target), {"endpoint": "/op?key=private"}))
    assert "no [31m money x" in failed.message
    assert len(failed.message) < 300
    assert "private" not in failed.message
    assert failed.output["status_code"] == 402


async def test_retry_status_codes_replace_the_list() -> None:
    """retry_config.retry_status_codes says which statuses are retried, and no other is."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(503), reply(409), reply(409))
        service = local_service(target, retry_config={"retry_status_codes": [409]})
        results = [await perform(service), await perform(service)]
        results.append(await perform(replace(local_service(target), retry=RetryPolicy(retry_status_codes=(409,)))))
    assert [failure(result).retryable for result in results] == [False, True, True]


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("99999999999999", 86_400, 86_400),
        (format_datetime(datetime.now(UTC) + timedelta(seconds=9000), usegmt=True), 3000, 9000),
        ("-5", None, None),
        ("soon", None, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None, None),
    ],
)
async def test_retry_after_is_seconds_or_a_date(value: str, low: float | None, high: float | None) -> None:
    """Retry-After is a bounded number of seconds; what is past, negative or garbage is ignored."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(429, retry_after=value))
        failed = failure(await perform(local_service(target)))
    if low is None or high is None:
        assert failed.retry_after is None
    else:
        assert failed.retry_after is not None
        assert low <= failed.retry_after <= high


# ---- no answer ------------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_unavailable() -> None:
    """Nobody listening is worth another attempt, in a plain sentence."""
    async with HttpTarget() as target:
        service = local_service(target)
    failed = failure(await perform(service))
    assert (failed.category, failed.retryable) == (Category.TARGET_UNAVAILABLE, True)
    assert failed.message == f"POST {service.runner_config['base_url']}/op: 127.0.0.1 refused the connection"


@pytest.mark.parametrize(
    "script",
    [
        reset,
        raw(b"", close=True),
        raw(b"SSH-2.0-OpenSSH\r\n", close=True),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", close=True),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000),
    ],
)
async def test_a_broken_answer_is_unavailable(script: Any) -> None:
    """Resets, half answers and what is no HTTP are worth another attempt and never show a Python exception."""
    async with HttpTarget() as target:
        target.script("/v1/op", script)
        failed = failure(await perform(local_service(target)))
    assert (failed.category, failed.retryable) == (Category.TARGET_UNAVAILABLE, True)
    assert "Error" not in failed.message


@pytest.mark.parametrize(
    "script",
    [
        silence,
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_one_deadline_holds_for_everything(script: Any) -> None:
    """Silence and drips of bytes, headers or interim answers end at the deadline, and the connection is closed."""
    async with HttpTarget() as target:
        target.script("/v1/op", script)
        runner = HTTPRunner()
        result = await perform(local_service(target), runner=runner, seconds=0.2)
        await target.hung_up()
        target.script("/v1/op", reply(200, {"after": True}))
        assert (await perform(local_service(target), runner=runner)).outcome == Succeeded({"after": True})
        await runner.aclose()
    failed = failure(result)
    assert (failed.category, failed.retryable) == (Category.TIMEOUT, True)
    assert result.usage["duration_seconds"] >= 0.2


async def test_a_cancelled_job_stops_and_closes_its_connection() -> None:
    """Cancelling ends the request at once, and the outcome says so."""
    stop = StopSignal()
    async with HttpTarget() as target:
        target.script("/v1/op", silence)
        running = asyncio.ensure_future(perform(local_service(target), stop=stop))
        await target.asked()
        stop.request(StopReason.CANCELLED)
        result = await running
        await target.hung_up()
    assert isinstance(result.outcome, Cancelled)


async def test_many_stopped_jobs_leave_a_working_pool() -> None:
    """Stopped requests give their place back: later ones on the same pool are served."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/v1/op", silence)
        stopped = (perform(local_service(target), runner=runner, seconds=0.1) for _ in range(50))
        await asyncio.gather(*stopped)
        target.script("/v1/op", reply(200, {"ok": 1}))
        results = await asyncio.gather(*(perform(local_service(target), runner=runner) for _ in range(50)))
        await runner.aclose()
        await target.hung_up()
    assert all(result.outcome == Succeeded({"ok": 1}) for result in results)


# ---- redirects ------------------------------------------------------------------------------------------------------


async def test_redirects_are_followed_only_as_far_as_policy_says() -> None:
    """With max_redirects 0 a redirect is the target's no; with 2 the third is."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(307, location="/a"))
        target.script("/a", reply(307, location="b"))
        target.script("/b", reply(307, location=f"{target.url}/c"))
        none = failure(await perform(local_service(target)))
        two = failure(await perform(local_service(target, replace(LOCAL, max_redirects=2))))
        three = await perform(local_service(target, replace(LOCAL, max_redirects=3)), {"a": 1})
    assert none.category is two.category is Category.TARGET_ERROR
    assert "max_redirects" in none.message
    assert three.outcome == Succeeded({"ok": True})
    assert target.requests[-1].json() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "method", "sent"),
    [(303, "POST", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT"), (302, "GET", "GET"), (302, "POST", "")],
)
async def test_only_303_turns_a_write_into_a_get(status: int, method: str, sent: str) -> None:
    """307 and 308 repeat the request, 303 reads the result, 301 and 302 never silently drop a write."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(status, location="/there"))
        service = local_service(target, replace(LOCAL, max_redirects=1))
        result = await perform(service, {"a": 1}, mapping={"request": {"method": method, "path": "/op"}})
    assert [seen.method for seen in target.requests[1:]] == ([sent] if sent else [])
    assert isinstance(result.outcome, Succeeded) == bool(sent)
    assert target.requests[-1].body == (b"" if "GET" in (sent, method) else b'{"a":1}')


# ---- what is kept ---------------------------------------------------------------------------------------------------


async def test_usage_and_log_are_filled_and_hold_no_secret() -> None:
    """Usage counts real bytes; the log shows heads, with a mask for each credential."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(200, {"a": 1}, set_cookie="session=abcdefgh"))
        service = local_service(
            target, auth_type="bearer", auth_config={"token_env_var": "T"}, headers={"X-Api-Key": "inline-key-1"}
        )
        result = await perform(service, secrets={"T": "sk-very-secret"})
    (seen,) = target.requests
    assert seen.header("authorization") == "Bearer sk-very-secret"
    assert set(result.usage) == {"duration_seconds", "network_bytes", "status_code"}
    assert result.usage["network_bytes"] > len(seen.body) + 100
    (log,) = result.logs
    assert log.stream == "http"
    assert f"> POST {target.url}/v1/op" in log.text
    assert "< 200" in log.text
    for secret in ("sk-very-secret", "inline-key-1", "abcdefgh"):
        assert secret not in log.text


async def test_an_echoed_secret_is_masked_in_output_and_message() -> None:
    """A target that repeats our credentials does not get them into the row."""
    async with HttpTarget() as target:
        target.script("/v1/op", echo, reply(400, "bad token sk-very-secret"))
        service = local_service(target, auth_type="bearer", auth_config={"token_env_var": "T"})
        echoed = await perform(service, secrets={"T": "sk-very-secret"})
        failed = failure(await perform(service, secrets={"T": "sk-very-secret"}))
    assert isinstance(echoed.outcome, Succeeded)
    assert echoed.outcome.output["headers"]["Authorization"] == "Bearer •••"
    assert "sk-very-secret" not in failed.message + str(failed.output)


async def test_an_oversized_answer_is_cut_off_and_not_retried() -> None:
    """More than max_response_size is resource_exhausted, whatever Content-Length says, and the connection ends."""
    small = replace(LOCAL, max_response_size=1000)
    async with HttpTarget() as target:
        target.script(
            "/v1/op", reply(200, "x" * 1001), drip(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 500), reply(200, "z" * 1000)
        )
        stated = failure(await perform(local_service(target, small)))
        unstated = failure(await perform(local_service(target, small)))
        exact = await perform(local_service(target, small))
        await target.hung_up()
    for failed in (stated, unstated):
        assert (failed.category, failed.retryable) == (Category.RESOURCE_EXHAUSTED, False)
        assert "max_response_size (1000 bytes)" in failed.message
    assert isinstance(exact.outcome, Succeeded)


async def test_a_missing_secret_is_named_and_nothing_is_sent() -> None:
    """Without its secret a request is not made; the message says which one and how to set it."""
    async with HttpTarget() as target:
        service = local_service(target, auth_type="bearer", auth_config={"token_env_var": "NOT_SET_HERE"})
        failed = failure(await perform(service))
    assert target.requests == []
    assert failed.category is Category.INFRASTRUCTURE
    assert "env:NOT_SET_HERE is not set" in failed.message


async def test_policy_is_asked_about_the_resolved_address() -> None:
    """A name that resolves to a private address is refused where private networks are not allowed."""
    async with HttpTarget() as target:
        policy = Policy(allowed_domains=("localhost",), allow_http=True)
        service = make_service(runner_config={"base_url": f"http://localhost:{target.port}"}, policy=policy)
        result = await perform(service)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.violations[0].code == "private_address"
    assert target.connections == 0
