"""The library: what a program or a third-party runner may import from `specql_jobs.core`.

Names are loaded when they are first asked for, because `specql-jobs --help` passes through here too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import ExecutionContext, ExecutionRunner, JobResult, JobRunner, ResourceRequirements
    from .job import ExecutionType, JobRecord
    from .policy import Policy, judge
    from .specql.job_insert import CallServiceStepCompiler

_HOMES = {
    "CallServiceStepCompiler": "specql.job_insert",
    "ExecutionContext": "contract",
    "ExecutionRunner": "contract",
    "ExecutionType": "job",
    "JobRecord": "job",
    "JobResult": "contract",
    "JobRunner": "contract",
    "Policy": "policy",
    "ResourceRequirements": "contract",
    "judge": "policy",
}

__all__ = [
    "CallServiceStepCompiler",
    "ExecutionContext",
    "ExecutionRunner",
    "ExecutionType",
    "JobRecord",
    "JobResult",
    "JobRunner",
    "Policy",
    "ResourceRequirements",
    "judge",
]


def __getattr__(name: str) -> Any:
    """Return a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
