"""On which terms a worker works, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..retention import Retention
from ..store.store import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves. Seconds, unless said otherwise."""

    dsn: str
    host: str
    pid: int
    version: str
    concurrency: int = 10  # jobs at a time
    scope: Scope = field(default_factory=Scope)
    execution_types: tuple[str, ...] = ()
    drain_timeout: float = 30.0
    until_empty: bool = False
    max_jobs: int | None = None
    retention: Retention = field(default_factory=Retention)  # what this worker prunes; nothing unless stated
    patience: float = 60.0  # without a database, once it was there

    def row(self, digest: str) -> dict[str, Any]:
        """Return what jobs.tb_worker says of such a worker."""
        return {
            "version": self.version,
            "types": list(self.execution_types),
            "services": None if self.scope.only is None else list(self.scope.only),
            "concurrency": self.concurrency,
            "digest": digest,
        }


class End(StrEnum):
    """How a worker ended."""

    DRAINED = "drained"
    GAVE_BACK = "gave jobs back"
    LOST = "declared lost"
