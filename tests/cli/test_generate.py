"""`generate typescript`: what is written, what is kept, what --check finds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.registries import FIXTURES

from specql_jobs.core.version import VERSION

FILES = [
    "index.ts",
    "job-monitoring-documents.ts",
    "job-monitoring-hooks.ts",
    "job-monitoring-types.ts",
    "jobs_graphql.sql",
    "schema.graphql",
    "service-types.ts",
]
REGISTRY = """\
services:
  - name: stripe
    type: payment
    operations:
      - name: charge
        input_schema: {amount: integer, note: string?}
        output_schema: {id: string}
"""
HOOKS = (
    *("useJobStatus", "useJobByIdentifier", "useJobs", "useJobsByExecutionType", "usePendingJobs", "useCreateJob"),
    *("useUpdateJob", "useCancelJob", "useRetryJob", "useJobStatusUpdates", "useJobExecutionEvents"),
    *("useJobStatistics", "useExecutionTypeBreakdown", "useJobMonitoringDashboard"),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a registry of one operation."""
    (tmp_path / "services.yaml").write_text(REGISTRY)
    return tmp_path


def test_it_writes_every_file(project: Path) -> None:
    """Seven files come into the folder, each under a header with version and digest, and JSON says their sums."""
    said = specql_jobs("generate", "typescript", "--out", "web/jobs", "-o", "json", folder=project)
    assert said.code == 0
    assert [each["path"] for each in said.data["files"]] == [f"web/jobs/{name}" for name in FILES]
    for each in said.data["files"]:
        content = (project / each["path"]).read_bytes()
        assert each["status"] == "written"
        assert (each["bytes"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        first = content.decode().splitlines()[0]
        assert f"specql-jobs {VERSION} from the registry with digest {said.data['registry_digest']}" in first


def test_the_types_are_those_of_the_registry(project: Path) -> None:
    """service-types.ts is, below its header, exactly this."""
    specql_jobs("generate", "typescript", folder=project)
    text = (project / "generated" / "service-types.ts").read_text().partition("\n\n")[2]
    assert text == (FIXTURES.parent / "frontend" / "service-types.ts").read_text()


def test_every_hook_has_its_name(project: Path) -> None:
    """The hooks that front ends import are exported."""
    specql_jobs("generate", "typescript", folder=project)
    text = (project / "generated" / "job-monitoring-hooks.ts").read_text()
    assert [name for name in HOOKS if f"export function {name}(" not in text] == []


def test_the_same_again_changes_nothing(project: Path) -> None:
    """A second generation finds every file unchanged and touches none."""
    specql_jobs("generate", "typescript", folder=project)
    before = [(project / "generated" / name).stat().st_mtime_ns for name in FILES]
    said = specql_jobs("generate", "typescript", "-o", "json", folder=project)
    assert {each["status"] for each in said.data["files"]} == {"unchanged"}
    assert [(project / "generated" / name).stat().st_mtime_ns for name in FILES] == before
    assert specql_jobs("generate", "typescript", "--check", folder=project).code == 0


def test_check_shows_what_differs(project: Path) -> None:
    """A changed operation is exit 1 with the lines that differ, and nothing is written."""
    specql_jobs("generate", "typescript", folder=project)
    before = (project / "generated" / "service-types.ts").read_bytes()
    (project / "services.yaml").write_text(REGISTRY.replace("amount: integer", "amount: string"))
    said = specql_jobs("generate", "typescript", "--check", folder=project)
    assert said.code == 1
    assert "\n-  amount: number;\n+  amount: string;\n" in said.out
    assert (project / "generated" / "service-types.ts").read_bytes() == before
    assert (
        specql_jobs("generate", "typescript", "--check", "-o", "json", folder=project).data["files"][-1]["status"]
        == "stale"
    )


def test_check_finds_missing_files(project: Path) -> None:
    """Where nothing was generated yet everything is stale, and --check makes no folder."""
    said = specql_jobs("generate", "typescript", "--check", "-o", "json", folder=project)
    assert said.code == 1
    assert {each["status"] for each in said.data["files"]} == {"stale"}
    assert not (project / "generated").exists()


def test_a_file_of_somebody_else_is_kept(project: Path) -> None:
    """A file without our header stops the generation with exit 6 and nothing written, until --force."""
    (project / "generated").mkdir()
    (project / "generated" / "index.ts").write_text("export const mine = 1;\n")
    said = specql_jobs("generate", "typescript", "-o", "json", folder=project)
    assert (said.code, said.error["code"]) == (6, "E603")
    assert [each.name for each in (project / "generated").iterdir()] == ["index.ts"]
    assert specql_jobs("generate", "typescript", "--force", folder=project).code == 0
    assert "Generated by specql-jobs" in (project / "generated" / "index.ts").read_text()


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    """A file where the folder should be is exit 2 and says so."""
    (project / "taken").write_text("")
    said = specql_jobs("generate", "typescript", "--out", "taken/below", "-o", "json", folder=project)
    assert (said.code, said.error["code"]) == (2, "E209")


@pytest.mark.parametrize("arguments", [("--out", ""), ("--registry", "none.yaml"), ("--env", "nowhere")])
def test_called_wrongly(project: Path, arguments: tuple[str, str]) -> None:
    """No folder, no registry and an unknown environment are exit 2."""
    assert specql_jobs("generate", "typescript", *arguments, folder=project).code == 2


def test_an_unusable_registry_generates_nothing(project: Path) -> None:
    """A registry with an error is exit 2, and no file is made of half of it."""
    (project / "services.yaml").write_text("services: {a: {operations: {b: {input_schema: {x: text}}}}}")
    assert specql_jobs("generate", "typescript", folder=project).code == 2
    assert not (project / "generated").exists()
