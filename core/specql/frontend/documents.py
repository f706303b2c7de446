"""job-monitoring-documents.ts: what the hooks send, and the types of what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .graphql_text import camel, graphql_type, pascal
from .job_types import typescript_type
from .model import Field, Question, Record
from .questions import QUESTIONS
from .records import BY_NAME

#: Record -> the constant and the name of the fragment that asks for all of it.
_FRAGMENTS = {
    "job_record": ("JOB_FIELDS", "JobFields"),
    "job_summary": ("JOB_SUMMARY_FIELDS", "JobSummaryFields"),
}


def documents() -> str:
    """Return the documents as gql constants that carry the types of their variables and their data."""
    names = sorted({_result(each)[0] for each in QUESTIONS} | {f"{each.name}Variables" for each in QUESTIONS})
    imports = "".join(f"  {name},\n" for name in names)
    head = (
        "import { gql, type TypedDocumentNode } from '@apollo/client';\n"
        f"import type {{\n{imports}}} from './job-monitoring-types';\n"
    )
    return "\n".join([head, *_fragments(), *(_document(each) for each in QUESTIONS)])


def _fragments() -> Iterator[str]:
    for name, (constant, fragment) in _FRAGMENTS.items():
        chosen = "\n".join(_chosen(_record(name).fields, "    "))
        yield f"export const {constant} = gql`\n  fragment {fragment} on {pascal(name)} {{\n{chosen}\n  }}\n`;\n"


def _record(name: str) -> Record:
    found = BY_NAME[name]
    assert isinstance(found, Record)
    return found


def _result(question: Question) -> tuple[str, str]:
    """The name of a result's type, and the type."""
    kind = typescript_type(Field("", question.result))
    return kind.removesuffix("[]"), kind if kind.endswith("[]") else f"{kind} | null"


def _document(question: Question) -> str:
    root, kind = camel(question.call), _result(question)[1]
    data = f"{{ result: {kind} }} | null" if question.changes else kind
    return (
        f"export interface {question.name}Data {{\n  {root}: {data};\n}}\n\n"
        f"export const {question.constant}: TypedDocumentNode<{question.name}Data, {question.name}Variables> = gql`\n"
        f"{_operation(question)}`;\n"
    )


def _operation(question: Question) -> str:
    declared = ", ".join(f"${each.name}: {graphql_type(each)}" for each in question.arguments)
    given = ", ".join(f"{camel(each.name)}: ${each.name}" for each in question.arguments)
    chosen = list(_selection(Field("", question.result), "      " if question.changes else "    "))
    body = ["    result {", *chosen, "    }"] if question.changes else chosen
    called = f"{camel(question.call)}({f'input: {{{given}}}' if question.changes else given}) {{"
    lines = [
        f"  {_kind(question)} {question.name}({declared}) {{",
        f"    {called}",
        *(f"  {line}" for line in body),
        "    }",
        "  }",
    ]
    used = sorted(
        {constant for constant, name in _FRAGMENTS.values() if any(f"...{name}" == line.strip() for line in lines)}
    )
    return "\n".join([*lines, *(f"  ${{{constant}}}" for constant in used), ""])


def _kind(question: Question) -> str:
    return "mutation" if question.changes else "query"


def _selection(field: Field, indent: str) -> Iterator[str]:
    """What is asked for of a composite type."""
    name = field.type.removesuffix("[]")
    if name in _FRAGMENTS:
        yield f"{indent}...{_FRAGMENTS[name][1]}"
    else:
        yield from _chosen(_record(name).fields, indent)


def _chosen(fields: Iterable[Field], indent: str) -> Iterator[str]:
    for each in fields:
        asked = each.key if camel(each.name) == each.key else f"{each.key}: {camel(each.name)}"
        if isinstance(BY_NAME.get(each.type.removesuffix("[]")), Record):
            yield from (f"{indent}{asked} {{", *_selection(each, indent + "  "), f"{indent}}}")
        else:
            yield f"{indent}{asked}"
