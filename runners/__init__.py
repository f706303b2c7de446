"""The runners, found by execution type and imported only when one is needed.

Built-in ones are named here. Others come from the entry point group `specql_jobs.runners`: installing a package changes
nothing by itself, the host's configuration says which entry point executes a type ([runners] in specql-jobs.toml).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.contract import JobRunner
from ..core.errors import RunnerUnavailable
from ..core.job import ExecutionType

if TYPE_CHECKING:
    from .docker import DockerRunner
    from .http import HTTPRunner
    from .serverless import ServerlessRunner
    from .shell import ShellScriptRunner

Runner = JobRunner[Any, Any]

ENTRY_POINTS = "specql_jobs.runners"

_BUILT_IN = {
    ExecutionType.HTTP: ("http", "HTTPRunner"),
    ExecutionType.SHELL: ("shell", "ShellScriptRunner"),
    ExecutionType.DOCKER: ("docker", "DockerRunner"),
    ExecutionType.SERVERLESS: ("serverless", "ServerlessRunner"),
}


__all__ = [
    "ENTRY_POINTS",
    "DockerRunner",
    "HTTPRunner",
    "Runner",
    "RunnerRegistry",
    "ServerlessRunner",
    "ShellScriptRunner",
]


def __getattr__(name: str) -> Any:
    """Return a built-in runner's class; its module, and the libraries under it, are imported only then."""
    for module, class_name in _BUILT_IN.values():
        if name == class_name:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class RunnerRegistry:
    """One runner per execution type, made when first asked for. Not a singleton: its owner closes it."""

    def __init__(
        self,
        runners: Iterable[Runner] = (),
        settings: dict[ExecutionType, dict[str, Any]] | None = None,
        *,
        chosen: Mapping[str, str] | None = None,
    ) -> None:
        """`runners` take precedence over all others; `settings` are constructor arguments by execution type.

        `chosen` names the entry point that executes a type here, instead of the built-in runner.
        """
        self._made: dict[ExecutionType, Runner] = {runner.execution_type: runner for runner in runners}
        self._settings = settings or {}
        self._chosen = {ExecutionType.parse(kind): name for kind, name in (chosen or {}).items()}

    def runner(self, execution_type: ExecutionType) -> Runner:
        """Return the runner of that type; raise RunnerUnavailable when this installation has none."""
        if execution_type not in self._made:
            self._made[execution_type] = self._make(execution_type)
        return self._made[execution_type]

    def _make(self, execution_type: ExecutionType) -> Runner:
        name = self._chosen.get(execution_type)
        if name is not None:
            return third_party(name, execution_type)()
        return _constructor(execution_type)(**self._settings.get(execution_type, {}))

    def installed(self) -> list[Runner]:
        """Return a runner for every execution type that this installation can execute."""
        found = []
        for execution_type in ExecutionType:
            try:
                found.append(self.runner(execution_type))
            except RunnerUnavailable:
                continue
        return found

    async def aclose(self) -> None:
        """Close every runner that was made."""
        for runner in self._made.values():
            await runner.aclose()


def _constructor(execution_type: ExecutionType) -> Callable[..., Runner]:
    if execution_type in _BUILT_IN:
        module, name = _BUILT_IN[execution_type]
        return getattr(import_module(f".{module}", __package__), name)  # type: ignore[no-any-return]  # by the table
    return third_party(execution_type.value, execution_type)


def third_party(name: str, execution_type: ExecutionType) -> Callable[..., Runner]:
    """Return the class behind an entry point; raise RunnerUnavailable unless it is there once and of that type."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - 50 ms, needed for third-party types only

    found = {point.value: point for point in entry_points(group=ENTRY_POINTS, name=name)}
    if not found and name == execution_type.value:
        raise _no_runner(execution_type)
    if len(found) != 1:
        raise _unusable(
            name, f"{len(found)} installed packages offer it" if found else "no installed package offers it"
        )
    (point,) = found.values()
    try:
        made = point.load()
    except Exception as error:  # a stranger's module: whatever it raises, its type cannot be executed
        raise _unusable(name, f"{point.value} cannot be imported ({type(error).__name__})") from error
    if getattr(made, "execution_type", None) is not execution_type:
        raise _unusable(name, f"{point.value} does not execute {execution_type.value} services")
    return made  # type: ignore[no-any-return]  # checked by the conformance suite


def _unusable(name: str, reason: str) -> RunnerUnavailable:
    return RunnerUnavailable(
        f"the runner {name!r} cannot be used: {reason}",
        hint="install its package beside specql-jobs, or correct [runners] in specql-jobs.toml",
    )


def _no_runner(execution_type: ExecutionType) -> RunnerUnavailable:
    return RunnerUnavailable(
        f"this installation has no runner for {execution_type.value} services",
        hint="http, shell, docker and serverless are built in; specql-jobs doctor lists what this host can execute",
    )
