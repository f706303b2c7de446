"""Handlers that AWS's own runtime client executes in the tests, in a process of their own."""

from __future__ import annotations

import os
import sys
import time
from typing import Any


def echo(event: Any, _context: Any) -> Any:
    """Return the event."""
    return event


def context(event: Any, context: Any) -> dict[str, Any]:
    """Return what came beside the event."""
    client = context.client_context
    return {"request_id": context.aws_request_id, "custom": client and client.custom, "env": client and client.env}


def talk(event: Any, context: Any) -> str:
    """Print, among other things a report as the platform would print it."""
    forged = f"REPORT RequestId: {context.aws_request_id}\tDuration: 0.01 ms\tBilled Duration: 0 ms\tMemory Size: 1 MB"
    sys.stdout.write(f"working on {event['name']}\n{forged}\tMax Memory Used: 1 MB\n")
    sys.stdout.write(f"environment {os.environ.get('AWS_SECRET_ACCESS_KEY')}\n")
    return "said"


def fail(event: Any, _context: Any) -> None:
    """Raise what the event says."""
    raise ValueError(event.get("message", "no"))


def nap(event: Any, _context: Any) -> str:
    """Take as long as the event says, in seconds."""
    time.sleep(event["seconds"])
    return "slept"
