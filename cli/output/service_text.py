"""Services as the registry has them: the list, and everything that holds for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import held_values, schedule_text
from .console import Console
from .listed import Table, answer_list
from .tables import text_table
from .text import clean, one_line

if TYPE_CHECKING:
    from ...core.narrow import Ceiling
    from ...core.registry.canonical import Named
    from ...core.registry.effective import Held
    from ...core.registry.model import Operation, Registry, Service

_HEADERS = ("SERVICE", "TYPE", "CATEGORY", "WHERE", "OPERATIONS")


def show_list(console: Console, registry: Registry) -> None:
    """Answer with all services; with -q with their names."""
    found = [_listed(each) for each in registry.services.values()]
    rows = [_row(each) for each in found]
    answer_list(console, "services", found, Table(_HEADERS, rows, spare=("CATEGORY",)))


def _listed(service: Service) -> dict[str, Any]:
    at = service.position
    return {
        "name": service.name,
        "execution_type": str(service.execution_type),
        "type": service.type or None,
        "category": service.category or None,
        "operations": [each.name for each in service.operations.values()],
        "path": at.path if at else None,
        "line": at.line if at else None,
    }


def _row(service: dict[str, Any]) -> tuple[str, ...]:
    where = f"{service['path']}:{service['line']}" if service["path"] else ""
    words = service["name"], service["execution_type"], service["category"] or "", where
    return *map(one_line, words), one_line(", ".join(service["operations"]))


# ---- one service -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """What is shown: a service, or one of its operations, with its text's places."""

    service: Service
    operation: Operation | None
    entry: Named
    ceiling: Ceiling | None = None

    def operations(self) -> list[Operation]:
        """Return the operation that was named, or all."""
        return [self.operation] if self.operation else list(self.service.operations.values())


def show_service(console: Console, subject: Subject) -> None:
    """Answer with everything that holds for a service or an operation."""
    sections = dict(_sections(subject))
    operations = [_operation_json(each, subject) for each in subject.operations()]
    values = {name: [held_values.as_json(each) for each in held] for name, held in sections.items()}
    data = {**_listed(subject.service), **values, "operations": operations}
    console.answer(data, lambda: "\n".join(_lines(console, subject, sections)))


def _sections(subject: Subject) -> Iterator[tuple[str, list[Held]]]:
    from ...core.registry import effective  # noqa: PLC0415 - jsonschema

    yield "runner_config", list(effective.stated(subject.entry, ("runner_config",)))
    yield "security_policy", list(effective.policy_terms(subject.service, subject.entry, subject.ceiling))


def _limits(operation: Operation, subject: Subject) -> list[Held]:
    from ...core.registry import effective  # noqa: PLC0415 - jsonschema

    return list(effective.limits(subject.service, operation, subject.entry, subject.ceiling))


def _operation_json(operation: Operation, subject: Subject) -> dict[str, Any]:
    from ...core.registry.frozen import thaw  # noqa: PLC0415 - the registry's model

    at = operation.position
    return {
        "name": operation.name,
        "path": at.path if at else None,
        "line": at.line if at else None,
        "limits": [held_values.as_json(each) for each in _limits(operation, subject)],
        "input_schema": thaw(operation.input_schema),
        "output_schema": thaw(operation.output_schema),
        "mapping": held_values.masked("", thaw(_as_written(operation, subject))),
        "schedules": [schedule_text.as_json(each) for each in operation.schedules],
    }


def _as_written(operation: Operation, subject: Subject) -> dict[str, Any]:
    """How the target is called, variables not filled in."""
    from ...core.registry import effective  # noqa: PLC0415 - jsonschema

    held = effective.stated(subject.entry, ("operations", operation.name))
    kept = [each for each in held if each.key.split(".")[0] in operation.mapping]
    return {each.key: each.value for each in kept}


def _lines(console: Console, subject: Subject, sections: dict[str, list[Held]]) -> Iterator[str]:
    service, ceiling = subject.service, subject.ceiling.path if subject.ceiling else ""
    name = f"{service.name}.{subject.operation.name}" if subject.operation else service.name
    at = subject.operation.position if subject.operation else service.position
    yield f"{console.painted(clean(name), 'bold')}  {service.execution_type}  {held_values.place(at)}"
    for title, held in sections.items():
        if held:
            yield from _table(console, title, held_values.rows(held, ceiling))
    for operation in subject.operations():
        yield from _table(console, f"{service.name}.{operation.name}", _operation_rows(operation, subject, ceiling))


def _operation_rows(operation: Operation, subject: Subject, ceiling: str) -> list[tuple[str, str, str, str]]:
    at = held_values.place(operation.position)
    rows = held_values.rows(_limits(operation, subject), ceiling)
    for key, value in _as_written(operation, subject).items():
        rows.append((one_line(key), one_line(held_values.shown(key, value)), "registry", at))
    for key, schema in (("input", operation.input_schema), ("output", operation.output_schema)):
        rows.append((key, one_line(_fields(schema)), "registry" if schema else "default", at if schema else ""))
    for each in operation.schedules:
        stands = held_values.place(each.position)
        rows.append((one_line(f"schedules.{each.name}"), schedule_text.words(each), "registry", stands))
    return rows


def _fields(schema: Any) -> str:
    """The fields of a schema, as shorthand writes them where it can."""
    if schema is None:
        return "anything"
    properties, required = schema.get("properties"), schema.get("required", ())
    if not properties:
        return "no fields" if schema.get("additionalProperties") is False else "anything"
    return ", ".join(f"{name}: {_word(below)}{'' if name in required else '?'}" for name, below in properties.items())


def _word(schema: Any) -> str:
    from ...core.registry.frozen import thaw  # noqa: PLC0415 - the registry's model

    plain = thaw(schema)
    if not isinstance(plain, dict) or not plain:
        return "any"
    kind = plain.get("type")
    return kind if isinstance(kind, str) else json.dumps(plain, ensure_ascii=False)[:60]


def _table(console: Console, title: str, rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    yield ""
    yield console.painted(clean(title), "bold")
    width = console.width - 2 if console.width else None
    body = text_table(held_values.HEADERS, rows, width).split("\n")[1:]
    yield from (f"  {line}" for line in body)
