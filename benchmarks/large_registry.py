"""A registry of any size, as a company would have it: four execution types, policies, shorthand and full schemas.

    python benchmarks/large_registry.py 1000 > build/large.yaml      1,000 services, 5,000 operations

The same number gives the same text, to the byte.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

OPERATIONS = 5  # of each service

HTTP = """\
  - name: {name}
    type: api
    category: {category}
    execution_type: http
    runner_config:
      base_url: "https://{host}/v{version}"
      auth_type: bearer
      auth_config:
        token_env_var: TEAM_{number}_TOKEN
      timeout: 30s
      retry_config:
        max_retries: 4
        backoff_factor: 2.0
    security_policy:
      allowed_domains: ["{host}"]
      max_request_size: 64KB
      rate_limit_per_minute: 600
      circuit_breaker: {{failure_threshold: 5, recovery_timeout: 1m}}
    operations:
"""
SHELL = """\
  - name: {name}
    type: script
    category: {category}
    execution_type: shell
    runner_config:
      working_directory: "/srv/team{number}/in"
      environment: {{LEVEL: "{version}", LANG: C.UTF-8}}
    security_policy:
      allowed_commands: ["/opt/team{number}/bin/convert"]
      working_directory_restrictions: ["/srv/team{number}"]
      resource_limits:
        cpu_cores: 1.5
        memory_mb: 512
        pids: 32
      max_execution_time: 5m
    operations:
"""
DOCKER = """\
  - name: {name}
    type: container
    category: {category}
    execution_type: docker
    runner_config:
      image: "registry.example.com/team{number}/score@sha256:{digest}"
      volumes:
        - {{host_path: "/models/team{number}", container_path: "/models", mode: ro}}
    security_policy:
      allowed_images: ["registry.example.com/team{number}/score@sha256:{digest}"]
      volume_restrictions:
        allowed_host_paths: ["/models/team{number}"]
        max_volumes: 2
      resource_limits: {{cpu_cores: 2, memory: 2GiB, pids: 128}}
    operations:
"""
SERVERLESS = """\
  - name: {name}
    type: function
    category: {category}
    execution_type: serverless
    runner_config:
      provider: aws
      function_name: "team{number}-resize"
      region: eu-west-1
      memory_mb: 1GiB
      timeout: 60
    security_policy:
      allowed_providers: [aws]
      allowed_regions: [eu-west-1]
      allowed_functions: ["team{number}-resize"]
      cost_limits: {{max_invocations_per_hour: 1000, max_cost_per_hour: 2.5}}
    operations:
"""

SHORTHAND = """\
      - name: {name}
        input_schema: {{reference: string, amount: integer, note: string?}}
        output_schema: {{id: string}}
        timeout: 20s
"""
FULL = """\
      - name: {name}
        input_schema:
          type: object
          properties:
            reference: {{type: string, maxLength: 64}}
            amount: {{type: integer, minimum: {number}}}
            note: {{enum: [urgent, normal, low]}}
          required: [reference, amount]
          additionalProperties: false
        output_schema: {{id: string}}
        timeout: 20s
"""
HOW = {
    "http": '        request: {{method: PUT, path: "/{category}/{{reference}}"}}\n',
    "shell": '        argv: ["/opt/team{number}/bin/convert", "--", "{{reference}}", "{{amount}}"]\n',
    "docker": '        command: ["python", "score.py", "{{reference}}", "{{amount}}"]\n',
    "serverless": '        payload: {{key: "{{reference}}", width: "{{amount}}", note: "{{note}}"}}\n',
}
KINDS = {"http": HTTP, "shell": SHELL, "docker": DOCKER, "serverless": SERVERLESS}
#: How often each occurs: as in a company where most of it is somebody's API.
MIX = ("http", "http", "shell", "http", "docker", "http", "serverless", "http")
CATEGORIES = ("payments", "shipping", "media", "ledger", "search", "mail")


def large_registry(services: int) -> str:
    """Return a registry of so many services, each with five operations; every fifth operation has a full schema."""
    return "services:\n" + "".join(_service(number, f"{number:04d}") for number in range(services))


def _service(number: int, label: str) -> str:
    kind, category = MIX[number % len(MIX)], CATEGORIES[number % len(CATEGORIES)]
    values = {
        "name": f"{category}_{label}",
        "category": category,
        "number": number,
        "version": 1 + number % 3,
        "host": f"{category}-{number}.example.com",
        "digest": f"{number:064x}",
    }
    return KINDS[kind].format(**values) + "".join(_operations(kind, values))


def _operations(kind: str, values: dict[str, object]) -> Iterator[str]:
    for index in range(OPERATIONS):
        template = FULL if index == OPERATIONS - 1 else SHORTHAND
        yield (template + HOW[kind]).format(**{**values, "name": f"do_{index}"})


if __name__ == "__main__":
    sys.stdout.write(large_registry(int(sys.argv[1])))
