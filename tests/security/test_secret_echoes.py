"""Targets that send back the very secret they were sent: it ends in no row, no log and no message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from support.http_target import HttpTarget, raw, reply
from support.processes import Started
from support.queue import queue

ECHO: Final = """
services:
  echo:
    execution_type: http
    runner_config: {{base_url: "{url}", auth_type: bearer, auth_config: {{token_env_var: ECHO_TOKEN}}}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true}}
    operations: {{say: {{input_schema: {{}}, request: {{method: POST, path: "{path}", body: json}}, max_retries: 0}}}}
"""
KEPT: Final = """
    SELECT to_jsonb(j)::text AS text FROM jobs.tb_job_run j
    UNION ALL SELECT to_jsonb(a)::text FROM jobs.tb_job_attempt a
    UNION ALL SELECT to_jsonb(l)::text FROM jobs.tb_job_log l
"""


@pytest.mark.parametrize(
    ("token", "path_and_end"),
    [
        ("12345678", ("/number", "completed", None)),
        ("12345678", ("/key", "completed", None)),
        ("12345678", ("/refused", "failed", "target_error")),
        ('ab"c\\def-gh', ("/header", "failed", "target_unavailable")),
        ('ab"c\\def-gh', ("/text", "completed", None)),
    ],
)
async def test_an_echoed_secret_is_nowhere_in_row_log_or_listing(
    dsn: str, tmp_path: Path, spawn: Callable[..., Started], token: str, path_and_end: tuple[str, str, str | None]
) -> None:
    """Whatever form a target sends its token back in, as a number too, the job ends and only a mask is kept."""
    path, *end = path_and_end
    async with HttpTarget() as target, queue(dsn) as it:
        text = token.encode()
        target.script("/number", reply(200, b'{"n": [%s]}' % text, content_type="application/json"))
        target.script("/key", reply(200, b'{"%s": 1}' % text, content_type="application/json"))
        target.script("/refused", reply(402, b'{"n": %s}' % text, content_type="application/json"))
        target.script("/header", raw(b"HTTP/1.1 200 OK\r\nX-%s: 1\r\n\r\n" % text))
        target.script("/text", reply(200, json.dumps({"t": token}).encode(), content_type="application/json"))
        file = tmp_path / "services.yaml"
        file.write_text(ECHO.format(url=target.url, path=path))
        await it.rows("SELECT jobs.enqueue('echo', 'say')")
        worker = spawn(
            "worker", "--registry", str(file), "--until-empty", "-v", "--dsn", dsn, env={"ECHO_TOKEN": token}
        )
        assert await asyncio.to_thread(worker.finish) == 0
        (row,) = await it.rows("SELECT status, error_category FROM jobs.tb_job_run")
        kept = await it.rows(KEPT)
    assert [row["status"], row["error_category"]] == end
    for form in (token, json.dumps(token)[1:-1], repr(token)[1:-1], repr(text)[2:-1]):
        assert form not in "".join(each["text"] for each in kept)
        assert form not in worker.said()
