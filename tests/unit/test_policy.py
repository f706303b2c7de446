"""The judge: everything in a footprint that a policy does not allow, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from specql_jobs.core.contract import Endpoint, Footprint, FunctionRef, Mount, ResourceRequirements
from specql_jobs.core.policy import Policy, judge

OPEN = Policy(
    allowed_domains=("api.example.com", "*.cdn.example.com", "127.0.0.1", "10.0.0.7", "169.254.169.254", "localhost"),
    allowed_commands=("/usr/bin/convert",),
    allowed_images=("app:1", "tools:*"),
    allowed_providers=("aws",),
    allowed_regions=("eu-west-1",),
    allowed_functions=("resize",),
    allowed_host_paths=("/models",),
    allowed_env=("LEVEL", "LD_PRELOAD"),
    read_paths=("/srv/in",),
    write_paths=("/srv/out",),
    file_access="read_write",
    max_volumes=1,
)


def refused(policy: Policy = OPEN, **touched: Any) -> list[str]:
    return [violation.code for violation in judge(Footprint(**touched), policy)]


def endpoint(host: str, scheme: str = "https", address: str = "") -> tuple[Endpoint, ...]:
    return (Endpoint(scheme, host, 443, address),)


def test_touching_nothing_is_allowed() -> None:
    """An empty footprint passes the restrictive default policy."""
    assert refused(Policy()) == []


@pytest.mark.parametrize(
    "touched",
    [
        {"endpoints": endpoint("api.example.com")},
        {"commands": ("/bin/true",)},
        {"images": ("app:1",)},
        {"functions": (FunctionRef("aws", "eu-west-1", "resize"),)},
        {"mounts": (Mount("/srv/in", "/in", "ro"),)},
        {"network": "localhost"},
        {"localhost_ports": (8080,)},
        {"input_env": ("LEVEL",)},
        {"sandbox": "none"},
        {"request_bytes": 2**20 + 1},
        {"timeout_seconds": 3600.5},
        {"output_bytes": 2**20 + 1},
        {"resources": ResourceRequirements(memory_mb=513)},
        {"resources": ResourceRequirements(pids=65)},
    ],
)
def test_the_default_policy_refuses(touched: dict[str, Any]) -> None:
    """What a policy does not state is not allowed."""
    assert refused(Policy(), **touched)


@pytest.mark.parametrize(
    "touched",
    [
        {"endpoints": endpoint("api.example.com", address="93.184.216.34")},
        {"endpoints": endpoint("x.cdn.example.com")},
        {"commands": ("/usr/bin/convert",)},
        {"images": ("tools:3",)},
        {"functions": (FunctionRef("aws", "eu-west-1", "resize"),)},
        {"mounts": (Mount("/srv/in/a", "/in", "ro"), Mount("/srv/out", "/out", "rw"))},
        {"images": ("app:1",), "mounts": (Mount("/models/small", "/m", "rw"),)},
        {"input_env": ("LEVEL",)},
        {"env": ("PYTHONPATH",)},
        {"working_directory": "/anywhere"},
    ],
)
def test_what_is_listed_is_allowed(touched: dict[str, Any]) -> None:
    """Exact entries, wildcards and paths below an entry are admitted."""
    assert refused(**touched) == []


@pytest.mark.parametrize(
    ("touched", "code"),
    [
        ({"endpoints": endpoint("cdn.example.com")}, "domain_not_allowed"),
        ({"endpoints": endpoint("api.example.com.evil.com")}, "domain_not_allowed"),
        ({"endpoints": endpoint("api.example.com", address="10.0.0.7")}, "private_address"),
        ({"endpoints": endpoint("api.example.com", address="169.254.169.254")}, "address_forbidden"),
        ({"endpoints": endpoint("api.example.com", address="::ffff:127.0.0.1")}, "private_address"),
        ({"endpoints": endpoint("api.example.com", address="nonsense")}, "address_forbidden"),
        ({"endpoints": endpoint("api.example.com", scheme="http")}, "scheme_not_allowed"),
        ({"endpoints": endpoint("api.example.com", scheme="file")}, "scheme_not_allowed"),
        ({"commands": ("convert",)}, "command_not_absolute"),
        ({"commands": ("/usr/bin/convert2",)}, "command_not_allowed"),
        ({"commands": ("/usr/bin/../bin/convert",)}, "command_not_allowed"),
        ({"images": ("app:2",)}, "image_not_allowed"),
        ({"images": ("tools/evil:1",)}, "image_not_allowed"),
        ({"functions": (FunctionRef("gcp", "eu-west-1", "resize"),)}, "provider_not_allowed"),
        ({"functions": (FunctionRef("aws", "us-east-1", "resize"),)}, "region_not_allowed"),
        ({"functions": (FunctionRef("aws", "eu-west-1", "other"),)}, "function_not_allowed"),
        ({"mounts": (Mount("/srv/inside", "/in", "ro"),)}, "path_not_allowed"),
        ({"mounts": (Mount("/srv/in/../../etc", "/in", "ro"),)}, "path_not_allowed"),
        ({"mounts": (Mount("/srv/in", "/in", "rw"),)}, "path_not_allowed"),
        ({"mounts": (Mount("/srv/out", "/in", "rw,exec"),)}, "mount_mode_invalid"),
        ({"images": ("app:1",), "mounts": (Mount("/srv/in", "/m", "ro"),)}, "path_not_allowed"),
        ({"input_env": ("OTHER",)}, "env_not_allowed"),
        ({"input_env": ("LD_PRELOAD",)}, "env_dangerous"),
        ({"env": ("A=B",)}, "env_name_invalid"),
        ({"sandbox": "none"}, "sandbox_not_allowed"),
        ({"sandbox": "weak"}, "sandbox_not_allowed"),
        ({"network": "all"}, "network_access_not_allowed"),
        ({"network": "host"}, "network_access_not_allowed"),
        ({"timeout_seconds": float("nan")}, "limit_exceeded"),
        ({"resources": ResourceRequirements(cpu_cores=1.5)}, "limit_exceeded"),
    ],
)
def test_what_is_not_listed_is_refused(touched: dict[str, Any], code: str) -> None:
    """Near misses of every allowlist are refused, with one violation that has the code."""
    assert refused(**touched) == [code]


def test_an_explicitly_empty_list_admits_nothing() -> None:
    """An empty allowlist is no wildcard, for functions as for everything else."""
    function = FunctionRef("aws", "eu-west-1", "resize")
    assert refused(replace(OPEN, allowed_functions=()), functions=(function,)) == ["function_not_allowed"]
    assert refused(replace(OPEN, working_directory_restrictions=()), working_directory="/a") == [
        "working_directory_not_allowed"
    ]


def test_private_networks_open_loopback_but_never_metadata() -> None:
    """allow_private_networks admits listed private and loopback addresses, plain http to loopback only."""
    private = replace(OPEN, allow_private_networks=True)
    assert refused(private, endpoints=endpoint("10.0.0.7")) == []
    assert refused(private, endpoints=endpoint("127.0.0.1", "http")) == []
    assert refused(private, endpoints=endpoint("localhost", "http", "127.0.0.1")) == []
    assert refused(private, endpoints=endpoint("10.0.0.7", "http")) == ["scheme_not_allowed"]
    assert refused(private, endpoints=endpoint("169.254.169.254")) == ["address_forbidden"]
    assert refused(private, endpoints=endpoint("localhost", "http", "10.0.0.7")) == ["scheme_not_allowed"]


def test_working_directories_stay_inside_their_restrictions() -> None:
    """A working directory is compared by components, and may be mounted where it is allowed."""
    policy = replace(OPEN, working_directory_restrictions=("/srv/jobs",))
    inside = {"working_directory": "/srv/jobs/a", "mounts": (Mount("/srv/jobs/a", "/work", "rw"),)}
    assert refused(policy, **inside) == []
    assert refused(policy, working_directory="/srv/jobs-evil") == ["working_directory_not_allowed"]
    read_only = replace(policy, file_access="read")
    assert refused(read_only, **inside) == ["file_access_not_allowed"]


def test_where_a_process_may_start_is_not_what_it_may_read() -> None:
    """A folder in working_directory_restrictions admits no mount by itself: stating the limit may not open anything."""
    policy = replace(OPEN, read_paths=(), write_paths=(), working_directory_restrictions=("/",))
    assert refused(policy, mounts=(Mount("/etc", "/etc", "ro"),)) == ["path_not_allowed"]
    assert refused(policy, working_directory="/srv", mounts=(Mount("/etc", "/etc", "ro"),)) == ["path_not_allowed"]


def test_containers_have_a_number_of_volumes() -> None:
    """More volumes than max_volumes are refused."""
    mounts = tuple(Mount(f"/models/{name}", f"/{name}", "ro") for name in "ab")
    assert refused(images=("app:1",), mounts=mounts) == ["too_many_volumes"]


def test_digests_can_be_demanded() -> None:
    """With require_digest a tag is refused, though the list admits it."""
    digest = f"app@sha256:{'ab' * 32}"
    pinned = replace(OPEN, require_digest=True, allowed_images=(digest, "app@sha256:ab", "app:1"))
    assert refused(pinned, images=(digest,)) == []
    for image in ("app:1", "app@sha256:ab"):
        assert refused(pinned, images=(image,)) == ["image_without_digest"]


def test_every_violation_names_the_key_and_the_list() -> None:
    """A refusal says which policy key decided, and shows what it allows."""
    (violation,) = judge(Footprint(commands=("/bin/sh",)), OPEN)
    assert (violation.field, violation.message) == (
        "allowed_commands",
        "command '/bin/sh' is not in allowed_commands (/usr/bin/convert)",
    )
    (nothing,) = judge(Footprint(commands=("/bin/sh",)), Policy())
    assert "empty: nothing is allowed" in nothing.message
