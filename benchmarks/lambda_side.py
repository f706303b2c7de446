"""One side of the Lambda benchmark: the same function, invoked one after another; prints its milliseconds as JSON.

lambda_side.py runner URL COUNT FUNCTION      through ServerlessRunner
lambda_side.py boto3 URL COUNT FUNCTION       a bare boto3 client, with its own defaults but for the endpoint
lambda_side.py serve                          the far end: AWS's runtime client behind an Invoke API; prints its URL
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.lambda_host import LambdaHost
from support.serverless_calls import aws_service, make_call, make_context

from specql_jobs.cli.worker_process import in_loop
from specql_jobs.runners.serverless import ServerlessRunner

KEYS = {"AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCHB", "AWS_SECRET_ACCESS_KEY": "bench-secret-key-0123456789"}
#: Function -> what it is sent, and what it answers: at once, and after 25 ms.
CALLS: dict[str, tuple[Any, Any]] = {"echo": ({"sizes": [64, 128, 256]},) * 2, "nap": ({"seconds": 0.025}, "slept")}
WARM_UP = 20


async def runner(url: str, count: int, function: str) -> list[float]:
    """Plan and execute: what a worker does for each job once its input is read."""
    used, service = ServerlessRunner(), aws_service(url, function)
    (payload, wanted), found = CALLS[function], []
    spec = used.validate_config(service)
    for _ in range(count + WARM_UP):
        before = time.perf_counter()
        plan = used.plan(spec, make_call(service, payload))
        result = await used.execute(plan, make_context(policy=service.policy))
        found.append((time.perf_counter() - before) * 1000)
        if result.outcome.output != wanted:  # type: ignore[union-attr] # else it failed, and says so
            raise SystemExit(str(result.outcome))
    await used.aclose()
    return found[WARM_UP:]


def boto3(url: str, count: int, function: str) -> list[float]:
    """The same invocation by a bare client."""
    import boto3 as sdk  # noqa: PLC0415 - not for the other side

    client, found = sdk.client("lambda", region_name="eu-west-1", endpoint_url=url), []
    payload, wanted = CALLS[function]
    for _ in range(count + WARM_UP):
        before = time.perf_counter()
        answer = client.invoke(FunctionName=function, LogType="Tail", Payload=json.dumps(payload).encode())
        if json.loads(answer["Payload"].read()) != wanted:
            raise SystemExit(str(answer))
        found.append((time.perf_counter() - before) * 1000)
    return found[WARM_UP:]


async def serve() -> None:
    """Be the far end until killed."""
    async with LambdaHost() as host:
        for name in CALLS:
            host.function(name, f"support.lambda_functions.{name}")
        print(host.url, flush=True)
        await asyncio.Event().wait()


def main(side: str, *words: str) -> Any:
    """Run one side."""
    os.environ.update(KEYS)
    if side == "serve":
        return asyncio.run(serve())
    asked = words[0], int(words[1]), words[2]
    return in_loop(runner(*asked)) if side == "runner" else boto3(*asked)


if __name__ == "__main__":
    print(json.dumps({"milliseconds": main(*sys.argv[1:])}))
