"""The host ceiling and a row's security_context: both only ever take away."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.allowlists import admits, domain_covers, image_covers, path_covers
from specql_jobs.core.contract import Endpoint, Footprint, FunctionRef, Mount, ResourceRequirements
from specql_jobs.core.errors import ConfigError, UsageError
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.narrow import config_violations, meet, narrow, narrower, unquoted
from specql_jobs.core.policy import Policy, judge
from specql_jobs.core.policy_terms import TERMS
from specql_jobs.core.registry.ceiling import load_ceiling
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.model import Service

POLICY = Policy(
    allowed_domains=("api.example.com", "*.cdn.example.com"),
    allowed_commands=("/usr/bin/convert", "/usr/bin/cat"),
    max_execution_time=60.0,
    resources=ResourceRequirements(memory_mb=512, cpu_cores=2.0, pids=64),
    network_access="localhost",
    allow_http=True,
    max_redirects=3,
    localhost_ports=(8080, 9090),
)


# ---- a row -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "field", "value"),
    [
        ({"allowed_domains": ["api.example.com"]}, "allowed_domains", ("api.example.com",)),
        ({"allowed_domains": ["a.cdn.example.com"]}, "allowed_domains", ("a.cdn.example.com",)),
        ({"allowed_domains": []}, "allowed_domains", ()),
        ({"allowed_commands": "['/usr/bin/cat']"}, "allowed_commands", ("/usr/bin/cat",)),
        ({"max_execution_time": 5}, "max_execution_time", 5.0),
        ({"max_execution_time": "30s"}, "max_execution_time", 30.0),
        ({"network_access": "none"}, "network_access", "none"),
        ({"allow_http": False}, "allow_http", False),
        ({"max_redirects": 0}, "max_redirects", 0),
        ({"max_concurrency": 2}, "max_concurrency", 2),
        ({"localhost_ports": [9090]}, "localhost_ports", (9090,)),
        ({"working_directory_restrictions": ["/srv"]}, "working_directory_restrictions", ("/srv",)),
    ],
)
def test_a_row_may_narrow(asked: dict[str, object], field: str, value: object) -> None:
    """Every kind of term can be narrowed, and only that field changes."""
    narrowed, violations = narrow(POLICY, asked)
    assert violations == ()
    changed: dict[str, Any] = {field: value}
    assert narrowed == replace(POLICY, **changed)


@pytest.mark.parametrize(
    "asked",
    [
        {"allowed_domains": ["evil.com"]},
        {"allowed_domains": ["api.example.com", "evil.com"]},
        {"allowed_domains": ["*.example.com"]},
        {"allowed_domains": ["*"]},
        {"allowed_domains": "api.example.com"},
        {"allowed_domains": None},
        {"allowed_commands": "['/bin/sh']"},
        {"allowed_commands": "__import__('os')"},
        {"max_execution_time": 61},
        {"max_execution_time": 0},
        {"max_execution_time": -1},
        {"max_execution_time": True},
        {"max_execution_time": float("nan")},
        {"max_execution_time": float("inf")},
        {"max_execution_time": "forever"},
        {"max_execution_time": "60"},
        {"max_redirects": 4},
        {"max_redirects": -1},
        {"resource_limits": {"memory_mb": 1024}},
        {"resource_limits": "{'memory_mb': 1024}"},
        {"resource_limits": {"memory_mb": 256, "gpu": 1}},
        {"resource_limits": 3},
        {"network_access": "all"},
        {"network_access": "off"},
        {"network_access": False},
        {"allow_private_networks": True},
        {"allow_http": 0},
        {"sandbox": "none"},
        {"localhost_ports": [22]},
        {"localhost_ports": [True]},
        {"image": "evil"},
        {"allowed_domain": []},
        {"": 1},
    ],
)
def test_a_row_that_asks_for_more_or_for_nonsense_is_refused(asked: dict[str, object]) -> None:
    """More than the policy, an unknown key and a value of the wrong kind are violations; the policy stays."""
    narrowed, violations = narrow(POLICY, asked)
    assert len(violations) == 1
    assert violations[0].field
    unchanged = narrowed if "gpu" not in str(asked) else replace(narrowed, resources=POLICY.resources)
    assert unchanged == POLICY


REGISTRY = """
services:
  s:
    execution_type: shell
    runner_config:
      working_directory: /srv
      timeout: 30
      environment: {LEVEL: info, DEBUG: true}
    security_policy:
      allowed_commands: ["/usr/bin/convert"]
      max_execution_time: 300
      resource_limits: {memory: "512MB", cpu: 1.0}
      sandbox: required
    operations: {o: {input_schema: {}}}
production:
  services:
    s:
      runner_config: {timeout: 60}
      security_policy: {allowed_commands: ["/opt/convert"], max_execution_time: 100}
"""


def service(environment: str = "") -> Service:
    loaded = load_text(REGISTRY, environment=environment, variables={})
    assert loaded.registry is not None
    return loaded.registry.services["s"]


def as_specql_writes(section: dict[str, Any]) -> dict[str, object]:
    """Today's compiled SQL holds texts, numbers and booleans as they are, and all else as Python's str() of it."""
    return {key: value if isinstance(value, bool | str | int | float) else str(value) for key, value in section.items()}


@pytest.mark.parametrize("environment", ["", "production"])
def test_a_row_that_repeats_the_registry_passes(environment: str) -> None:
    """Rows compiled from the file as it is written run in every environment, and change nothing there."""
    section = {
        "allowed_commands": ["/usr/bin/convert"],
        "max_execution_time": 300,
        "resource_limits": {"memory": "512MB", "cpu": 1.0},
        "sandbox": "required",
    }
    ours = service(environment)
    for asked in (section, as_specql_writes(section)):
        assert narrow(ours.policy, asked, ours.declared_policy) == (ours.policy, ())


@pytest.mark.parametrize("environment", ["", "production"])
@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({}, []),
        ({"timeout": 30, "working_directory": "/srv"}, []),
        ({"timeout": 60}, []),
        ({"timeout": "30"}, []),
        ({"environment": "{'LEVEL': 'info', 'DEBUG': True}"}, []),
        ({"environment": {"LEVEL": "info", "DEBUG": True}}, []),
        ({"timeout": 31}, ["timeout"]),
        ({"timeout": True}, ["timeout"]),
        ({"working_directory": "/etc"}, ["working_directory"]),
        ({"environment": {"LEVEL": "info", "DEBUG": 1}}, ["environment"]),
        ({"environment": {"LEVEL": "info"}}, ["environment"]),
        ({"image": "x", "timeout": 30}, ["image"]),
        ({"command": None}, ["command"]),
    ],
)
def test_a_rows_runner_config_may_only_repeat(environment: str, config: dict[str, object], refused: list[str]) -> None:
    """Whatever the registry does not state in any environment is refused, key by key."""
    violations = config_violations(service(environment), config)
    assert [violation.field for violation in violations] == [f"runner_config.{key}" for key in refused]


@pytest.mark.parametrize(
    "text",
    ["[" * 300, "[" + "-" * 16000 + "1]", "[" + "1+" * 8000 + "1]", "[__import__('os')]", "[" + "9" * 9000 + "]"],
)
def test_hostile_literals_stay_text(text: str) -> None:
    """A text that is no plain list or mapping is left as it is, at no cost."""
    assert unquoted(text) == text


# ---- the ceiling -----------------------------------------------------------------------------------------------------


def test_the_ceiling_takes_the_stricter_of_both() -> None:
    """A ceiling is silent: it lowers what is above it, leaves what is below, and names what it decided."""
    held, decided = meet(POLICY, {"max_execution_time": 10, "max_redirects": 5, "resource_limits": {"memory": "256MB"}})
    assert (held.max_execution_time, held.max_redirects, held.resources.memory_mb) == (10.0, 3, 256)
    assert decided == ("max_execution_time", "resource_limits.memory")


def test_a_ceiling_file_holds_for_all_and_by_type(tmp_path: Path) -> None:
    """Keys at the top hold for every service, keys below an execution type for its services."""
    path = tmp_path / "host.yaml"
    path.write_text("max_execution_time: 30s\nshell: {allowed_commands: [/usr/bin/cat]}\n")
    ceiling = load_ceiling(path)
    shell, decided = ceiling.hold(POLICY, ExecutionType.SHELL)
    http, _ = ceiling.hold(POLICY, ExecutionType.HTTP)
    assert (shell.allowed_commands, decided) == (("/usr/bin/cat",), ("max_execution_time", "allowed_commands"))
    assert (http.allowed_commands, http.max_execution_time) == (POLICY.allowed_commands, 30.0)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("max_execution_tim: 3\n", "1:1"),
        ("shell:\n  allowed_comands: []\n", "2:3"),
        ("resource_limits:\n  memory: lots\n", "2:3"),
        ("max_redirects: -1\n", "1:1"),
        ("shell: 3\n", "1:8"),
        ("a: [\n", "1:5"),
        ("# empty\n", "1:1"),
        ("{}\n", "1:1"),
        ("max_redirects: 1\nmax_redirects: 9\n", "2:1"),
    ],
)
def test_a_wrong_ceiling_is_no_ceiling_but_an_error(tmp_path: Path, text: str, place: str) -> None:
    """A typing error in the host policy stops the worker instead of lifting the limit."""
    path = tmp_path / "host.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_ceiling(path)
    assert caught.value.message.startswith(f"{path}:{place}: ")


def test_a_missing_ceiling_is_a_usage_error(tmp_path: Path) -> None:
    """A host policy that is named must be there."""
    with pytest.raises(UsageError):
        load_ceiling(tmp_path / "none.yaml")


# ---- laws ------------------------------------------------------------------------------------------------------------

DOMAINS = ["a.com", "b.a.com", "c.b.a.com", "*.a.com", "*.b.a.com", "d.org", "*.org", "A.com"]
PATHS = ["/", "/srv", "/srv/a", "/srv/ab", "/srv/a/b", "/srv/../etc", "/srv/a/../ab"]
IMAGES = ["app:1", "app:2", "app:*", "app/x:1", "app@sha256:0", "other:*"]
NAMES = ["x", "y", "z"]


def _lists(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=4, unique=True).map(tuple)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "allowed_domains": _lists(DOMAINS),
    "allowed_images": _lists(IMAGES),
    "allowed_functions": _lists(NAMES),
    "allowed_host_paths": _lists(PATHS),
    "working_directory_restrictions": st.none() | _lists(PATHS),
    "network_access": st.sampled_from(["none", "localhost", "all"]),
    "network_isolation": st.booleans(),
    "allow_http": st.booleans(),
    "max_redirects": st.integers(0, 5),
    "max_concurrency": st.none() | st.integers(1, 5),
    "localhost_ports": st.lists(st.integers(1, 4), unique=True).map(tuple),
}
PAIRS = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name], VALUES[name]))


def as_set(value: Any) -> Any:
    return frozenset(value) if isinstance(value, tuple) else value


@given(PAIRS)
def test_meeting_is_commutative(pair: tuple[str, Any, Any]) -> None:
    """It does not matter which side states what; lists are compared as sets."""
    name, ours, theirs = pair
    assert as_set(narrower(name, ours, theirs)) == as_set(narrower(name, theirs, ours))


@given(PAIRS)
def test_meeting_is_idempotent(pair: tuple[str, Any, Any]) -> None:
    """Meeting the same limit again changes nothing, nor does a limit that already holds."""
    name, ours, theirs = pair
    met = narrower(name, ours, theirs)
    assert narrower(name, ours, ours) == ours
    assert as_set(narrower(name, met, theirs)) == as_set(met)


@given(
    _lists(DOMAINS),
    _lists(DOMAINS),
    st.sampled_from(["a.com", "b.a.com", "x.b.a.com", "c.b.a.com", "d.org", "e.d.org"]),
)
def test_domains_that_meet_are_admitted_by_both(ours: tuple[str, ...], theirs: tuple[str, ...], host: str) -> None:
    """A host is admitted by what two lists have in common exactly when both lists admit it."""
    met = narrower("allowed_domains", ours, theirs)
    both = admits(ours, host, domain_covers) and admits(theirs, host, domain_covers)
    assert admits(met, host, domain_covers) == both


@given(_lists(PATHS), _lists(PATHS), st.sampled_from(["/", "/etc", "/srv/a", "/srv/a/b/c", "/srv/ab", "/srv/abc"]))
def test_paths_that_meet_are_admitted_by_both(ours: tuple[str, ...], theirs: tuple[str, ...], path: str) -> None:
    """A path is admitted by what two lists have in common exactly when both lists admit it."""
    met = narrower("read_paths", ours, theirs)
    both = admits(ours, path, path_covers) and admits(theirs, path, path_covers)
    assert admits(met, path, path_covers) == both


@given(_lists(IMAGES), _lists(IMAGES), st.sampled_from(["app:1", "app:9", "app/x:1", "app@sha256:0", "other:3"]))
def test_images_that_meet_are_admitted_by_both(ours: tuple[str, ...], theirs: tuple[str, ...], image: str) -> None:
    """An image is admitted by what two lists have in common exactly when both lists admit it."""
    met = narrower("allowed_images", ours, theirs)
    both = admits(ours, image, image_covers) and admits(theirs, image, image_covers)
    assert admits(met, image, image_covers) == both


FOOTPRINTS = st.builds(
    Footprint,
    endpoints=st.lists(
        st.builds(Endpoint, st.sampled_from(["http", "https"]), st.sampled_from(["a.com", "b.a.com"]), st.just(443)),
        max_size=2,
    ).map(tuple),
    images=st.lists(st.sampled_from(["app:1", "app:2"]), max_size=1).map(tuple),
    functions=st.lists(st.builds(FunctionRef, st.just(""), st.just(""), st.sampled_from(NAMES)), max_size=1).map(tuple),
    mounts=st.lists(
        st.builds(Mount, st.sampled_from(PATHS), st.just("/m"), st.sampled_from(["ro", "rw"])), max_size=2
    ).map(tuple),
    network=st.sampled_from(["none", "localhost", "all"]),
    working_directory=st.sampled_from(["", "/srv/a", "/etc"]),
)
POLICIES = st.fixed_dictionaries(VALUES).map(lambda values: Policy(**{**values, "file_access": "read_write"}))


@given(POLICIES, PAIRS, FOOTPRINTS)
def test_a_restriction_never_allows_more(policy: Policy, pair: tuple[str, Any, Any], footprint: Footprint) -> None:
    """What a policy refuses, it still refuses after any field has met another limit."""
    name, value, _ = pair
    changed: dict[str, Any] = {name: narrower(name, getattr(policy, name), value)}
    if judge(footprint, policy):
        assert judge(footprint, replace(policy, **changed))


def test_every_policy_field_says_how_it_meets_and_is_stated() -> None:
    """No field of Policy can be forgotten: each has its meeting, and a key by which ceiling and row state it."""
    stated = {field for field, _ in TERMS.values()}
    for item in fields(Policy):
        assert item.metadata["meet"]
        names = (
            [f"resources.{each.name}" for each in fields(ResourceRequirements)]
            if item.name == "resources"
            else [item.name]
        )
        assert stated >= set(names)
