"""What a JSON Schema cannot say: the domain rules, one function each, in one table.

A rule gets one service whose shape is right, and yields findings. To add one: its code in codes.py, its page in
page_texts/, a function beside its family, its line in RULES.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from ..allowlists import Covers, admits, domain_covers, exactly, function_covers, image_covers, path_covers
from ..job import ExecutionType
from ..policy import Policy
from ..policy_terms import Misstated
from ..units import MIB, parse_seconds, parse_size
from . import (
    batch_rules,
    exposure_rules,
    function_rules,
    host_rules,
    name_rules,
    reference_rules,
    reliability_rules,
    schedule_rules,
    secret_rules,
    type_rules,
)
from .build import build_policy, policy_terms
from .canonical import Named, execution_type, named
from .codes import finding
from .http_rules import base_url, credentials, host_of, private_address
from .model import Finding
from .nodes import is_mapping, locate, unresolved
from .schema_rules import check_schema
from .view import View

Rule = Callable[[View], Iterator[Finding]]


def check(entry: Named) -> tuple[Finding, ...]:
    """Return what the domain rules find in a canonical service whose shape is right."""
    errors = tuple(_policy_terms(entry))
    if errors:
        return errors
    kind, policy = execution_type(entry.node), build_policy(entry.node)
    operations = tuple(named(entry.node.get("operations")))
    view = View(entry.name, entry.position, entry.node, kind, policy, operations)
    schemas = tuple(_schemas(view))
    # A schema that means nothing says nothing about its operation's fields.
    meaningless = {found.operation for found in schemas if found.code == "SQJ111"}
    if meaningless:
        view = replace(view, operations=tuple(each for each in operations if each.name not in meaningless))
    found = tuple(chain(schemas, *(rule(view) for rule in RULES)))
    # What stands where a variable is not known in this environment is not judged.
    unknown = {node.position for node in unresolved(entry.node)} if found else ()
    return tuple(each for each in found if each.position not in unknown)


def check_schemas(entry: Named) -> tuple[Finding, ...]:
    """Return what is wrong with the schemas of a service whose shape is wrong elsewhere."""
    operations = tuple(each for each in named(entry.node.get("operations")) if each.node.pairs)
    view = View(entry.name, entry.position, entry.node, execution_type(entry.node), Policy(), operations)
    return tuple(found for found in _schemas(view) if found.code == "SQJ111")


def _policy_terms(entry: Named) -> Iterator[Finding]:
    stated = entry.node.get("security_policy")
    for term in policy_terms(stated):
        node = locate(stated, term.key.split(".")) if stated else entry.node
        if isinstance(term, Misstated) and not node.unresolved:
            yield finding("SQJ104", f"security_policy: {term.message}", node.position, service=entry.name)
    for key, unit in (("timeout", 0), ("deadline", 0), ("memory_mb", MIB)):
        node = locate(entry.node, ("runner_config", key))
        if isinstance(node.value, str) and not node.unresolved and not _reads(node.value, unit):
            yield finding("SQJ105", f"{entry.name}.runner_config.{key}: too small", node.position, service=entry.name)


def _reads(value: str, unit: int) -> bool:
    try:
        return (parse_size(value, unit) if unit else parse_seconds(value)) > 0
    except ValueError:
        return False


# ---- operations ------------------------------------------------------------------------------------------------------


def _schemas(view: View) -> Iterator[Finding]:
    for operation in view.operations:
        if operation.node.get("input_schema") is None:
            message = f"{view.name}.{operation.name} declares no input_schema: any input is accepted"
            yield view.found("SQJ112", message, operation.position, operation.name)
        for key in ("input_schema", "output_schema"):
            node = operation.node.get(key)
            for code, message, position in check_schema(node) if node and is_mapping(node) else ():
                yield view.found(code, f"{view.name}.{operation.name}.{key}: {message}", position, operation.name)


# ---- security --------------------------------------------------------------------------------------------------------


def _outside_policy(view: View) -> Iterator[Finding]:
    for path, value, allowed, covers, key in _asked(view):
        if not value or admits(allowed, value, covers) or exposure_rules.is_engine_socket(value):
            continue
        relative = key == "allowed_commands" and not value.startswith("/")
        reason = "is not an absolute path" if relative else f"is not in {key}"
        help_text = "write the program's whole path, here and in allowed_commands" if relative else ""
        near = () if relative else difflib.get_close_matches(value, allowed, n=1, cutoff=0.8)
        if near:
            help_text = f"{key} has {near[0]!r}: correct one of the two, or every job of this service is refused"
        yield view.found("SQJ403", f"{view.name} needs {value!r}, which {reason}", view.at(*path), help_text=help_text)


def _asked(view: View) -> Iterator[tuple[tuple[object, ...], str, tuple[str, ...], Covers, str]]:
    """What the configuration needs, and the allowlist that must admit it."""
    policy, config = view.policy, view.config
    match view.kind:
        case ExecutionType.HTTP:
            host = host_of(config("base_url") or "")
            yield ("runner_config", "base_url"), host, policy.allowed_domains, domain_covers, "allowed_domains"
        case ExecutionType.SHELL:
            yield from _asked_by_shell(view)
        case ExecutionType.DOCKER:
            yield (
                ("runner_config", "image"),
                config("image") or "",
                policy.allowed_images,
                image_covers,
                "allowed_images",
            )
            region = config("region") or ""
            yield ("runner_config", "region"), region, policy.allowed_regions, exactly, "allowed_regions"
            for index, volume in enumerate(config("volumes") or ()):
                place = ("runner_config", "volumes", index, "host_path")
                yield place, volume["host_path"], policy.allowed_host_paths, path_covers, "allowed_host_paths"
        case ExecutionType.SERVERLESS:
            for key, field in (("provider", "allowed_providers"), ("region", "allowed_regions")):
                yield ("runner_config", key), config(key) or "", getattr(policy, field), exactly, field
            function = config("function_name") or ""
            where = ("runner_config", "function_name")
            yield where, function, policy.allowed_functions, function_covers, "allowed_functions"


def _asked_by_shell(view: View) -> Iterator[tuple[tuple[object, ...], str, tuple[str, ...], Covers, str]]:
    folder, allowed = view.config("working_directory") or "", view.policy.working_directory_restrictions
    if allowed is not None:
        key = "working_directory_restrictions"
        yield ("runner_config", "working_directory"), folder, allowed, path_covers, key
    for operation in view.operations:
        argv = operation.node.get("argv")
        program = str(argv.items[0].value) if argv and argv.items else ""
        if "{" not in program:
            where = ("operations", operation.name, "argv", 0)
            yield where, program, view.policy.allowed_commands, exactly, "allowed_commands"


def _open_doors(view: View) -> Iterator[Finding]:
    if view.policy.network_access == "all":
        message = f"{view.name} has the whole network of this host"
        yield view.found("SQJ404", message, view.at("security_policy", "network_access"))
    if view.policy.sandbox == "none":
        yield view.found("SQJ405", f"{view.name} runs without a sandbox", view.at("security_policy", "sandbox"))
    if view.config("verify") is False:
        message = f"{view.name} does not check whom it talks to"
        yield view.found("SQJ406", message, view.at("runner_config", "verify"))


RULES: Final[tuple[Rule, ...]] = (
    reference_rules.undeclared,
    reference_rules.stray_braces,
    reference_rules.written_elsewhere,
    reference_rules.unused,
    reference_rules.optional,
    reference_rules.answer,
    reference_rules.way_to_run,
    reliability_rules.timeouts,
    reliability_rules.deadlines,
    reliability_rules.retries,
    reliability_rules.backoff,
    reliability_rules.resources,
    schedule_rules.schedules,
    exposure_rules.interpreters,
    exposure_rules.code_from_input,
    _outside_policy,
    _open_doors,
    secret_rules.secrets_in_clear,
    secret_rules.credential_over_http,
    exposure_rules.domains,
    exposure_rules.host_paths,
    exposure_rules.writable_programs,
    exposure_rules.climbing_paths,
    exposure_rules.environment,
    exposure_rules.programs,
    exposure_rules.containers,
    base_url,
    private_address,
    credentials,
    type_rules.requests,
    type_rules.reach,
    type_rules.wildcards,
    type_rules.images,
    type_rules.volumes,
    type_rules.functions,
    function_rules.providers,
    function_rules.names,
    function_rules.places,
    function_rules.events,
    batch_rules.engines,
    host_rules.commands,
    name_rules.callbacks,
)
