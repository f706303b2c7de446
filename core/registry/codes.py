"""The rules that a registry is held to: one stable code each. `SQJ0xx` YAML, `1xx` structure, `2xx` references,
`3xx` reliability, `4xx` security, `5xx` per execution type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .model import Finding, Position, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its code never changes its meaning; `help` is what to do about a finding."""

    code: str
    name: str
    severity: Severity
    help: str


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_RULES: Final = (
    Rule("SQJ001", "yaml-syntax", _ERROR, "mend the YAML at this place; text with : # { or @ needs quotes"),
    Rule("SQJ002", "duplicate-key", _ERROR, "keep one of the two keys"),
    Rule("SQJ003", "key-not-text", _ERROR, "write the key as a word, or put it in quotes"),
    Rule("SQJ004", "yaml-tag", _ERROR, "remove the tag; a registry holds plain values only"),
    Rule("SQJ005", "too-large", _ERROR, "split the registry into several files, or remove the expanding aliases"),
    Rule("SQJ006", "bad-character", _ERROR, "save the file as UTF-8 text, with spaces for indentation"),
    Rule("SQJ007", "several-documents", _ERROR, "keep one document in each file"),
    Rule("SQJ008", "unset-variable", _ERROR, "set the variable, or give a default: ${NAME:-default}"),
    Rule("SQJ009", "bad-variable", _ERROR, "write ${NAME} or ${NAME:-default}; a literal ${ is written $${"),
    Rule("SQJ010", "unknown-alias", _ERROR, "an alias names an anchor that stands above it and is not around it"),
    Rule("SQJ011", "byte-order-mark", _INFO, "save the file as UTF-8 without a byte-order mark"),
    Rule("SQJ101", "unknown-key", _ERROR, "correct the key or remove it; docs/registry-keys.md has them all"),
    Rule("SQJ102", "wrong-type", _ERROR, "write the kind of value that is wanted; docs/registry-keys.md has every key"),
    Rule("SQJ103", "missing-key", _ERROR, "add the key; docs/registry-keys.md has an example of each type"),
    Rule("SQJ104", "bad-value", _ERROR, "write what is wanted; docs/registry-keys.md has every key"),
    Rule("SQJ105", "bad-unit", _ERROR, "write sizes as 512MB or 1GiB and durations as 30s, 5m or 1h"),
    Rule("SQJ106", "no-services", _ERROR, "add a service under `services:`; docs/registry.md begins with an example"),
    Rule("SQJ107", "duplicate-name", _ERROR, "names are compared without regard to case; rename one of the two"),
    Rule("SQJ108", "defined-twice", _ERROR, "a service is defined in one file; use an environment to change it"),
    Rule("SQJ109", "stated-twice", _ERROR, "keep one of the two spellings"),
    Rule("SQJ110", "missing-category", _WARNING, "SpecQL wants `category` for each service in the list form"),
    Rule("SQJ111", "bad-schema", _ERROR, "write field: type pairs, or a valid JSON Schema (draft 2020-12)"),
    Rule("SQJ112", "no-input-schema", _WARNING, "declare the input; `input_schema: {}` means that there is none"),
    Rule("SQJ113", "unknown-schema-keyword", _WARNING, "JSON Schema ignores keywords it does not know; correct it"),
    Rule("SQJ201", "undeclared-placeholder", _ERROR, "declare the field in input_schema, or write {{ for a brace"),
    Rule("SQJ301", "timeout-above-limit", _WARNING, "raise max_execution_time, or lower the timeout"),
    Rule("SQJ401", "interpreter-allowed", _WARNING, "allow the one script or program instead; this runs any code"),
    Rule("SQJ402", "unpinned-image", _WARNING, "pin the image by digest: name@sha256:…"),
    Rule("SQJ403", "outside-policy", _WARNING, "list it in security_policy, or every job of this service is refused"),
    Rule("SQJ404", "open-network", _WARNING, "allow no network, or localhost; `all` reaches everything this host can"),
    Rule("SQJ405", "no-sandbox", _WARNING, "remove `sandbox: none`; the process runs with all the worker's rights"),
    Rule("SQJ406", "tls-not-verified", _WARNING, "remove `verify: false`, or name the authority with ca_file"),
    Rule("SQJ501", "no-base-url", _INFO, "add runner_config.base_url, or have jobs name an endpoint themselves"),
    Rule("SQJ502", "plain-http", _WARNING, "use https, or set allow_http: true if the network is trusted"),
    Rule("SQJ503", "auth-incomplete", _ERROR, "name the credential with a *_env_var or *_file key under auth_config"),
    Rule("SQJ504", "private-address", _WARNING, "set allow_private_networks: true if its jobs may reach it"),
)

RULES: Final = {rule.code: rule for rule in _RULES}


def finding(code: str, message: str, position: Position, *, service: str = "", operation: str = "") -> Finding:
    """Return the finding of rule `code` with its name, severity and help."""
    rule = RULES[code]
    return Finding(code, rule.name, rule.severity, message, position, service, operation, rule.help)


def helped(found: Finding, help_text: str) -> Finding:
    """Return the finding with a help of its own, if there is one, instead of its rule's."""
    return replace(found, help=help_text) if help_text else found
