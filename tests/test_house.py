"""The house rules, held by tests: who may import whom, where each power lives, sizes, words, documents that are true.

A rule with exceptions has them in a table here, each with its reason.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from support import tree
from support.postgres import GIVEN_DSN
from support.require import PROMISED, require
from support.tree import ROOT, Source

from specql_jobs import cli, core, runners, schemas
from specql_jobs.core import contract, errors
from specql_jobs.core.errors import SpecqlJobsError
from specql_jobs.core.store import embedded

CODE: Final = ("core", "runners", "cli", "schemas")

# ---- who may import whom ---------------------------------------------------------------------------------------------

#: A module that few may import -> where, and why there.
OWNERS: Final = {
    "psycopg": {"core/store/": "the only SQL"},
    "httpx": {"runners/http": "the only HTTP client"},
    "httpcore": {"runners/http": "the only HTTP client"},
    "docker": {"runners/docker": "the only Docker client"},
    "boto3": {"runners/aws_": "the only AWS client"},
    "botocore": {
        "runners/aws_": "the only AWS client",
        "runners/serverless_aws": "its errors",
        "runners/serverless_existence": "its errors",
        "runners/docker_batch_calls": "its errors",
    },
    "rich": {"cli/output/": "the only owner of the terminal"},
    "subprocess": {
        "runners/": "starting programs is what the shell runner is for",
        "core/store/embedded.py": "starts and stops the wheel's PostgreSQL",
        "cli/manual/reader.py": "opens a page with man",
        "cli/demo/processes.py": "an incident's worker and far end outlive the command that makes it",
        "cli/revision.py": "asks git how the registry stood at a commit; the library and workers need no git",
    },
}

#: What a runner may know of core while it runs; types alone may come from anywhere.
RUNNERS_MAY_IMPORT: Final = ("core.contract", "core.job", "core.errors", "core.template", "core.secrets")


def test_import_directions_hold(tmp_path: Path) -> None:
    """The import contracts in pyproject.toml are kept."""
    (tmp_path / "specql_jobs").mkdir()
    for name in tree.PACKAGES:
        (tmp_path / "specql_jobs" / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nobody_imports_a_folder_by_its_bare_name() -> None:
    """`import core` would load every class a second time, so nothing in the project says it."""
    assert not [
        f"{item.where} {item.name}"
        for file in tree.sources()
        for item in tree.imports(file)
        if not item.relative and item.name.split(".")[0] in CODE
    ]


def test_packages_import_their_own_code_relatively() -> None:
    """Inside the packages our own modules are named relatively, which every tool follows."""
    assert not [
        item.where
        for file in tree.sources(*CODE)
        for item in tree.imports(file)
        if not item.relative and item.name.split(".")[0] == "specql_jobs"
    ]


def test_libraries_with_power_have_one_owner() -> None:
    """Database, network and process libraries are imported only where the table says."""
    assert not [
        f"{item.where} {item.name}"
        for file in tree.sources(*CODE)
        for item in tree.imports(file)
        if not item.relative and not _may(file, OWNERS.get(item.name.split(".")[0]))
    ]


def test_runners_know_little_of_core() -> None:
    """A runner sees core only through the contract, its words, templates and secrets."""
    assert not [
        f"{item.where} {item.name}"
        for file in tree.sources("runners")
        for item in tree.imports(file)
        if item.relative and item.name.startswith("core") and not item.for_types_only
        if not item.name.startswith(RUNNERS_MAY_IMPORT)
    ]


def test_no_execution_type_knows_another() -> None:
    """Files of one execution type import no file of another, and shared ones import none at all."""
    assert not [
        f"{item.where} {item.name}"
        for file in tree.sources("runners")
        for item in tree.imports(file)
        if item.relative and file.path != "runners/__init__.py"
        if _family(item.name) not in (None, _family(file.path.removesuffix(".py").replace("/", ".")))
    ]


def _family(module: str) -> str | None:
    """Return the execution type that a module's name begins with: http for runners.http_request."""
    name = module.removeprefix("runners.").split(".")[0]
    return next((word for word in ("http", "shell", "docker", "serverless") if name.startswith(word)), None)


def _may(file: Source, owners: dict[str, str] | None) -> bool:
    return owners is None or file.path.startswith(tuple(owners))


# ---- where each power lives ------------------------------------------------------------------------------------------

ENVIRONMENT: Final = ("os.environ", "os.environb", "os.getenv")
MAY_READ_ENVIRONMENT: Final = {"core/settings.py": "configuration", "core/secrets.py": "secrets, at the last moment"}

PRINTING: Final = ("print", "input", "sys.stdout", "sys.stderr", "typer.echo", "typer.secho", "click.echo")
MAY_PRINT: Final = {
    "cli/output/": "owns the streams",
    "core/log.py": "a worker's log goes to stderr where no command has taken it over",
}

CLOCKS: Final = (
    *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "process_time")),
    *(f"datetime.{name}" for name in ("now", "utcnow", "today")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "date.today",
)
MAY_READ_CLOCK: Final = {
    "core/clock.py": "the one clock of core and cli",
    "runners/": "executes in real time: its deadlines, durations and signatures; what it decides is given the time",
}

PROCESSES: Final = (
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "os.system",
    "os.fork",
    "os.popen",
)
MAY_START_PROCESSES: Final = {"runners/": "what the shell runner is for"}

BLOCKING: Final = ("time.sleep",)
MAY_BLOCK: Final = {"runners/cgroup": "called from a thread; a killed group is empty within milliseconds"}


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        pytest.param(ENVIRONMENT, MAY_READ_ENVIRONMENT, id="environment"),
        pytest.param(PRINTING, MAY_PRINT, id="printing"),
        pytest.param(CLOCKS, MAY_READ_CLOCK, id="clocks"),
        pytest.param(PROCESSES, MAY_START_PROCESSES, id="processes"),
        pytest.param(BLOCKING, MAY_BLOCK, id="blocking"),
    ],
)
def test_a_power_is_used_only_where_it_lives(names: tuple[str, ...], allowed: dict[str, str]) -> None:
    """Environment, terminal, clock and processes are reached only through the modules of the table."""
    files = [file for file in tree.sources(*CODE) if not file.path.startswith(tuple(allowed))]
    assert not [f"{where} {name}" for file in files for where, name in tree.uses(file, names)]


# ---- sizes and words -------------------------------------------------------------------------------------------------

LONGEST_FILE: Final = 300
LONGEST_TEST_FILE: Final = 500
LONGEST_FUNCTION: Final = 45  # lines, docstring not counted; the aim is 3 to 7
DEEPEST: Final = 4

#: Words that say nothing about what a thing is for.
EMPTY_WORDS: Final = {"util", "utils", "common", "helper", "helpers", "manager", "managers"}


def test_files_are_short() -> None:
    """No file is longer than 300 lines, no test file longer than 500."""
    sizes = {file.path: len(file.text.splitlines()) for file in tree.sources()}
    assert not {path: size for path, size in sizes.items() if size > _longest(path)}


def _longest(path: str) -> int:
    return LONGEST_TEST_FILE if path.startswith("tests/") else LONGEST_FILE


def test_functions_are_short() -> None:
    """No function is longer than 45 lines."""
    assert not [
        f"{file.at(function)} {function.name}: {tree.length(function)}"
        for file in tree.sources()
        for function in file.functions()
        if tree.length(function) > LONGEST_FUNCTION
    ]


def test_functions_are_flat() -> None:
    """No function nests blocks deeper than four."""
    assert not [
        f"{file.at(function)} {function.name}: {tree.depth(function)}"
        for file in tree.sources()
        for function in file.functions()
        if tree.depth(function) > DEEPEST
    ]


def test_names_say_what_a_thing_is_for() -> None:
    """No file, class or function is called utils, common, helper, manager; no file or folder base."""
    files = [path.as_posix() for path in tree.files() if _words_of(path) & (EMPTY_WORDS | {"base"})]
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    inside = [
        f"{file.at(node)} {node.name}"
        for file in tree.sources()
        for node in ast.walk(file.tree)
        if isinstance(node, named) and tree.words(node.name) & EMPTY_WORDS
    ]
    assert not files + inside


def _words_of(path: Path) -> set[str]:
    return {word for part in path.parts for word in tree.words(part)}


# ---- tests -----------------------------------------------------------------------------------------------------------


def _tests() -> Iterator[tuple[Source, tree.Function]]:
    for file in tree.sources("tests"):
        if Path(file.path).name.startswith("test_"):
            yield from ((file, function) for function in file.functions() if function.name.startswith("test_"))


def test_every_test_says_its_rule() -> None:
    """Every test has a docstring of one sentence."""
    assert not [f"{file.at(test)} {test.name}" for file, test in _tests() if not _is_sentence(ast.get_docstring(test))]


def _is_sentence(text: str | None) -> bool:
    return text is not None and text.endswith(".") and not re.search(r"[.!?]\s+[A-Z]|\n\n", text)


def test_every_test_can_fail() -> None:
    """Every test asserts something, expects an error, or calls what does."""
    assert not [f"{file.at(test)} {test.name}" for file, test in _tests() if not _can_fail(test, file)]


def _can_fail(function: tree.Function, file: Source) -> bool:
    """Whether it asserts, or calls a function of the same file or of the support folder that does."""
    return _asserts(function) or bool(_called(function) & _asserting(file))


def _asserts(function: tree.Function) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or bool(
        _called(function) & {"raises", "warns", "fail"}
    )


def _called(function: tree.Function) -> set[str]:
    return {ast.unparse(node.func).split(".")[-1] for node in ast.walk(function) if isinstance(node, ast.Call)}


def _asserting(file: Source) -> set[str]:
    near = (file, *(other for other in tree.sources("tests") if "/support/" in other.path))
    functions = [function for source in near for function in source.functions()]
    return {function.name for function in functions if not function.name.startswith("test_") and _asserts(function)}


# ---- what is promised in words ---------------------------------------------------------------------------------------


def test_the_contract_of_a_runner_is_documented() -> None:
    """Every public name of core/contract.py and every public method there says what it promises."""
    public = {name: value for name, value in vars(contract).items() if not name.startswith("_")}
    own = {name: value for name, value in public.items() if getattr(value, "__module__", "") == contract.__name__}
    methods = {
        f"{name}.{member}": function
        for name, value in own.items()
        for member, function in vars(value).items()
        if inspect.isfunction(function) and not member.startswith("_")
    }
    assert not [name for name, value in {**own, **methods}.items() if not inspect.getdoc(value)]


def _error_classes() -> list[type[SpecqlJobsError]]:
    for package in (core, runners, cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[SpecqlJobsError]] = [SpecqlJobsError]
    for known in found:
        found.extend(known.__subclasses__())
    return found


def test_every_error_class_is_documented_and_named() -> None:
    """Every error class says what it means and has a code and a name of its own."""
    for kind in _error_classes():
        assert kind.__doc__, kind
        assert {"code", "name"} <= vars(kind).keys(), kind
        assert re.fullmatch(r"E\d{3}", kind.code), kind


def test_every_error_code_means_one_thing() -> None:
    """A code has one name and a name one code, in classes and where an error is raised."""
    pairs = {(kind.code, kind.name) for kind in _error_classes()} | set(_raised_codes())
    for side in (0, 1):
        counts = Counter(pair[side] for pair in pairs)
        assert not [word for word, count in counts.items() if count > 1], sorted(pairs)


def test_every_error_code_begins_with_its_exit_code() -> None:
    """The first digit of a class's code is its exit code, except for a bug, which is E700 and exits with 70."""
    kinds = [kind for kind in _error_classes() if kind is not SpecqlJobsError]
    assert not [kind for kind in kinds if int(kind.code[1]) != kind.exit_code]


def _raised_codes() -> Iterator[tuple[str, str]]:
    for file in tree.sources(*CODE):
        for node in ast.walk(file.tree):
            words = {word.arg: word.value for word in node.keywords} if isinstance(node, ast.Call) else {}
            code, name = words.get("code"), words.get("name")
            if isinstance(code, ast.Constant) and isinstance(name, ast.Constant) and str(code.value).startswith("E"):
                yield str(code.value), str(name.value)


def test_the_error_tree_is_drawn() -> None:
    """The tree at the head of core/errors.py shows every class of that file."""
    drawn = errors.__doc__ or ""
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value) and name != "ClassVar"]
    assert not [name for name in classes if name not in drawn]


# ---- documents that are true -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "completions/_specql-jobs",
        "completions/specql-jobs.bash",
        "completions/specql-jobs.fish",
        "docs/lifecycle.md",
        "schemas/schema.sql",
    ],
)
def test_generated_files_are_fresh(name: str) -> None:
    """`make gen` would change nothing."""
    if name.endswith(".sql"):
        _require_embedded()
    command = [sys.executable, str(ROOT / ".ci" / "gen.py"), "--check", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _require_embedded() -> None:
    try:
        embedded.binaries()
    except SpecqlJobsError as error:
        require("postgres", available=False, reason=error.message, promised=frozenset() if GIVEN_DSN else PROMISED)


def test_docs_architecture_names_only_paths_that_exist() -> None:
    """Every path in docs/architecture.md is in the tree."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = {word for word in re.findall(r"`(\w[\w./-]*)`", text) if "/" in word or word.endswith((".py", ".sql"))}
    assert named
    assert not sorted(word for word in named if not (ROOT / word).exists())


def test_links_in_pages_lead_somewhere() -> None:
    """Every relative link in a Markdown file leads to a file of the project."""
    broken = [
        f"{path} -> {target}"
        for path, text in tree.texts()
        if path.endswith(".md")
        for target in re.findall(r"\]\(([^)#\s]+)", text)
        if "://" not in target and not target.startswith("mailto:")
        if not ((ROOT / path).parent / target).exists()
    ]
    assert not broken


#: Places and pages that a reader of this repository cannot have.
ELSEWHERE: Final = re.compile(
    r"/work/(?:main|shared|\.)|\.\./shared"
    r"|(?<!\x22)\b(?:CONTRACT|DESIGN|PERF|STYLE)\b"
    r"|\b(?:SECURITY|PLAN|CLI)(?:\.md| \d)"
)


def test_the_project_stands_alone() -> None:
    """No file refers to a place or a page outside this repository."""
    assert not [
        f"{path}: {match.group()!r}"
        for path, text in tree.texts()
        if path not in ("LICENSE", "tests/test_house.py") and not path.endswith(".xsd")  # with a licence in it
        for match in ELSEWHERE.finditer(text)
    ]


def test_the_changelog_has_room_for_the_next_change() -> None:
    """CHANGELOG.md has an Unreleased section."""
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)


# ---- what users install ----------------------------------------------------------------------------------------------


def _installed() -> set[str]:
    """Return the files of the installed wheel; skip where the checkout itself is installed."""
    distribution = metadata.distribution("specql-jobs")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("the checkout is installed editable; make test installs the wheel")
    return {path.as_posix() for path in distribution.files or () if path.suffix != ".pyc"}


def test_the_wheel_has_every_file_of_the_packages() -> None:
    """Modules, SQL, JSON, YAML and py.typed of the packages are installed, and nothing that is gone from the tree."""
    inside = {path for path in _installed() if path.startswith("specql_jobs/")}
    wanted = {f"specql_jobs/{path.as_posix()}" for path in tree.files() if path.parts[0] in CODE}
    assert inside == {path for path in wanted if not path.endswith(".md")}


def test_the_wheel_brings_no_other_top_level_name() -> None:
    """Nothing called core, cli, runners or tests lands in a user's site-packages."""
    tops = {path.split("/")[0] for path in _installed() if not path.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"specql_jobs"}


def test_the_wheel_brings_completions_and_manual_where_they_are_looked_for() -> None:
    """The files of completions/ and man/ land below share/, each where shells and man look."""
    shared = {path[path.index("share/") :] for path in _installed() if path.startswith("..") and "share/" in path}
    assert shared >= {
        "share/bash-completion/completions/specql-jobs.bash",
        "share/zsh/site-functions/_specql-jobs",
        "share/fish/vendor_completions.d/specql-jobs.fish",
        "share/man/man1/specql-jobs.1",
        "share/man/man5/specql-jobs-registry.5",
    }


def test_what_is_tested_is_what_is_installed() -> None:
    """The tests import the installed package, not a folder that happens to lie beside them."""
    _installed()
    assert not [module.__file__ for module in (cli, core, runners, schemas) if _is_beside(str(module.__file__))]


def _is_beside(path: str) -> bool:
    return Path(path).is_relative_to(ROOT) and "site-packages" not in path
