"""The command line as a user meets it: a process with its streams, and JSON held against its published schema."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .processes import COMMAND

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Said:
    """What one command line said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout, valid against the schema that it names."""
        found: dict[str, Any] = json.loads(self.out)
        Draft202012Validator(schema(found["schema"])).validate(found)
        if found["error"] is not None:
            assert found["error"]["exit_code"] == self.code
        return found

    @property
    def data(self) -> Any:
        """The document's data."""
        return self.document["data"]

    @property
    def error(self) -> dict[str, Any]:
        """The document's error."""
        found: dict[str, Any] = self.document["error"]
        return found


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the shipped JSON Schema of `specql-jobs.NAME/v1`."""
    file = name.removeprefix("specql-jobs.").removesuffix("/v1") + ".schema.json"
    found: dict[str, Any] = json.loads(files("specql_jobs.schemas").joinpath("output", file).read_text("utf-8"))
    assert found["$id"] == name
    return found


def specql_jobs(
    *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, folder: Path | None = None
) -> Said:
    """Run `specql-jobs` to its end."""
    done = subprocess.run(
        [str(COMMAND), *arguments],
        input=stdin,
        env={**os.environ, **(env or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


class _Answer(BaseHTTPRequestHandler):
    """`/ok` answers what it was sent, `/no` answers 402."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        status = 402 if self.path.endswith("/no") else 200
        answer = json.dumps({"got": json.loads(body), "authorization": bool(self.headers["Authorization"])}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """Yield the URL of a local HTTP service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


REGISTRY = """\
services:
  pay:
    category: financial
    execution_type: http
    runner_config: {{base_url: "{url}", auth_type: bearer, auth_config: {{token_env_var: PAY_TOKEN}}}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true}}
    operations:
      ok: {{input_schema: {{amount: integer, note: string?}}, request: {{method: POST, path: /ok, body: json}}}}
      no: {{input_schema: {{}}, request: {{method: POST, path: /no, body: json}}}}
      deep: {{input_schema: {{customer: object}}, request: {{method: POST, path: /ok, body: json}}}}
  open:
    category: test
    execution_type: http
    runner_config: {{base_url: "{url}"}}
    security_policy: {{allowed_domains: ["elsewhere.example"]}}
    operations:
      go: {{input_schema: {{}}}}
  box:
    category: test
    execution_type: docker
    runner_config: {{image: "alpine@sha256:{digest}"}}
    security_policy: {{allowed_images: ["alpine@sha256:{digest}"]}}
    operations:
      go: {{input_schema: {{}}, command: ["true"]}}
"""


def write_registry(folder: Path, url: str = "http://127.0.0.1:9") -> Path:
    """Write a registry of HTTP and docker services and return its path."""
    path = folder / "services.yaml"
    path.write_text(REGISTRY.format(url=url, digest="0" * 64), "utf-8")
    return path
