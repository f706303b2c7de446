"""Arguments and variables of a program, as registry and input give them: what shell and container jobs share. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.contract import ExecutionContext, PlanError
from ..core.errors import ConfigError
from ..core.template import LONGEST_ARGUMENT

if TYPE_CHECKING:
    from ..core.registry.model import Service

#: All arguments and the environment together, well under what Linux lets one process have.
LARGEST_COMMAND = 1024 * 1024  # bytes

#: The job's identity, set last: nothing else may set them.
JOB_NAMES = ("SPECQL_JOB_ID", "SPECQL_JOB_LEASE", "SPECQL_JOB_ATTEMPT")


def identity(context: ExecutionContext) -> dict[str, str]:
    """Return the variables that tell a program which job, lease and attempt it is."""
    return dict(zip(JOB_NAMES, (str(context.job_id), str(context.lease_seq), str(context.attempt)), strict=True))


def config_environment(service: Service) -> dict[str, str]:
    """Return the variables that a service's registry sets; raise ConfigError naming the one that is wrong."""
    environment = service.runner_config.get("environment") or {}
    if not isinstance(environment, Mapping):
        raise wrong(service, "environment", "must be a mapping of names to values")
    return {str(name): _value(service, name, value) for name, value in environment.items()}


def _value(service: Service, name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float) and "\0" not in str(value):
        return str(value)
    raise wrong(service, f"environment.{name}", "must be a text or a number")


def wrong(service: Service, key: str, message: str) -> ConfigError:
    """Return the error for one wrong setting; `key` is below runner_config unless it begins with `operations.`."""
    where = key if key.startswith("operations.") else f"runner_config.{key}"
    return ConfigError(f"service {service.name}: {where} {message}", hint=f"correct {where} in the registry")


def input_environment(values: object) -> dict[str, str]:
    """Return the variables of the input field `env_vars`; raise PlanError for what is no variable."""
    if not isinstance(values, Mapping):
        raise PlanError("the input field 'env_vars' must be an object")
    return {str(name): word(f"env_vars.{name}", value) for name, value in values.items()}


def word(what: str, value: object) -> str:
    """Return one argument as a program receives it: text as it is, numbers and booleans as JSON; raise PlanError."""
    if not isinstance(value, str | int | float):
        raise PlanError(f"the input field {what!r} must be a text, a number or a boolean")
    text = value if isinstance(value, str) else json.dumps(value)
    if "\0" in text:
        raise PlanError(f"the input field {what!r} contains a NUL byte")
    if len(text.encode("utf-8", "surrogatepass")) >= LONGEST_ARGUMENT:
        raise PlanError(f"the input field {what!r} is longer than {LONGEST_ARGUMENT} bytes")
    return text


def check_size(argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Raise PlanError for more than a process can be started with, or for what is no Unicode text."""
    words = [*argv, *environment, *environment.values()]
    try:
        size = sum(len(word.encode()) + 1 for word in words)
    except UnicodeEncodeError:
        raise PlanError("an argument or variable has characters that are not Unicode text") from None
    if size > LARGEST_COMMAND:
        raise PlanError(f"arguments and environment have {size} bytes, more than {LARGEST_COMMAND}")
