"""The names that other programs may rely on."""

from __future__ import annotations

import pytest

import specql_jobs.core
import specql_jobs.runners


@pytest.mark.parametrize("package", [specql_jobs.core, specql_jobs.runners], ids=["core", "runners"])
def test_every_public_name_is_there_and_sorted(package: object) -> None:
    """__all__ is sorted, constants first, and each of its names can be had from the package."""
    names = package.__all__  # type: ignore[attr-defined] # a package of ours
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(getattr(package, name) is not None for name in names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt import fails as any other would."""
    with pytest.raises(AttributeError, match="Managr"):
        _ = specql_jobs.core.Managr
    with pytest.raises(AttributeError, match="Managr"):
        _ = specql_jobs.runners.Managr


def test_the_original_names_mean_the_present_classes() -> None:
    """ExecutionRunner is JobRunner; the built-in runners are found under the names of the plan."""
    assert specql_jobs.core.ExecutionRunner is specql_jobs.core.JobRunner
    assert specql_jobs.core.CallServiceStepCompiler.compile is not None
    assert issubclass(specql_jobs.runners.HTTPRunner, specql_jobs.core.JobRunner)
    assert issubclass(specql_jobs.runners.DockerRunner, specql_jobs.core.JobRunner)
    assert issubclass(specql_jobs.runners.ShellScriptRunner, specql_jobs.core.JobRunner)
