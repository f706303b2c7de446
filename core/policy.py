"""`judge`: the one place that says no. Pure: no I/O, no clock, no environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields

from .addresses import AddressClass, classify, parse_address
from .allowlists import Covers, admits, domain_covers, exactly, function_covers, image_covers, path_covers
from .contract import Endpoint, Footprint, Mount, ResourceRequirements, Violation
from .permissions import DEFAULT_RESOURCES, FILE_MODES, MIB, NETWORK_MODES, SANDBOX_MODES, Policy

Check = Callable[[Footprint, Policy], Iterator[Violation]]


def judge(footprint: Footprint, policy: Policy) -> tuple[Violation, ...]:
    """Return everything in `footprint` that `policy` does not allow; empty means allowed."""
    found: list[Violation] = []
    for check in _ALWAYS:
        found.extend(check(footprint, policy))
    for name, check in _WHERE_STATED:
        if getattr(footprint, name):
            found.extend(check(footprint, policy))
    return tuple(found)


# ---- network -------------------------------------------------------------------------------------------------------


def _endpoints(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for endpoint in footprint.endpoints:
        yield from _endpoint(endpoint, policy)


def _endpoint(endpoint: Endpoint, policy: Policy) -> Iterator[Violation]:
    if not admits(policy.allowed_domains, endpoint.host, domain_covers):
        yield Violation(
            "domain_not_allowed",
            f"host {endpoint.host} is not in allowed_domains ({_listed(policy.allowed_domains)})",
            "allowed_domains",
        )
    yield from _address(endpoint, policy)
    yield from _scheme(endpoint, policy)


def _address(endpoint: Endpoint, policy: Policy) -> Iterator[Violation]:
    address = parse_address(endpoint.address or endpoint.host)
    if address is None:
        if endpoint.address:
            yield Violation("address_forbidden", f"{endpoint.address!r} is no IP address", "allow_private_networks")
        return
    kind = classify(address)
    if kind is AddressClass.FORBIDDEN:
        yield Violation("address_forbidden", f"{address} is never reachable from a job", "allow_private_networks")
    elif kind is not AddressClass.PUBLIC and not policy.allow_private_networks:
        yield Violation(
            "private_address",
            f"{endpoint.host} is the {kind} address {address} and allow_private_networks is false",
            "allow_private_networks",
        )


def _scheme(endpoint: Endpoint, policy: Policy) -> Iterator[Violation]:
    if endpoint.scheme == "https" or (endpoint.scheme == "http" and _plain_http_allowed(endpoint, policy)):
        return
    if endpoint.scheme == "http":
        message = f"plain http to {endpoint.host} and allow_http is false"
    else:
        message = f"scheme {endpoint.scheme} is not http or https"
    yield Violation("scheme_not_allowed", message, "allow_http")


def _plain_http_allowed(endpoint: Endpoint, policy: Policy) -> bool:
    return policy.allow_http or (policy.allow_private_networks and _is_loopback(endpoint))


def _is_loopback(endpoint: Endpoint) -> bool:
    address = parse_address(endpoint.address or endpoint.host)
    if address is None:
        return endpoint.host == "localhost"
    return classify(address) is AddressClass.LOOPBACK


def _network(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    yield from _ordered("network_access", footprint.network, policy.network_access, NETWORK_MODES)
    extra = sorted(set(footprint.localhost_ports) - set(policy.localhost_ports))
    if extra:
        yield Violation("port_not_allowed", f"host ports {extra} are not in localhost_ports", "localhost_ports")


# ---- programs --------------------------------------------------------------------------------------------------------


def _commands(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for command in footprint.commands:
        if not command.startswith("/"):
            yield Violation("command_not_absolute", f"command {command!r} is not an absolute path", "allowed_commands")
        elif not admits(policy.allowed_commands, command, exactly):
            yield _not_listed("command_not_allowed", "command", command, policy.allowed_commands, "allowed_commands")


def _images(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for image in footprint.images:
        if not admits(policy.allowed_images, image, image_covers):
            yield _not_listed("image_not_allowed", "image", image, policy.allowed_images, "allowed_images")
        if policy.require_digest and not _PINNED.fullmatch(image):
            yield Violation("image_without_digest", f"image {image!r} is not pinned by digest", "require_digest")
    if footprint.network != "none" and policy.network_isolation:
        message = f"network_mode: a network ({footprint.network}) asked, and network_isolation is true"
        yield Violation("network_isolated", message, "network_isolation")


#: By digest, or by the image's own id: both are what the engine computes from the content.
_PINNED = re.compile(r"(?:[^@]+@)?sha256:[0-9a-f]{64}")


def _user(footprint: Footprint, _policy: Policy) -> Iterator[Violation]:
    user = footprint.user.partition(":")[0]
    if user == "root" or (user.isdigit() and int(user) == 0):
        yield Violation("root_user", f"user {footprint.user!r} is root: containers never run as root", "user")


def _functions(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for function in footprint.functions:
        yield from _member("provider", function.provider, policy.allowed_providers, exactly)
        if function.region or policy.allowed_regions:  # of a function at a plain URL nobody knows the region
            yield from _member("region", function.region, policy.allowed_regions, exactly)
        yield from _member("function", function.name, policy.allowed_functions, function_covers)


def _regions(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for region in footprint.regions:
        yield from _member("region", region, policy.allowed_regions, exactly)


def _member(what: str, value: str, allowed: tuple[str, ...], covers: Covers) -> Iterator[Violation]:
    if not admits(allowed, value, covers):
        yield _not_listed(f"{what}_not_allowed", what, value, allowed, f"allowed_{what}s")


# ---- files and environment -------------------------------------------------------------------------------------------


def _mounts(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    for mount in footprint.mounts:
        yield from _mount(mount, footprint, policy)
    if len(footprint.mounts) > policy.max_volumes and footprint.images:
        yield Violation(
            "too_many_volumes", f"{len(footprint.mounts)} volumes, {policy.max_volumes} allowed", "max_volumes"
        )


def _mount(mount: Mount, footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    if mount.mode not in ("ro", "rw"):
        yield Violation("mount_mode_invalid", f"mount mode {mount.mode!r} is not ro or rw", "file_access")
    needed = "read" if mount.mode == "ro" else "read_write"
    if footprint.images:
        allowed, key = policy.allowed_host_paths, "volume_restrictions.allowed_host_paths"
    elif mount.mode != "ro":
        yield from _ordered("file_access", needed, policy.file_access, FILE_MODES)
        allowed, key = (*policy.write_paths, *_work_roots(footprint)), "write_paths"
    else:
        yield from _ordered("file_access", needed, policy.file_access, FILE_MODES)
        allowed, key = (*policy.read_paths, *policy.write_paths, *_work_roots(footprint)), "read_paths"
    if not admits(allowed, mount.host_path, path_covers):
        yield _not_listed("path_not_allowed", "path", mount.host_path, allowed, key)


def _work_roots(footprint: Footprint) -> tuple[str, ...]:
    """The working directory may be mounted: where it is not allowed itself, `_working_directory` refuses the plan."""
    return (footprint.working_directory,) if footprint.working_directory else ()


def _working_directory(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    allowed = policy.working_directory_restrictions
    if footprint.working_directory and allowed is not None:
        directory = footprint.working_directory
        if not admits(allowed, directory, path_covers):
            key = "working_directory_restrictions"
            yield _not_listed("working_directory_not_allowed", "working directory", directory, allowed, key)


#: Variables that change what a program does before it reads its input (loader, interpreters, credentials, proxies).
DANGEROUS_ENV = re.compile(
    r"LD_.*|GCONV_PATH|GLIBC_TUNABLES|PYTHON.*|PERL5.*|RUBY.*|NODE_.*|_?JAVA_.*|JDK_.*|BASH.*|ENV|IFS|PS4|SHELLOPTS"
    r"|GIT_.*|SSH_.*|.*_PROXY|SSL_CERT_.*|AWS_.*|GOOGLE_.*|AZURE_.*|KUBE.*|DOCKER_.*|PG.*|HOSTALIASES|LOCALDOMAIN"
    r"|TMPDIR|PATH|HOME|SPECQL_.*|PERL.*|GEM_.*|NPM_.*|LUA_.*|PHP.*|CLASSPATH|DOTNET_.*|OPENSSL_.*|RES_OPTIONS"
    r"|MALLOC_.*|CDPATH|PROMPT_COMMAND|LESSOPEN|.*PAGER|.*EDITOR|VISUAL",
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _environment(footprint: Footprint, _policy: Policy) -> Iterator[Violation]:
    yield from _bad_names(footprint.env)


def _bad_names(names: tuple[str, ...]) -> Iterator[Violation]:
    for name in names:
        if not _ENV_NAME.fullmatch(name):
            yield Violation("env_name_invalid", f"{name!r} is not a variable name", "allowed_env")


def _input_environment(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    yield from _bad_names(footprint.input_env)
    for name in footprint.input_env:
        if not admits(policy.allowed_env, name, exactly):
            yield _not_listed("env_not_allowed", "variable", name, policy.allowed_env, "allowed_env")
        elif DANGEROUS_ENV.fullmatch(name.upper()):
            yield Violation("env_dangerous", f"a job's input may never set {name}", "allowed_env")


def _sandbox(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    if footprint.sandbox:
        yield from _ordered("sandbox", footprint.sandbox, policy.sandbox, SANDBOX_MODES)


# ---- amounts -------------------------------------------------------------------------------------------------------

#: The fields of a footprint that `amounts` weighs; every other says what would be touched.
AMOUNTS = ("request_bytes", "output_bytes", "timeout_seconds", "cost_usd")


def amounts(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    """Yield what is too much among the footprint's AMOUNTS."""
    called = footprint.endpoints or footprint.functions
    most_output = policy.max_response_size if called else policy.max_output_bytes
    for key, asked, allowed, unit in (
        ("max_execution_time", footprint.timeout_seconds, policy.max_execution_time, "s"),
        ("max_request_size", footprint.request_bytes, policy.max_request_size, "bytes"),
        ("max_output_bytes", footprint.output_bytes, most_output, "bytes"),
        ("cost_limits.max_cost_per_hour", footprint.cost_usd, policy.max_cost_per_hour, "USD"),
    ):
        if allowed is not None and not asked <= allowed:  # so that NaN is refused
            yield _too_much(key, asked, allowed, unit)


def _resources(footprint: Footprint, policy: Policy) -> Iterator[Violation]:
    if footprint.resources is policy.resources:
        return  # a runner that plans with the policy's own limits asks for no more
    for name in RESOURCE_NAMES:
        asked, allowed = getattr(footprint.resources, name), getattr(policy.resources, name)
        if asked is not None and allowed is not None and not asked <= allowed:
            yield _too_much(f"resource_limits.{name}", asked, allowed, "")


RESOURCE_NAMES = tuple(item.name for item in fields(ResourceRequirements))


def _too_much(key: str, asked: float, allowed: float, unit: str) -> Violation:
    text = f"{key.rpartition('.')[2]}: {asked:g} {unit} asked, {allowed:g} allowed".replace("  ", " ")
    return Violation("limit_exceeded", text, key)


def _ordered(key: str, asked: str, allowed: str, order: tuple[str, ...]) -> Iterator[Violation]:
    if asked not in order or order.index(asked) > order.index(allowed):
        yield Violation(f"{key}_not_allowed", f"{key} {asked!r} asked, {allowed!r} allowed", key)


def _not_listed(code: str, what: str, value: str, allowed: tuple[str, ...], key: str) -> Violation:
    return Violation(code, f"{what} {value!r} is not in {key} ({_listed(allowed)})", key)


def _listed(entries: tuple[str, ...]) -> str:
    return ", ".join(entries[:5]) + (", …" if len(entries) > 5 else "") if entries else "empty: nothing is allowed"


_ALWAYS: tuple[Check, ...] = (_network, amounts, _resources)

#: Checks of one footprint field that have nothing to say where it is empty: most jobs touch one thing.
_WHERE_STATED: tuple[tuple[str, Check], ...] = (
    ("endpoints", _endpoints),
    ("commands", _commands),
    ("images", _images),
    ("user", _user),
    ("functions", _functions),
    ("regions", _regions),
    ("mounts", _mounts),
    ("working_directory", _working_directory),
    ("env", _environment),
    ("input_env", _input_environment),
    ("sandbox", _sandbox),
)

__all__ = ["DEFAULT_RESOURCES", "FILE_MODES", "MIB", "NETWORK_MODES", "SANDBOX_MODES", "Covers", "Policy", "judge"]
