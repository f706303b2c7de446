"""What the demo plays: a registry, the jobs that are enqueued, and how each kind is expected to end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...core.job import NewJob

REGISTRY = """\
# Written by `specql-jobs demo`. Two services: an HTTP one on this machine, and sandboxed local processes.
services:
  - name: payments
    type: payment
    category: financial
    execution_type: http
    runner_config:
      base_url: "{url}"
      retry_config: {{max_retries: 3, backoff_factor: 1.5}}
    security_policy:
      allowed_domains: ["127.0.0.1"]
      allow_private_networks: true   # the demo's server is on this machine
    operations:
      - name: charge
        input_schema: {{amount: integer, currency: string}}
        output_schema: {{id: string, status: string}}
        request: {{method: POST, path: /charges, body: json}}
      - name: refund                 # its server is overloaded: 503 twice, then it works
        input_schema: {{charge_id: string}}
        request: {{method: POST, path: "/refunds/{{charge_id}}", body: json}}
      - name: decline                # its server says no: 402
        input_schema: {{amount: integer}}
        request: {{method: POST, path: /declined, body: json}}
      - name: call                   # takes an endpoint from the job, inside allowed_domains only
        input_schema: {{endpoint: string, method: string?}}

  - name: reports
    type: script
    category: reporting
    execution_type: shell
    security_policy:
      allowed_commands: ["/usr/bin/sha256sum", "/usr/bin/sleep"]
      resource_limits: {{memory_mb: 64, pids: 8}}
    operations:
      - name: fingerprint            # reads its input as JSON on stdin
        input_schema: {{text: string}}
        argv: ["/usr/bin/sha256sum", "-"]
      - name: peek                   # not in allowed_commands
        input_schema: {{}}
        argv: ["/usr/bin/cat", "/etc/shadow"]
      - name: nap                    # takes longer than it may
        input_schema: {{seconds: integer}}
        argv: ["/usr/bin/sleep", "{{seconds}}"]
        timeout: 2
        max_retries: 0
"""


@dataclass(frozen=True, slots=True)
class Act:
    """One kind of job of the demo: how many, with which input, and how each is expected to end."""

    service: str
    operation: str
    inputs: tuple[dict[str, Any], ...]
    status: str
    category: str | None
    lesson: str  # what a person sees here

    @property
    def name(self) -> str:
        """SERVICE.OPERATION."""
        return f"{self.service}.{self.operation}"

    def jobs(self) -> list[NewJob]:
        """Return the jobs to enqueue."""
        return [NewJob(self.service, self.operation, json.dumps(data)) for data in self.inputs]


ACTS = (
    Act(
        "payments",
        "charge",
        tuple({"amount": 100 * n, "currency": "EUR"} for n in range(1, 13)),
        "completed",
        None,
        "HTTP calls that work",
    ),
    Act(
        "payments",
        "refund",
        tuple({"charge_id": f"ch_{n}"} for n in range(1, 4)),
        "completed",
        None,
        "503 twice, retried with backoff, then completed",
    ),
    Act("payments", "decline", ({"amount": 1},), "failed", "target_error", "402: the target said no, not retried"),
    Act(
        "payments",
        "call",
        ({"endpoint": "https://169.254.169.254/latest/meta-data"},),
        "failed",
        "policy_violation",
        "refused: not in allowed_domains",
    ),
    Act(
        "reports",
        "fingerprint",
        tuple({"text": f"page {n}"} for n in range(1, 7)),
        "completed",
        None,
        "sandboxed processes, measured by their cgroup",
    ),
    Act("reports", "peek", ({},), "failed", "policy_violation", "refused: not in allowed_commands"),
    Act("reports", "nap", ({"seconds": 60},), "failed", "timeout", "stopped after 2 s, with all its children"),
)
