"""The six incidents: what each teaches, the page that somebody is called with, and the way out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from ...core.errors import NotFound
from . import incident_registries as registries

_COMPLETED = frozenset({"completed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. `ends` says in which statuses its operations' jobs may end, where that is not `completed` alone."""

    name: str
    teaches: str
    page: tuple[str, ...]
    service: str
    registry: str
    concurrency: int = 10
    begin: str = "errors --since 1h"
    mending: str  # what --mend does
    walk: tuple[str, ...]  # the way out, word by word as docs/incidents.md has it
    ends: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cron: tuple[str, ...] = ()  # what a cron of somebody's goes on to enqueue: operation and flags
    before: str = ""  # the registry as it stood before a deploy

    def may_end(self, operation: str) -> frozenset[str]:
        """Return the statuses in which jobs of an operation may end."""
        return self.ends.get(operation, _COMPLETED)


_FAILED_CALLS = "-s failed --category target_unavailable --since 1h --canary 10 --rate 200/s --reason INC-412"

API_DOWN = Incident(
    name="api-down",
    teaches="a third party answers 503: stop making it worse, then bring the dead jobs back gently",
    page=(
        "PAGE payments: 100 % of calls failed in the last minutes, 303 dead jobs",
        "     payments.charge and payments.refund answer 503; customers wait for their receipts",
        "     the provider's status page says: investigating",
    ),
    service="payments",
    registry=registries.API_DOWN,
    mending="the provider says that it is fixed",
    walk=(
        "errors --since 1h",
        "pause --service payments --for 45m --reason 'INC-412 payments answers 503'",
        "count -s pending --service payments",
        "demo incident api-down --mend",
        "resume --service payments",
        f"retry {_FAILED_CALLS} --dry-run",
        f"retry {_FAILED_CALLS} --plan PLAN --yes",
        "list -q --operation payments.charge,payments.refund --limit 0 | wait - -q --timeout 2m",
        "changes list --since 1h",
    ),
    ends={"decline": frozenset({"failed"})},
)

WORKER_LOST = Incident(
    name="worker-lost",
    teaches="a worker's host is gone: see what it held, and give its jobs back",
    page=(
        "PAGE exports: nothing has completed for minutes, 6 jobs look as if they were running",
        "     the only worker's host does not answer its ping",
    ),
    service="exports",
    registry=registries.WORKER_LOST,
    concurrency=6,
    begin="worker list",
    mending="another host's worker is started",
    walk=(
        "worker list",
        "list -s running",
        "show ID",
        "rescue --dry-run",
        "rescue --yes --reason 'INC-413 app-2 lost its disk'",
        "demo incident worker-lost --mend",
        "list -q --service exports --limit 0 | wait - -q --timeout 2m",
        "changes list --since 1h",
    ),
)

POISON = Incident(
    name="poison",
    teaches="a job takes its worker down again and again: find it, take its like out of the way",
    page=(
        "PAGE workers: three restarts in a minute, every time after the same few seconds",
        "     media.transcode makes no progress; the kernel's log says: out of memory",
    ),
    service="media",
    registry=registries.POISON,
    concurrency=4,
    begin="worker list",
    mending="the decoder is mended",
    walk=(
        "worker list",
        "list --category crash_loop --since 1h",
        "show ID",
        "pause --operation media.transcode --for 30m --reason 'INC-414 av1 kills workers'",
        "list -s pending --operation media.transcode --input codec=av1",
        "demo incident poison --mend",
        "resume --operation media.transcode",
        "retry ID --reason 'INC-414 decoder mended'",
        "wait ID --timeout 2m",
    ),
)

_BROKEN_BY_DEPLOY = "-s failed --service payments --since 1h --rate 100/s --reason INC-415"

BAD_DEPLOY = Incident(
    name="bad-deploy",
    teaches="a deploy renamed an operation and cut a timeout: see which, roll back, run again what it broke",
    page=(
        "PAGE payments: 126 dead jobs since the deploy a few seconds ago",
        "     two kinds of errors that nobody has seen before",
    ),
    service="payments",
    registry=registries.BAD_DEPLOY,
    before=registries.BEFORE_DEPLOY,
    begin="errors --since 15m",
    mending="the deploy is rolled back, and the worker reads the registry again",
    walk=(
        "errors --since 15m",
        "services diff services.before.yaml services.yaml",
        "pause --service payments --for 20m --reason 'INC-415 registry'",
        "demo incident bad-deploy --mend",
        "worker list",
        "resume --service payments",
        f"retry {_BROKEN_BY_DEPLOY} --dry-run",
        f"retry {_BROKEN_BY_DEPLOY} --plan PLAN --yes",
        "list -q --service payments --limit 0 | wait - -q --timeout 2m",
    ),
)

#: Who floods, and two who wait.
FLOODER = "ac3e0000-0000-4000-8000-000000000001"
OTHERS = ("0b5e0000-0000-4000-8000-000000000002", "c0de0000-0000-4000-8000-000000000003")

_UNWANTED = f"-s pending --tenant {FLOODER} --operation reports.render --reason INC-416"

TENANT_FLOOD = Incident(
    name="tenant-flood",
    teaches="one tenant's cron gone wild starves all others: stop that tenant, cancel what nobody wants",
    page=(
        "PAGE reports: the oldest ready job waits far longer than it should, 30,040 are ready",
        "     two customers say that their reports do not come",
    ),
    service="reports",
    registry=registries.TENANT_FLOOD,
    concurrency=4,
    begin="count -s pending --group-by tenant",
    cron=("reports.render", "--tenant", FLOODER, "--priority", "10"),
    mending="that tenant's cron is switched off",
    walk=(
        "count -s pending --group-by tenant",
        f"count --tenant {FLOODER} --group-by operation",
        f"pause --tenant {FLOODER} --reason 'INC-416 30,000 reports in a minute'",
        "demo incident tenant-flood --mend",
        f"cancel {_UNWANTED} --dry-run",
        f"cancel {_UNWANTED} --plan PLAN --yes",
        f"resume --tenant {FLOODER}",
        "list -q -s pending,running,completed --limit 0 | wait - -q --timeout 2m",
        "changes list --since 1h",
    ),
    ends={"render": frozenset({"completed", "cancelled"})},
)

IMAGE_MISSING = Incident(
    name="image-missing",
    teaches="a registry clean-up took a container image: put it back, run again exactly what failed for it",
    page=(
        "PAGE thumbs: 9 dead jobs, all of the last minute",
        "     somebody has tidied the image registry this evening",
    ),
    service="thumbs",
    registry=registries.IMAGE_MISSING,
    mending="the image is built and pushed again",
    walk=(
        "errors --since 1h",
        "pause --operation thumbs.resize --reason INC-417",
        "demo incident image-missing --mend",
        "run thumbs.resize --set width=64",
        "resume --operation thumbs.resize",
        "retry --fingerprint FINGERPRINT --expect 9 --reason INC-417 --yes",
        "list -q --service thumbs --limit 0 | wait - -q --timeout 2m",
    ),
)

INCIDENTS = (API_DOWN, WORKER_LOST, POISON, BAD_DEPLOY, TENANT_FLOOD, IMAGE_MISSING)


def named(name: str) -> Incident:
    """Return the incident of that name; raise NotFound."""
    for incident in INCIDENTS:
        if incident.name == name:
            return incident
    near = get_close_matches(name, [each.name for each in INCIDENTS], n=1)
    hint = f"did you mean {near[0]}?" if near else "specql-jobs demo incident    names them all"
    raise NotFound(f"there is no incident {name[:80]!r}", hint=hint)
