"""What tests ask of a job's result, whatever ran it."""

from __future__ import annotations

from typing import Any

from specql_jobs.core.contract import Failed, JobResult, Refused, Succeeded
from specql_jobs.core.job import Category


def succeeded(result: JobResult) -> Any:
    """Return the output of a job that succeeded."""
    assert isinstance(result.outcome, Succeeded), result
    return result.outcome.output


def failed(result: JobResult, category: Category) -> Failed:
    """Return the failure of a job that failed for this reason."""
    assert isinstance(result.outcome, Failed), result
    assert result.outcome.category is category, result.outcome
    return result.outcome


def refused(result: JobResult) -> dict[str, str]:
    """Return the violations of a refused job: code to message."""
    assert isinstance(result.outcome, Refused), result
    return {violation.code: violation.message for violation in result.outcome.violations}


def stdout(result: JobResult) -> str:
    """Return what the job wrote to stdout."""
    return "".join(chunk.text for chunk in result.logs if chunk.stream == "stdout")
