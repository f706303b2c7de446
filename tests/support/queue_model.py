"""What the queue promises, as a few lines of Python: the other half of tests/model/test_queue_model.py.

Knows nothing of SQL. Each verb changes the model as the documented state machine says; what the table then holds has to
be the same. Time is only "due or not": the machine moves `run_at` in the table and says so here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from specql_jobs.core.job import JobRecord

CRASH_BUDGET: Final = 3
DEFAULT_MAX_ATTEMPTS: Final = 3
OPEN: Final = ("pending", "running")


@dataclass
class ModelJob:
    """One job as it should be. `audit` and `attempts_kept`: what was written about ended leases, by lease."""

    id: UUID
    operation: str
    priority: int
    tenant: UUID | None
    key: str | None
    max_attempts: int | None
    due: bool
    status: str = "pending"
    attempts: int = 0
    lease_seq: int = 0
    crash_count: int = 0
    worker: str | None = None
    cancel_requested: bool = False
    category: str | None = None
    audit: dict[int, tuple[str, str]] = field(default_factory=dict)  # lease -> (outcome, status after it)
    attempts_kept: dict[int, str] = field(default_factory=dict)  # lease -> category
    claimed_leases: list[int] = field(default_factory=list)

    @property
    def lane(self) -> tuple[int, str, UUID | None]:
        """Jobs of one lane are claimed strictly in order; between lanes the claim may be fair."""
        return self.priority, self.operation, self.tenant

    @property
    def claimable(self) -> bool:
        """Whether a worker must be given this job when it asks for enough. Pauses and limits belong here."""
        return self.status == "pending" and self.due

    @property
    def allowed_attempts(self) -> int:
        """A crash is bounded by the crash budget, not by max_attempts: each one may cost an attempt more."""
        return (self.max_attempts or DEFAULT_MAX_ATTEMPTS) + self.crash_count

    def holds(self, lease: int) -> bool:
        """Whether that lease may still settle."""
        return self.status == "running" and self.lease_seq == lease

    # ---- verbs ------------------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> None:
        """Give the job to a worker under a new lease."""
        self.status, self.worker = "running", worker
        self.attempts += 1
        self.lease_seq += 1
        self.claimed_leases.append(self.lease_seq)

    def cancel(self) -> str:
        """Return the outcome that the person is told."""
        if self.status == "pending":
            self.status, self.category, self.cancel_requested = "cancelled", "cancelled", True
            return "cancelled"
        if self.status == "running":
            self.cancel_requested = True
            return "requested"
        return f"already_{self.status}"

    def retry(self) -> str:
        """Return the outcome that the person is told."""
        if self.status not in ("failed", "cancelled"):
            return f"already_{self.status}"
        self.status, self.due, self.worker, self.category = "pending", True, None, None
        self.attempts = self.crash_count = 0
        self.cancel_requested = False
        return "retried"

    def settle(self, lease: int, kind: str) -> bool:
        """Return whether the lease was still good; a superseded one changes nothing."""
        if not self.holds(lease):
            return False
        if self.max_attempts is None:
            self.max_attempts = DEFAULT_MAX_ATTEMPTS  # the registry's number is written with the settlement
        if kind == "interrupt":
            self._give_back(("interrupted", lease))
            return True
        category = _CATEGORY[kind]
        self.status, self.category = self._after(kind), category
        if self.status == "pending":
            self.worker, self.due = None, kind == "fail_now"
        if category is not None:
            self.attempts_kept[lease] = category
        self.audit[lease] = (_ENDING[kind], self.status)
        return True

    def _after(self, kind: str) -> str:
        if kind not in ("fail_now", "fail_later"):
            return {"succeed": "completed", "cancel": "cancelled"}.get(kind, "failed")
        if self.attempts >= (self.max_attempts or DEFAULT_MAX_ATTEMPTS):
            return "failed"
        return "cancelled" if self.cancel_requested else "pending"

    def give_back(self) -> None:
        """Take the job from its worker at no attempt's cost; nothing was executed, so nothing is audited."""
        self._give_back(None)

    def _give_back(self, audited: tuple[str, int] | None) -> None:
        self.status = "cancelled" if self.cancel_requested else "pending"
        if audited is not None:
            self.audit[audited[1]] = (audited[0], self.status)
        self.attempts -= 1
        self.lease_seq += 1
        if self.status == "pending":
            self.worker, self.due = None, True

    def rescue(self) -> None:
        """Take the job from a worker that was lost."""
        lease = self.lease_seq
        self.crash_count += 1
        self.lease_seq += 1
        spent = self.crash_count >= CRASH_BUDGET
        self.category = "crash_loop" if spent else "worker_lost"
        self.status = "cancelled" if self.cancel_requested else "failed" if spent else "pending"
        if self.status == "pending":
            self.worker, self.due = None, self.crash_count == 1  # later ones are spread: the machine puts them off
        self.attempts_kept[lease] = "worker_lost"
        self.audit[lease] = ("worker_lost", self.status)


_CATEGORY: Final = {
    "succeed": None,
    "fail_final": "target_error",
    "fail_now": "target_unavailable",
    "fail_later": "target_unavailable",
    "refuse": "policy_violation",
    "cancel": "cancelled",
}
_ENDING: Final = {
    "succeed": "succeeded",
    "fail_final": "failed",
    "fail_now": "failed",
    "fail_later": "failed",
    "refuse": "refused",
    "cancel": "cancelled",
}
KINDS: Final = (*_CATEGORY, "interrupt")


@dataclass(frozen=True)
class Lease:
    """A claim that some worker made, perhaps long ago."""

    record: JobRecord
    worker: str
