"""The registries of the incidents: as they stand when somebody is called, and as they stood before a deploy."""

from __future__ import annotations

_HTTP = """\
# Written by `specql-jobs demo incident {name}`. The far end is a server on this machine.
services:
  - name: {service}
    type: example
    category: demo
    execution_type: http
    runner_config:
      base_url: "{url}"
      retry_config: {{max_retries: 1, backoff_factor: 2}}
    security_policy:
      allowed_domains: ["127.0.0.1"]
      allow_private_networks: true   # the far end is on this machine
    operations:
"""

API_DOWN = (
    _HTTP
    + """\
      - name: charge
        input_schema: {{amount: integer, currency: string}}
        request: {{method: POST, path: /charges, body: json}}
      - name: refund                 # tried for longer: some wait for their next attempt when somebody is called
        input_schema: {{charge_id: string}}
        request: {{method: POST, path: /refunds, body: json}}
        max_retries: 5
      - name: decline                # the target's own no, 402: outage or not, a retry does not help
        input_schema: {{amount: integer}}
        request: {{method: POST, path: /declined, body: json}}
"""
)

WORKER_LOST = (
    _HTTP
    + """\
      - name: build
        input_schema: {{month: string}}
        request: {{method: POST, path: /exports, body: json}}
        timeout: 10m
"""
)

POISON = (
    _HTTP
    + """\
      - name: transcode
        input_schema: {{clip: string, codec: string}}
        request: {{method: POST, path: /transcode, body: json}}
        timeout: 60
"""
)

BEFORE_DEPLOY = (
    _HTTP
    + """\
      - name: charge
        input_schema: {{amount: integer, currency: string}}
        request: {{method: POST, path: /charges, body: json}}
        timeout: 30
      - name: settle                 # its target takes 2 s
        input_schema: {{day: string}}
        request: {{method: POST, path: /settlements, body: json}}
        timeout: 30
        max_retries: 0
"""
)

BAD_DEPLOY = (
    _HTTP
    + """\
      - name: create_charge          # was charge
        input_schema: {{amount: integer, currency: string}}
        request: {{method: POST, path: /charges, body: json}}
        timeout: 30
      - name: settle
        input_schema: {{day: string}}
        request: {{method: POST, path: /settlements, body: json}}
        timeout: 1                   # was 30
        max_retries: 0
"""
)

TENANT_FLOOD = (
    _HTTP
    + """\
      - name: render
        input_schema: {{page: integer}}
        request: {{method: POST, path: /render, body: json}}
"""
)

IMAGE_MISSING = """\
# Written by `specql-jobs demo incident {name}`.
services:
  - name: {service}
    type: example
    category: demo
    execution_type: docker
    runner_config:
      image: {image}
    security_policy:
      allowed_images: ["{image}"]
      resource_limits: {{memory_mb: 64, pids: 16}}
    operations:
      - name: resize
        input_schema: {{width: integer}}
        command: ["/bin/busybox", "echo", "{{width}}"]
        timeout: 30
"""
