"""job-monitoring-types.ts: the model in TypeScript."""

from __future__ import annotations

from collections.abc import Iterable

from ...job import Category, Status
from ...outcome import USAGE_NUMBERS, USAGE_WORDS
from .model import CHOICES, Choice, Field, Question, Record
from .questions import QUESTIONS
from .records import BY_NAME, RECORDS
from .typescript_text import comment, union

#: SQL type -> TypeScript type, as JSON brings it.
_SCALARS = {
    "uuid": "string",
    "text": "string",
    "integer": "number",
    "bigint": "string",
    "float8": "number",
    "boolean": "boolean",
    "jsonb": "JsonValue",
    "timestamptz": "string",
}


def typescript_type(field: Field) -> str:
    """Return a field's type without its `| null`."""
    name = field.type.removesuffix("[]")
    known = BY_NAME.get(name)
    word = field.shape or (known.type_name if known else _SCALARS[name])
    return f"{word}[]" if field.type.endswith("[]") else word


def types() -> str:
    """Return the types: choices, records, and the variables of every document."""
    parts = [_JSON, *map(_choice, CHOICES), _terminal(), _categories(), _usage(), _DETAILS]
    parts += [_record(each) for each in RECORDS]
    parts += [_STATUS_UPDATE]
    parts += [_variables(each) for each in QUESTIONS]
    return "\n".join([*parts, _FILTERS])


def _choice(choice: Choice) -> str:
    listed = ", ".join(f"'{value}'" for value in choice.values)
    return (
        f"{comment(choice.note)}export const {choice.constant} = [{listed}] as const;\n"
        f"export type {choice.type_name} = (typeof {choice.constant})[number];\n"
    )


def _terminal() -> str:
    ended = union(status for status in Status if status.terminal)
    tests = " || ".join(f"status === '{status}'" for status in Status if status.terminal)
    return (
        f"/** Nothing more happens to such a job by itself. */\nexport type TerminalStatus = {ended};\n\n"
        "export function isTerminal(status: JobStatus | null | undefined): status is TerminalStatus {\n"
        f"  return {tests};\n}}\n"
    )


def _categories() -> str:
    return f"/** What `error_category` says. */\nexport type ErrorCategory = {union(Category)};\n"


def _usage() -> str:
    numbers = [f"  {name}?: number;\n" for name in USAGE_NUMBERS]
    words = [f"  {name}?: string;\n" for name in USAGE_WORDS]
    return _interface("ResourceUsage", "What an attempt used, as far as its runner measures it.", [*numbers, *words])


def _record(record: Record) -> str:
    return _interface(record.type_name, record.note, (_member(each) for each in record.fields))


def _interface(name: str, note: str, members: Iterable[str]) -> str:
    return f"{comment(note)}export interface {name} {{\n{''.join(members)}}}\n"


def _member(field: Field) -> str:
    null = "" if field.required else " | null"
    return f"{comment(field.note, '  ')}  {field.key}: {typescript_type(field)}{null};\n"


def _variables(question: Question) -> str:
    members = (_variable(each) for each in question.arguments)
    return _interface(f"{question.name}Variables", "", members)


def _variable(field: Field) -> str:
    kind = typescript_type(field)
    return f"  {field.name}: {kind};\n" if field.required else f"  {field.name}?: {kind} | null;\n"


_JSON = """\
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
"""

_DETAILS = """\
export interface JobExecutionDetails {
  status: JobStatus;
  attempt: number;
  worker_id: string | null;
  error_category: ErrorCategory | null;
  duration_ms: number | null;
}
"""

_STATUS_UPDATE = """\
/** A change of a job's status, as useJobStatusUpdates saw it. */
export interface JobStatusUpdate extends JobStanding {
  /** Null where it is the first that was seen of the job. */
  previous_status: JobStatus | null;
}
"""

_FILTERS = """\
/** Which jobs; conditions AND. */
export type JobFilter = Omit<GetJobsVariables, 'limit' | 'offset'>;
export type JobPagination = Pick<GetJobsVariables, 'limit' | 'offset'>;
export type JobQueryResult = JobPage;
export type UpdateJobInput = UpdateJobVariables;
export type CancelJobInput = CancelJobVariables;
export type RetryJobInput = RetryJobVariables;
"""
