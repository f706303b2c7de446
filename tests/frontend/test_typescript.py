"""The generated files with the tools of front ends: tsc, Apollo, graphql-js, React, PostGraphile over a real queue."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.cli import answering
from support.node import BUILD, NodeAbsent, with_packages
from support.processes import Started, started
from support.registries import FIXTURES, far_end
from support.require import require

from specql_jobs.core.registry.load import load, usable
from specql_jobs.core.specql.frontend.generate import generate

CLIENT: Final = (
    "typescript@5.9.3",
    "@apollo/client@3.14.1",
    "apollo-client-4@npm:@apollo/client@4.3.8",
    "rxjs@7.8.2",
    "graphql@16.15.0",
    "react@18.3.1",
    "react-test-renderer@18.3.1",
    "@types/react@18.3.8",
)
#: Apart, because it wants an older graphql than Apollo 4 does.
SERVER: Final = ("postgraphile@4.14.0",)
HERE: Final = FIXTURES.parent / "frontend"
REGISTRIES: Final = (
    *sorted((HERE / "registries").glob("*.yaml")),
    *(FIXTURES / f"{name}.yaml" for name in ("four_types", "list_form", "mapping_form")),
)
#: Seconds for one tool; tsc takes 3 on a quiet machine.
PATIENCE: Final = 120.0


@pytest.fixture(scope="module")
def node() -> str:
    """The node that finds the packages above."""
    try:
        with_packages(BUILD / "frontend-server", SERVER)
        return with_packages(BUILD / "frontend-client", CLIENT)
    except NodeAbsent as absent:
        require("node", available=False, reason=str(absent))
        raise


@pytest.fixture(scope="module")
def project(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front end with the files of every registry; `made` has what tsc, which accepted all of them, made of them."""
    folder = tmp_path_factory.mktemp("frontend")
    for registry in REGISTRIES:
        files = generate(usable(load([registry], variables={})))
        (folder / "source" / registry.stem).mkdir(parents=True)
        for each in files:
            (folder / "source" / registry.stem / each.path).write_bytes(each.content)
    shutil.copy(HERE / "use.ts", folder / "source")
    for each in ("tsconfig.json", "tsconfig.apollo4.json", "check.cjs"):
        shutil.copy(HERE / each, folder)
    (folder / "node_modules").symlink_to(BUILD / "frontend-client" / "node_modules")
    said = tsc(node, folder, "tsconfig.json")
    assert said == ""
    return folder


def tsc(node: str, folder: Path, configuration: str) -> str:
    """Return what the compiler complains of."""
    return run(node, folder, "node_modules/typescript/bin/tsc", "-p", configuration)


def run(node: str, folder: Path, *arguments: str) -> str:
    """Run a script of the project to its end and return all that it said."""
    done = subprocess.run([node, *arguments], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def url(node: str, project: Path, dsn: str, tmp_path: Path) -> Iterator[str]:
    """A PostGraphile over this test's database, with the generated SQL in it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((project / "source" / "rich" / "jobs_graphql.sql").read_bytes())
    known = conninfo_to_dict(dsn)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    target = {names[key]: value for key, value in known.items() if key in names}
    shutil.copy(HERE / "serve.cjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(BUILD / "frontend-server" / "node_modules")
    with started(node, "serve.cjs", json.dumps(target), folder=tmp_path) as server:
        server.wait_for("/graphql\n")
        yield server.stdout[0].strip()


def test_it_compiles_with_either_apollo(node: str, project: Path) -> None:
    """tsc --strict accepts every registry's files, and a front end's use of them, with Apollo Client 3 and with 4."""
    assert (project / "made" / "use.js").exists()
    assert tsc(node, project, "tsconfig.apollo4.json") == ""


def test_what_is_served_is_what_was_generated(node: str, project: Path, url: str) -> None:
    """Every document fits schema.graphql, and PostGraphile serves each type, field and argument of that as stated."""
    checked: dict[str, Any] = json.loads(
        run(node, project, "check.cjs", "made/rich", "source/rich/schema.graphql", url)
    )
    assert len(checked["documents"]) == 14
    assert [each for each in checked["documents"] + checked["served"] if each["errors"]] == []
    assert (checked["differences"], checked["types"] > 25) == ([], True)


#: Version of Apollo Client -> its folder.
APOLLOS: Final = {"3": "@apollo/client", "4": "apollo-client-4"}


@pytest.fixture
def page(apollo: str, node: str, project: Path, url: str, tmp_path: Path) -> Iterator[Started]:
    """React and the generated hooks with one Apollo; it ends by itself when a worker has completed its jobs."""
    folder = tmp_path / "page"
    (folder / "node_modules" / "@apollo").mkdir(parents=True)
    for each in (project / "node_modules").iterdir():
        if each.name != "@apollo":
            (folder / "node_modules" / each.name).symlink_to(each.resolve())
    (folder / "node_modules" / "@apollo" / "client").symlink_to((project / "node_modules" / APOLLOS[apollo]).resolve())
    shutil.copytree(project / "made" / "rich", folder / "made")
    shutil.copy(HERE / "live.cjs", folder)
    with started(node, "live.cjs", "made", url, folder=folder) as process:
        yield process


@pytest.mark.parametrize("apollo", APOLLOS)
def test_a_hook_sees_its_job_through(
    apollo: str, page: Started, dsn: str, spawn: Callable[..., Started], tmp_path: Path
) -> None:
    """useCreateJob enqueues, useJobStatus follows until a real worker has completed it and then asks no more."""
    with answering() as target:
        page.wait_for('"status":"pending"')
        (tmp_path / "services.yaml").write_text(far_end(target, "pay", charge={}))
        worker = spawn("worker", "--registry", str(tmp_path / "services.yaml"), "--dsn", dsn)
        assert page.finish() == 0, page.said()
        worker.terminate()
        assert worker.finish() == 0
    said = [json.loads(line) for line in page.stdout]
    assert_followed(said)
    told = {key: value for each in said for key, value in each.items()}
    assert told["apollo"].startswith(f"{apollo}.")
    assert_changed(told)
    assert_counted(told)


def assert_followed(said: list[dict[str, Any]]) -> None:
    """The statuses come in order, the output with the last, and polling ends there."""
    statuses = [each["status"] for each in said if "status" in each]
    assert (statuses[0], statuses[-1]) == ("pending", "completed")
    (output,) = [each["output"] for each in said if each.get("status") == "completed"]
    assert output["got"] == {"n": 7}
    (polled,) = [each for each in said if "polls" in each]
    assert polled["polls"] >= 2
    assert polled["polls_after_the_end"] == [0, 0]
    assert polled["updates"][0][0] is None
    assert polled["updates"][-1][1] == "completed"


def assert_changed(told: dict[str, Any]) -> None:
    """Mutations do what the functions of the queue do, and say what came of it; a retried job is followed again."""
    assert (told["lives"][0], told["lives"][-1]) == ("cancelled", "completed")
    assert told["again"] == ["duplicate", True]
    assert told["made"] == ["created", "pending", "scheduled"]
    assert told["changes"] == [
        [True, "updated", 9],
        [False, "already_completed", 0],
        [True, "cancelled", 9],
        [True, "retried", 9],
    ]
    assert told["absent"] == [None, False, "not_found", None]


def assert_counted(told: dict[str, Any]) -> None:
    """Lists, events and numbers are of the three jobs, of which one waits for its time."""
    assert told["lists"] == [["scheduled"], 1, False, ["scheduled"], ["scheduled"]]
    assert told["events"][-1] == [True, "succeeded", "completed"]
    assert told["statistics"]["total_jobs"] == 3
    assert told["statistics"]["completed_jobs"] >= 1
    assert told["breakdown"][0]["execution_type"] == "http"
    assert told["dashboard"]["performance_metrics"][0]["service_name"] == "pay"
    assert len(told["dashboard"]["recent_jobs"]) == 3
