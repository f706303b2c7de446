"""service-types.ts: input and output of every operation of a registry, and the mapping from its name to both."""

from __future__ import annotations

from collections.abc import Set

from ...registry.frozen import thaw
from ...registry.model import Operation, Registry, Service
from .schema_types import SchemaTypes, unique
from .typescript_text import key, literal, pascal

#: Names of this file, which no service may take.
_RESERVED = frozenset(("ServiceOperations", "ServiceOperationName", "ServiceInput", "ServiceOutput"))


def service_types(registry: Registry, others: Set[str]) -> str:
    """Return the types of all services; `others` are names that the files beside it export."""
    taken = {*_RESERVED, *others}
    found = [_operation(service, operation, taken) for service, operation in registry.operations()]
    declared = [text for text, _ in found]
    entries = "".join(entry for _, entry in found)
    return "\n".join([*declared, _MAPPING.replace("@ENTRIES@", entries)])


def _operation(service: Service, operation: Operation, taken: set[str]) -> tuple[str, str]:
    """The declarations of one operation, and its entry in the mapping."""
    whole = f"{service.name}.{operation.name}"
    stem = pascal(service.name) + pascal(operation.name)
    given, answered = unique(f"{stem}Input", taken), unique(f"{stem}Output", taken)
    output = True if operation.output_schema is None else thaw(operation.output_schema)
    text = SchemaTypes(thaw(operation.input_schema), given, taken).declarations(f"Input of {whole}.")
    text += "\n" + SchemaTypes(output, answered, taken).declarations(f"Output of {whole}.")
    entry = (
        f"  {key(whole)}: {{\n    service: {literal(service.name)};\n    operation: {literal(operation.name)};\n"
        f"    input: {given};\n    output: {answered};\n  }};\n"
    )
    return text, entry


_MAPPING = """\
/** Every operation by its name, service.operation. */
export interface ServiceOperations {
@ENTRIES@}

export type ServiceOperationName = keyof ServiceOperations;
export type ServiceInput<N extends ServiceOperationName> = ServiceOperations[N]['input'];
export type ServiceOutput<N extends ServiceOperationName> = ServiceOperations[N]['output'];
"""
