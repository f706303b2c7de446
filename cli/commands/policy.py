"""`policy explain`: each effective limit of a service, and which of default, registry and host ceiling decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from ..context import load_ceiling, policy_path, read_registry, settings_for
from ..leaf import command, group
from ..operations import named_service
from ..options import Sources
from ..output.console import Console
from ..output.tables import text_table

if TYPE_CHECKING:
    from ...core.narrow import Ceiling
    from ...core.registry.effective import Held
    from ...core.registry.load import Loaded
    from ...core.registry.model import Operation, Service

app = group("What a service is allowed, and who decided it.")

Subject = Annotated[str, Argument(metavar="SERVICE[.OPERATION]", help="As the registry names it")]


@app.callback()
def policy() -> None:
    """What a service is allowed, and who decided it."""


@command(
    app,
    "policy explain payments --policy /etc/specql-jobs/ceiling.yaml",
    "policy explain payments.charge --env production -o json",
    name="explain",
)
def explain(console: Console, subject: Subject, sources: Sources) -> None:
    """Explain each limit of a service.

    Its value, and which of default, registry and host ceiling (--policy) decided it. With an operation, its
    timeout and number of attempts come first.
    """
    from ..output import held_values  # noqa: PLC0415 - only commands that read a registry

    settings = settings_for(console)
    path = policy_path(sources.policy, settings)
    ceiling = load_ceiling(path) if path else None
    registry, loaded = read_registry(sources, settings)
    service, operation = named_service(registry, subject)
    limits = _limits(service, operation, loaded, ceiling)
    data: dict[str, Any] = {
        "service": service.name,
        "operation": operation.name if operation else None,
        "execution_type": str(service.execution_type),
        "ceiling": str(path) if path else None,
        "limits": [held_values.as_json(each) for each in limits],
    }
    table = held_values.rows(limits, str(path or ""))
    console.answer(data, lambda: text_table(held_values.HEADERS, table, console.width))


def _limits(service: Service, operation: Operation | None, loaded: Loaded, ceiling: Ceiling | None) -> list[Held]:
    from ...core.registry import effective  # noqa: PLC0415 - jsonschema

    entry = loaded.defined[service.name.lower()]
    first = list(effective.limits(service, operation, entry, ceiling)) if operation else []
    return [*first, *effective.policy_terms(service, entry, ceiling)]
