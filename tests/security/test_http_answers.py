"""What a hostile target can send: bombs, drips, smuggled framing. Memory, time and the row stay bounded."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from support.http_calls import LOCAL, failure, local_service, perform
from support.http_target import HttpTarget, Script, drip, gzipped, raw, reply

from specql_jobs.core.contract import Failed, Succeeded
from specql_jobs.core.job import Category
from specql_jobs.runners.http import HTTPRunner

MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


def deflated(data: bytes) -> Script:
    """Return an answer in zlib form, which some servers send unasked."""
    return reply(200, zlib.compress(data), content_encoding="deflate", content_type="application/json")


@pytest.mark.parametrize("script", [gzipped(b'{"a": 1}'), deflated(b'{"a": 1}')])
async def test_compressed_answers_are_decoded(script: Script) -> None:
    """gzip is asked for and understood; deflate is understood."""
    async with HttpTarget() as target:
        target.script("/v1/op", script)
        result = await perform(local_service(target))
    assert result.outcome == Succeeded({"a": 1})
    assert target.requests[0].header("accept-encoding") == "gzip"


async def test_a_gzip_bomb_costs_no_memory() -> None:
    """64 MiB of zeros in 64 KiB ends at the cap, long before it is unpacked."""
    bomb = gzip.compress(b"0" * 64 * MIB)
    async with HttpTarget() as target:
        target.script("/v1/op", reply(200, bomb, content_encoding="gzip"))
        service = local_service(target, replace(LOCAL, max_response_size=MIB))
        await perform(service)
        tracemalloc.start()
        failed = failure(await perform(service))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (failed.category, failed.retryable) == (Category.RESOURCE_EXHAUSTED, False)
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    "script",
    [
        reply(200, b"not gzip at all", content_encoding="gzip"),
        reply(200, gzip.compress(b"{}" * 999)[:-9], content_encoding="gzip"),
        reply(200, b"{}", content_encoding="br"),
        reply(200, gzip.compress(gzip.compress(b"{}")), content_encoding="gzip, gzip"),
    ],
)
async def test_a_false_content_coding_is_an_invalid_output(script: Script) -> None:
    """Damaged, unfinished, unknown and stacked codings are refused, not guessed at."""
    async with HttpTarget() as target:
        target.script("/v1/op", script)
        failed = failure(await perform(local_service(target)))
    assert (failed.category, failed.retryable) == (Category.INVALID_OUTPUT, False)


@pytest.mark.parametrize(
    "script",
    [
        raw(CHUNKED + b"\r\nffffffffffffffffffffffff\r\nx"),
        raw(CHUNKED + b"\r\n-5\r\nabcde\r\n0\r\n\r\n"),
        raw(CHUNKED + b"\r\n5;" + b"x" * 200_000),
        raw(CHUNKED + b"\r\n5\r\nabcdeXX"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000),
        raw(b"HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n"),
        raw(b"HTTP/1.1 20000 OK\r\n\r\n"),
    ],
)
async def test_abused_framing_fails_and_is_not_reused(script: Script) -> None:
    """Wrong chunks, contradicting lengths and endless heads end the connection; the next job gets a fresh one."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/v1/op", script, reply(200, {"fresh": True}))
        result = await perform(local_service(target), runner=runner)
        second = await perform(local_service(target), runner=runner)
        await runner.aclose()
    assert isinstance(result.outcome, Failed)
    assert second.outcome == Succeeded({"fresh": True})
    assert target.connections == 2


@pytest.mark.parametrize(
    "surplus",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"bad":1}',
        b"HTTP/1.1 204 No Content\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}H",
    ],
)
async def test_surplus_bytes_are_not_taken_for_the_answer_to_the_next_job(surplus: bytes) -> None:
    """What comes after an answer ends the connection; the next job's answer is its own."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/v1/op", raw(surplus), reply(200, {"good": 1}))
        await perform(local_service(target), runner=runner)
        second = await perform(local_service(target), runner=runner)
        await runner.aclose()
    assert second.outcome == Succeeded({"good": 1})
    assert target.connections == 2


async def test_an_endless_error_body_is_cut() -> None:
    """Of an error only a start is read: the status is reported and the connection closed."""
    async with HttpTarget() as target:
        target.script("/v1/op", drip(b"HTTP/1.1 500 Broken\r\n\r\n", b"e" * 40_000, pause=0.001))
        failed = failure(await perform(local_service(target)))
        await target.hung_up()
    assert failed.category is Category.TARGET_UNAVAILABLE
    assert len(failed.message) < 400
    assert len(json.dumps(failed.output)) <= 20_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"k\\u0000": ["\\udfff"]}', "application/json"),
        (b"a\x00b", "text/plain"),
        ("\u202eevil".encode(), "text/plain; charset=utf-7"),
        (b"\x1f\x8b", "text/plain; charset=zlib_codec"),
        (b"[1,{]", "text/html"),
    ],
)
async def test_output_can_always_be_stored(body: bytes, kind: str) -> None:
    """Whatever the bytes and the declared charset, the output is JSON that Postgres takes: no NUL, no surrogate."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(200, body, content_type=kind))
        outcome: Any = (await perform(local_service(target))).outcome
    stored = json.dumps(outcome.output, allow_nan=False)
    assert "\\u0000" not in stored
    assert "\\udfff" not in stored


async def test_deep_json_is_refused_and_wide_json_is_not() -> None:
    """Nesting is bounded, size alone is the cap's business."""
    async with HttpTarget() as target:
        deep = b"[" * 129 + b"]" * 129
        wide = b"[" + b",".join([b"{}"] * 10_000) + b"]"
        target.script(
            "/v1/op", *(reply(200, text, content_type="application/json") for text in (deep, wide, deep[1:-1]))
        )
        results = [await perform(local_service(target)) for _ in range(3)]
    assert [type(result.outcome) for result in results] == [Failed, Succeeded, Succeeded]
