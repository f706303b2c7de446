"""The GraphQL schema of the model, and the SQL types that make PostGraphile serve it under these names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .model import CHOICES, Choice, Field, Question, Record
from .questions import QUESTIONS
from .records import BY_NAME, RECORDS

#: SQL type -> GraphQL type, as PostGraphile has them.
SCALARS = {
    "uuid": "UUID",
    "text": "String",
    "integer": "Int",
    "bigint": "BigInt",
    "float8": "Float",
    "boolean": "Boolean",
    "jsonb": "JSON",
    "timestamptz": "Datetime",
}

_SCALAR_NOTES = {
    "UUID": "A universally unique identifier as RFC 4122 defines it.",
    "Datetime": "A point in time as ISO 8601 defines it, with its offset.",
    "JSON": "Any JSON value, as itself and not as text: PostGraphile with --dynamic-json.",
    "BigInt": "A whole number of up to 64 bits, as text.",
}


def camel(name: str) -> str:
    """Return a column's name as GraphQL has it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """Return an SQL type's name as GraphQL has it."""
    return "".join(word.capitalize() for word in name.split("_"))


def graphql_type(field: Field) -> str:
    """Return a field's type, with its `!`. What is in a list may be null as far as a database type can tell."""
    name = field.type.removesuffix("[]")
    word = pascal(name) if name in BY_NAME else SCALARS[name]
    listed = f"[{word}]" if field.type.endswith("[]") else word
    return f"{listed}!" if field.required else listed


# ---- schema.graphql --------------------------------------------------------------------------------------------------


def schema() -> str:
    """Return the schema: what the documents ask for, and no more than that."""
    parts = [*(f'"""{note}"""\nscalar {name}' for name, note in _SCALAR_NOTES.items())]
    parts += [_choice(each) for each in CHOICES]
    parts += [_type(each) for each in RECORDS]
    parts += [part for each in QUESTIONS if each.changes for part in _mutation_types(each)]
    parts += [_root("Query", [each for each in QUESTIONS if not each.changes])]
    parts += [_root("Mutation", [each for each in QUESTIONS if each.changes])]
    return "\n\n".join(parts) + "\n"


def _choice(choice: Choice) -> str:
    """A scalar: PostGraphile spells the values of an enum in capitals, and ours are in lower case everywhere."""
    return f'"""{_one_of(choice)}"""\nscalar {pascal(choice.name)}'


def _one_of(choice: Choice) -> str:
    return f"{choice.note} One of {', '.join(choice.values)}."


def _type(record: Record) -> str:
    return f'"""{record.note}"""\ntype {pascal(record.name)} {{\n{_fields(record.fields)}\n}}'


def _fields(fields: tuple[Field, ...]) -> str:
    return "\n".join(line for each in fields for line in _field(each))


def _field(field: Field) -> Iterator[str]:
    if field.note:
        yield f'  """{field.note}"""'
    yield f"  {camel(field.name)}: {graphql_type(field)}"


def _arguments(question: Question) -> tuple[Field, ...]:
    """Only a STRICT function says that an argument is needed, and only one without optional ones can be STRICT."""
    strict = all(each.required for each in question.arguments)
    return tuple(replace(each, required=strict) for each in question.arguments)


def _mutation_types(question: Question) -> Iterator[str]:
    yield f"input {question.name}Input {{\n{_fields(_arguments(question))}\n}}"
    yield f"type {question.name}Payload {{\n  result: {pascal(question.result)}\n}}"


def _root(name: str, questions: list[Question]) -> str:
    return f"type {name} {{\n" + "\n".join(f"  {_root_field(each)}" for each in questions) + "\n}"


def _root_field(question: Question) -> str:
    if question.changes:
        return f"{camel(question.call)}(input: {question.name}Input!): {question.name}Payload"
    arguments = ", ".join(f"{camel(each.name)}: {graphql_type(each)}" for each in _arguments(question))
    return f"{camel(question.call)}({arguments}): {graphql_type(Field('', question.result))}"


# ---- SQL -------------------------------------------------------------------------------------------------------------


def sql_types(schema_name: str) -> str:
    """Return the statements that make the types; a smart comment tells PostGraphile which columns are never null."""
    parts = [_sql_choice(schema_name, each) for each in CHOICES] + [_sql_type(schema_name, each) for each in RECORDS]
    return "\n".join(parts)


def _sql_choice(schema_name: str, choice: Choice) -> str:
    name, values = f"{schema_name}.{choice.name}", ", ".join(f"'{value}'" for value in choice.values)
    return f"CREATE DOMAIN {name} AS text CHECK (VALUE IN ({values}));\n" + _comment(f"DOMAIN {name}", _one_of(choice))


def _sql_type(schema_name: str, record: Record) -> str:
    columns = ",\n".join(f'  "{each.name}" {_qualified(schema_name, each.type)}' for each in record.fields)
    text = f"CREATE TYPE {schema_name}.{record.name} AS (\n{columns}\n);\n"
    text += _comment(f"TYPE {schema_name}.{record.name}", record.note)
    for each in record.fields:
        marks = "@notNull\n" if each.required else ""
        if marks or each.note:
            text += _comment(f"COLUMN {schema_name}.{record.name}.{each.name}", marks + each.note)
    return text


def _qualified(schema_name: str, name: str) -> str:
    return f"{schema_name}.{name}" if name.removesuffix("[]") in BY_NAME else name


def _comment(what: str, words: str) -> str:
    escaped = words.rstrip("\n").replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"COMMENT ON {what} IS E'{escaped}';\n"
