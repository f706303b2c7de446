"""moto's server as a process on 127.0.0.1: the AWS APIs of STS, SQS, Lambda and Batch, spoken to by boto3."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from support.lambda_host import REGION
from support.processes import started


@contextmanager
def moto(env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the URL of a fresh server; its Lambda answers with the payload, without Docker."""
    with started(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", env=env) as process:
        process.wait_until(lambda: "Running on" in process.said(), "moto listens")
        url = re.findall(r"Running on (http://127\.0\.0\.1:\d+)", process.said())[0]
        configure(url, {"lambda": {"use_docker": False}})
        yield url


def configure(url: str, settings: dict[str, Any]) -> None:
    """Change moto's own settings."""
    request = urllib.request.Request(f"{url}/moto-api/config", json.dumps(settings).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


def client(api: str, url: str) -> Any:
    """Return a plain boto3 client of the server that `url` is on."""
    import boto3  # noqa: PLC0415 - 100 ms

    root = "/".join(url.split("/")[:3])
    keys = {"aws_access_key_id": "AKIATESTTESTTESTTEST", "aws_secret_access_key": "test-secret-key-0123456789"}
    return boto3.client(api, region_name=REGION, endpoint_url=root, **keys)


def make_queue(url: str, name: str, seconds: int = 30) -> str:
    """Return the URL of a new queue, whose messages are invisible for `seconds` once received."""
    attributes = {"VisibilityTimeout": str(seconds)}
    return str(client("sqs", url).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def waiting_in(queue: str) -> int:
    """Return how many messages a queue holds, invisible ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client("sqs", queue).get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)
