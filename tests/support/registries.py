"""Registries written inside a test, read as a user's file would be."""

from __future__ import annotations

import textwrap
from pathlib import Path

from specql_jobs.core.registry.load import Loaded, load_text
from specql_jobs.core.registry.model import Finding, Registry, Severity

FIXTURES = Path(__file__).parents[1] / "fixtures" / "registries"


def read(text: str, environment: str = "", **variables: str) -> Loaded:
    """Read an indented text as the file f.yaml."""
    return load_text(textwrap.dedent(text), "f.yaml", environment=environment, variables=variables)


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
