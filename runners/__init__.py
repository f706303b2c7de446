"""The runners, found by execution type and imported only when one is needed.

Built-in ones are named here; others come from the entry point group `specql_jobs.runners` (name = execution type).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.contract import JobRunner
from ..core.errors import RunnerUnavailable
from ..core.job import ExecutionType

if TYPE_CHECKING:
    from .docker import DockerRunner
    from .http import HTTPRunner
    from .shell import ShellScriptRunner

Runner = JobRunner[Any, Any]

ENTRY_POINTS = "specql_jobs.runners"

_BUILT_IN = {
    ExecutionType.HTTP: ("http", "HTTPRunner"),
    ExecutionType.SHELL: ("shell", "ShellScriptRunner"),
    ExecutionType.DOCKER: ("docker", "DockerRunner"),
}


__all__ = ["ENTRY_POINTS", "DockerRunner", "HTTPRunner", "Runner", "RunnerRegistry", "ShellScriptRunner"]


def __getattr__(name: str) -> Any:
    """Return a built-in runner's class; its module, and the libraries under it, are imported only then."""
    for module, class_name in _BUILT_IN.values():
        if name == class_name:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class RunnerRegistry:
    """One runner per execution type, made when first asked for. Not a singleton: its owner closes it."""

    def __init__(
        self, runners: Iterable[Runner] = (), settings: dict[ExecutionType, dict[str, Any]] | None = None
    ) -> None:
        """`runners` take precedence over built-in ones; `settings` are constructor arguments by execution type."""
        self._made: dict[ExecutionType, Runner] = {runner.execution_type: runner for runner in runners}
        self._settings = settings or {}

    def runner(self, execution_type: ExecutionType) -> Runner:
        """Return the runner of that type; raise RunnerUnavailable when this installation has none."""
        if execution_type not in self._made:
            self._made[execution_type] = _constructor(execution_type)(**self._settings.get(execution_type, {}))
        return self._made[execution_type]

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
    return _third_party(execution_type)


def _third_party(execution_type: ExecutionType) -> Callable[..., Runner]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 50 ms, needed for third-party types only

    for point in entry_points(group=ENTRY_POINTS, name=execution_type.value):
        return point.load()  # type: ignore[no-any-return]  # checked by the conformance suite
    raise RunnerUnavailable(
        f"this installation has no runner for {execution_type.value} services",
        hint="http, shell and docker are built in; specql-jobs doctor lists what this host can execute",
    )
