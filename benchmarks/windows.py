"""Whether a rate and a concurrency limit hold in every window, and how much of them is used, as the target sees it.

    python benchmarks/windows.py [MINUTES] [RATE] [CONCURRENCY] [WORKERS]

Worker processes call an HTTP server in this process; it notes when each request began and ended, on its own clock.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from measuring import database, migrate, postgres

TAKES = 0.5  # seconds a request is held
WINDOW = 60.0

REGISTRY = """
services:
  limited:
    execution_type: http
    runner_config: {{base_url: "http://127.0.0.1:{port}"}}
    security_policy:
      allowed_domains: ["127.0.0.1"]
      allow_private_networks: true
      rate_limit_per_minute: {rate}
      max_concurrency: {concurrency}
    operations:
      call: {{input_schema: {{n: integer}}, request: {{method: POST, path: /call, body: json}}}}
"""


class Target(BaseHTTPRequestHandler):
    """Notes when each call begins and ends."""

    protocol_version = "HTTP/1.1"
    spans: list[tuple[float, float]] = []  # noqa: RUF012 - one server, one ledger

    def do_POST(self) -> None:
        """Hold the request for a moment."""
        began = time.monotonic()
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(TAKES)
        self.spans.append((began, time.monotonic()))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def most_in_a_window(starts: Sequence[float]) -> int:
    """Return the most starts in any window of 60 s."""
    return max(sum(1 for at in starts[n:] if at < first + WINDOW) for n, first in enumerate(starts))


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """Return the most requests that were open at the same time."""
    return max(sum(1 for began, ended in spans if began <= at < ended) for at, _ in spans)


def measure(minutes: float, rate: int, concurrency: int, workers: int) -> None:
    """Run workers over more jobs than the limits allow, and print what the target saw."""
    with ExitStack() as stack:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        dsn = stack.enter_context(database(stack.enter_context(postgres())))
        migrate(dsn)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        registry = folder / "services.yaml"
        registry.write_text(REGISTRY.format(port=server.server_port, rate=rate, concurrency=concurrency))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT jobs.enqueue('limited', 'call', jsonb_build_object('n', n)) FROM generate_series(1, %s) AS n",
                (int(rate * (minutes + 2)),),
            )
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "specql_jobs.cli", "worker", "-q", "--registry", str(registry), "--dsn", dsn]
            )
            for _ in range(workers)
        ]
        time.sleep(minutes * 60)
        for worker in started:
            worker.send_signal(signal.SIGTERM)
        for worker in started:
            worker.wait(60)
    spans = sorted(Target.spans)
    starts = [began for began, _ in spans]
    # From the second minute on: the first begins with a full allowance.
    lasted = starts[-1] - starts[0]
    print(f"{len(starts)} calls in {lasted:.0f} s, {workers} workers, limits {rate} a minute and {concurrency} at once")
    print(f"most in any 60 s: {most_in_a_window(starts)}; most at once: {most_at_once(spans)}")
    whole = int(lasted // WINDOW)
    used = sum(1 for at in starts if at < starts[0] + whole * WINDOW) / (rate * whole) if whole else 0.0
    print(f"used in {whole} whole minutes: {used:.1%}")


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    asked = [*given, *(5.0, 100.0, 5.0, 4.0)[len(given) :]]
    measure(asked[0], *(int(number) for number in asked[1:]))
