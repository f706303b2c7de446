"""Whether jobs that are queued would still be executed under a registry. Pure: rows in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from ..job import ExecutionType, JobRecord, folded
from ..narrow import Ceiling, config_violations, narrow
from .codes import finding, helped
from .compatibility import services_at
from .load import Loaded
from .model import Finding, Operation, Registry, Service
from .schemas import Validator, for_input

#: Ids that a message names.
_EXAMPLES: Final = 3
_MOST_NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Open jobs of one service, operation and execution type, as their rows say it."""

    service: str
    operation: str
    execution_type: str  # "" where the row leaves it to the registry
    pending: int
    running: int

    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.pending + self.running


@dataclass(slots=True)
class _Met:
    """One thing that is wrong with jobs of one operation."""

    looked_at: int = 0
    refused: int = 0
    ids: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, job: JobRecord, reasons: Iterable[str]) -> None:
        """Count a job, and why."""
        self.refused += 1
        if len(self.ids) < _EXAMPLES:
            self.ids.append(str(job.id))
        for reason in reasons:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def reason(self) -> str:
        """Return the most frequent reason, and how many there are besides."""
        first = max(self.reasons, key=lambda each: self.reasons[each])
        return first if len(self.reasons) == 1 else f"{first} (and {len(self.reasons) - 1} other problems)"


class QueueCheck:
    """Collects what is wrong with the groups of a queue and with the jobs that were looked at."""

    def __init__(self, loaded: Loaded, registry: Registry, groups: Iterable[Group], ceiling: Ceiling | None) -> None:
        self._loaded = loaded
        self._registry = registry
        self._ceiling = ceiling
        self._groups = list(groups)
        self._known: dict[tuple[str, str], tuple[Service, Operation, Validator]] = {}
        self._inputs: dict[tuple[str, str], _Met] = {}
        self._rows: dict[tuple[str, str], _Met] = {}
        self._examples: dict[Group, list[str]] = {}
        for group in self._groups:
            self._learn(group)

    def _learn(self, group: Group) -> None:
        service = self._registry.service(group.service)
        operation = service.operation(group.operation) if service else None
        if service is not None and operation is not None:
            self._known.setdefault(_key(group), (service, operation, for_input(operation)))

    def take(self, group: Group, job: JobRecord, document: str | None) -> None:
        """Look at one job; `document` is its input, None where nobody can read it."""
        ids = self._examples.setdefault(group, [])
        if len(ids) < _EXAMPLES:
            ids.append(str(job.id))
        if _key(group) not in self._known:
            return
        service, _, validator = self._known[_key(group)]
        inputs, rows = (found.setdefault(_key(group), _Met()) for found in (self._inputs, self._rows))
        inputs.looked_at += 1
        rows.looked_at += 1
        problems = ("it is too large to read",) if document is None else validator.check_document(document)
        if problems:
            inputs.add(job, problems)
        beyond = self._beyond(service, job)
        if beyond:
            rows.add(job, beyond)

    def _beyond(self, service: Service, job: JobRecord) -> tuple[str, ...]:
        """What the row asks for that the policy, under the host's ceiling, does not allow."""
        policy = service.policy
        if self._ceiling is not None:
            policy, _ = self._ceiling.hold(policy, service.execution_type)
        _, violations = narrow(policy, job.security_context or {}, service.declared_policy)
        return tuple(each.message for each in (*violations, *config_violations(service, job.runner_config or {})))

    # ---- the answer --------------------------------------------------------------------------------------------------

    def findings(self, alive: frozenset[str]) -> Iterator[Finding]:
        """Yield what is wrong; `alive` are the execution types of workers that run now, empty when none does."""
        yield from self._unknown_services()
        yield from self._unknown_operations()
        yield from self._refused("SQJ732", self._inputs, "have an input that it does not take")
        yield from self._refused("SQJ733", self._rows, "ask for what the policy does not allow")
        yield from self._other_types()
        yield from self._without_worker(alive)

    def _unknown_services(self) -> Iterator[Finding]:
        gone: dict[str, list[Group]] = {}
        for group in self._groups:
            if self._registry.service(group.service) is None:
                gone.setdefault(folded(group.service), []).append(group)
        for groups in gone.values():
            name = groups[0].service
            message = f"{name[:80]} is no service of this registry, and {self._jobs(groups)}"
            names = [each.name for each in self._registry.services.values()]
            found = finding("SQJ730", message, services_at(self._loaded, ""), service=name)
            yield _guessed(found, f"--service {_word(name)}", name, names)

    def _unknown_operations(self) -> Iterator[Finding]:
        gone: dict[tuple[str, str], list[Group]] = {}
        for group in self._groups:
            if self._registry.service(group.service) and _key(group) not in self._known:
                gone.setdefault(_key(group), []).append(group)
        for groups in gone.values():
            service = self._registry.service(groups[0].service)
            assert service is not None
            name = f"{service.name}.{groups[0].operation[:80]}"
            message = f"{name} is no operation of this registry, and {self._jobs(groups)}"
            names = [each.name for each in service.operations.values()]
            at = service.position or services_at(self._loaded, "")
            found = finding("SQJ731", message, at, service=service.name, operation=groups[0].operation)
            yield _guessed(found, f"--operation {_word(name)}", groups[0].operation, names)

    def _refused(self, code: str, met: dict[tuple[str, str], _Met], what: str) -> Iterator[Finding]:
        for key, each in met.items():
            if not each.refused:
                continue
            service, operation, _ = self._known[key]
            name, all_jobs = f"{service.name}.{operation.name}", self._total(key)
            sampled = f" looked at ({all_jobs:,} are queued)" if each.looked_at < all_jobs else ""
            message = (
                f"{each.refused:,} of {each.looked_at:,} queued jobs{sampled} of {name} {what}: {each.reason()}; "
                f"such as {', '.join(each.ids)}"
            )
            at = operation.position or services_at(self._loaded, "")
            found = finding(code, message, at, service=service.name, operation=operation.name)
            yield helped(found, f"{found.help}; {_see(f'--operation {_word(name)}')}")

    def _total(self, key: tuple[str, str]) -> int:
        return sum(group.jobs for group in self._groups if _key(group) == key)

    def _other_types(self) -> Iterator[Finding]:
        for key, (service, operation, _) in self._known.items():
            groups = [each for each in self._groups if _key(each) == key and _differs(each, service.execution_type)]
            if groups:
                kinds = ", ".join(dict.fromkeys(each.execution_type for each in groups))
                name = f"{service.name}.{operation.name}"
                message = f"{name} is executed by {service.execution_type}, and {self._jobs(groups, f' as {kinds}')}"
                at = service.position or services_at(self._loaded, "")
                found = finding("SQJ734", message, at, service=service.name, operation=operation.name)
                yield helped(found, f"{found.help}; {_see(f'--operation {_word(name)}')}")

    def _without_worker(self, alive: frozenset[str]) -> Iterator[Finding]:
        services = {id(service): service for service, _, _ in self._known.values()}
        for service in services.values():
            if alive and service.execution_type not in alive:
                groups = [each for each in self._groups if folded(each.service) == service.name.lower()]
                message = (
                    f"no worker that runs now executes {service.execution_type} ({', '.join(sorted(alive))} only), and "
                    f"{self._jobs(groups)}"
                )
                at = service.position or services_at(self._loaded, "")
                yield finding("SQJ735", message, at, service=service.name)

    def _jobs(self, groups: list[Group], how: str = "") -> str:
        pending, running = sum(each.pending for each in groups), sum(each.running for each in groups)
        number = pending + running
        ids = [id_ for group in groups for id_ in self._examples.get(group, ())][:_EXAMPLES]
        names = list(dict.fromkeys(group.operation for group in groups))
        which = f" of {', '.join(names[:_MOST_NAMES])}" if len(names) > 1 else ""
        split = f" ({pending:,} pending, {running:,} running)" if running else ""
        such = f", such as {', '.join(ids)}" if ids else ""
        return f"{number:,} queued job{' was' if number == 1 else 's were'} made for it{how}{which}{split}{such}"


def _key(group: Group) -> tuple[str, str]:
    return folded(group.service), folded(group.operation)


def _differs(group: Group, kind: ExecutionType) -> bool:
    try:
        return bool(group.execution_type) and ExecutionType.parse(group.execution_type) is not kind
    except ValueError:
        return True


def _guessed(found: Finding, selector: str, name: str, known: list[str]) -> Finding:
    """The finding with what the name may be now, and how to see the jobs."""
    near = get_close_matches(folded(name), known, n=1)
    guess = f"is it {near[0]} now? " if near else ""
    return helped(found, f"{guess}{found.help}; {_see(selector)}")


def _word(name: str) -> str:
    from shlex import quote  # noqa: PLC0415 - re; only for jobs that are in trouble

    return quote(name)


def _see(selector: str) -> str:
    return f"see them: specql-jobs list {selector} -s pending,running"
