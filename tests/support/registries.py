"""Registries written inside a test, read as a user's file would be."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml

from specql_jobs.core.registry.load import Loaded, load_text
from specql_jobs.core.registry.model import Finding, Registry, Severity

FIXTURES = Path(__file__).parents[1] / "fixtures" / "registries"


def read(text: str, environment: str = "", **variables: str) -> Loaded:
    """Read an indented text as the file f.yaml."""
    return load_text(textwrap.dedent(text), "f.yaml", environment=environment, variables=variables)


def far_end(url: str, service: str, **operations: dict[str, Any]) -> str:
    """Return a registry of one HTTP service on this host: each operation POSTs its input to the path of its name."""
    calls = {
        name: {
            "input_schema": {"n": "integer?"},
            "request": {"method": "POST", "path": f"/{name}", "body": "json"},
            **terms,
        }
        for name, terms in operations.items()
    }
    policy = {"allowed_domains": ["127.0.0.1"], "allow_private_networks": True}
    terms = {"execution_type": "http", "runner_config": {"base_url": url}, "security_policy": policy}
    return yaml.safe_dump({"services": {service: {**terms, "operations": calls}}})


def good(loaded: Loaded) -> Registry:
    """Return the registry; fail with the findings where there is none."""
    assert loaded.registry is not None, loaded.findings
    return loaded.registry


def errors(loaded: Loaded) -> list[Finding]:
    """Return the findings that are errors."""
    return [found for found in loaded.findings if found.severity is Severity.ERROR]


def token(text: str, found: Finding) -> str:
    """Return the very text that a finding points at."""
    line = textwrap.dedent(text).split("\n")[found.position.line - 1]
    return line[found.position.column - 1 : found.position.end_column - 1]
