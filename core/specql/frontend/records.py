"""What comes back: a job, and what is said of many."""

from __future__ import annotations

from .model import CHOICES, Choice, Field, Record

_JOB = Record(
    "job_record",
    "JobRecord",
    "One job.",
    (
        Field("id", "uuid", required=True),
        Field("identifier", "text"),
        Field("idempotency_key", "text"),
        Field("service_name", "text", required=True),
        Field("operation", "text", required=True),
        Field("execution_type", "execution_type", note="Null while no live worker serves the service and none has."),
        Field("status", "job_status", required=True),
        Field("waiting_reason", "waiting_reason", note="Null unless the job is pending."),
        Field("attempts", "integer", required=True),
        Field("max_attempts", "integer", note="Null: the registry decides."),
        Field("timeout_seconds", "integer", note="Null: the registry decides."),
        Field("priority", "integer", required=True, note="Higher runs first."),
        Field("input_data", "jsonb"),
        Field("output_data", "jsonb"),
        Field("error_category", "text"),
        Field("error_message", "text"),
        Field("fingerprint", "text", note="Failures with the same one have the same cause."),
        Field("resource_usage", "jsonb", note="Of the last attempt.", shape="ResourceUsage"),
        Field("tenant_id", "uuid"),
        Field("triggered_by", "uuid"),
        Field("correlation_id", "text"),
        Field("entity_type", "text"),
        Field("entity_pk", "text"),
        Field("parent_id", "uuid", note="The job that made this one."),
        Field("worker_id", "text", note="Who executes it, or did last."),
        Field("created_at", "timestamptz", required=True),
        Field("run_at", "timestamptz", required=True, note="When it is due."),
        Field("started_at", "timestamptz"),
        Field("completed_at", "timestamptz", note="When it ended, in whatever way."),
        Field("updated_at", "timestamptz", required=True),
        Field("cancel_requested_at", "timestamptz"),
        Field("deadline_at", "timestamptz", note="No attempt starts after it."),
    ),
)

#: What a list of jobs leaves out, because it may be large.
_DOCUMENTS = ("input_data", "output_data", "resource_usage")

#: A type of its own: a client's cache keeps one object per type and id, and what a list brings must not make a job that
#: is being followed look complete before its output has come.
SUMMARY = Record(
    "job_summary",
    "JobSummary",
    "One job in a list, without its documents.",
    tuple(each for each in _JOB.fields if each.name not in _DOCUMENTS),
)


def _counts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "integer", required=True) for name in names)


_PLACE = (
    Field("execution_type", "execution_type"),
    Field("service_name", "text", required=True),
    Field("operation", "text", required=True),
)

RECORDS = (
    _JOB,
    SUMMARY,
    Record(
        "job_page",
        "JobPage",
        "Some of the jobs that a filter leaves.",
        (
            Field("jobs", "job_summary[]", required=True),
            Field("total_count", "integer", required=True, note="Counted to 10,000 at most.", read_as="totalCount"),
            Field("has_next_page", "boolean", required=True, read_as="hasNextPage"),
            Field("has_previous_page", "boolean", required=True, read_as="hasPreviousPage"),
        ),
    ),
    Record(
        "job_change",
        "JobChange",
        "What a change came to.",
        (
            Field("success", "boolean", required=True, note="Whether the job is now, or soon, as it was asked to be."),
            Field(
                "outcome",
                "text",
                required=True,
                note="created, duplicate, updated, unchanged, cancelled, requested (a running job is being stopped), "
                "retried, dependency_failed, already_STATUS, not_found.",
            ),
            Field("job", "job_record", note="As it is now; null where there is none."),
        ),
    ),
    Record(
        "job_status_update",
        "JobStanding",
        "Where a job stands.",
        (
            Field("job_id", "uuid", required=True),
            Field("new_status", "job_status", required=True),
            Field("timestamp", "timestamptz", required=True),
            Field("error_message", "text"),
            Field("output_data", "jsonb"),
            Field("resource_usage", "jsonb", shape="ResourceUsage"),
        ),
    ),
    Record(
        "job_execution_event",
        "JobExecutionEvent",
        "How one attempt ended.",
        (
            Field("id", "bigint", required=True),
            Field("job_id", "uuid", required=True),
            Field("service_name", "text", required=True),
            Field("operation", "text", required=True),
            Field("execution_type", "execution_type"),
            Field(
                "event_type",
                "text",
                required=True,
                note="succeeded, failed, refused, cancelled, interrupted, worker_lost.",
            ),
            Field("timestamp", "timestamptz", required=True),
            Field("details", "jsonb", required=True, shape="JobExecutionDetails"),
        ),
    ),
    Record(
        "job_statistic",
        "JobStatistics",
        "How many jobs are open now, and how many have ended since `since`.",
        (
            *_counts("total_jobs", "pending_jobs", "running_jobs", "completed_jobs", "failed_jobs", "cancelled_jobs"),
            Field("average_duration_seconds", "float8", note="Of completed jobs."),
            Field("success_rate_percent", "float8", note="Completed, of those that completed or failed."),
            Field("since", "timestamptz", required=True),
        ),
    ),
    Record(
        "execution_type_breakdown",
        "ExecutionTypeBreakdown",
        "The same for one execution type.",
        (
            Field("execution_type", "execution_type"),
            *_counts("total_jobs", "successful_jobs", "failed_jobs"),
            Field("average_duration_seconds", "float8"),
            Field("average_resource_usage", "jsonb", shape="ResourceUsage"),
        ),
    ),
    Record(
        "job_performance",
        "JobPerformance",
        "How long an operation takes.",
        (
            *_PLACE,
            *_counts("total_jobs", "successful_jobs", "failed_jobs"),
            Field("average_duration_sec", "float8"),
            Field("p95_duration_sec", "float8"),
            Field("p99_duration_sec", "float8"),
        ),
    ),
    Record(
        "failure_pattern",
        "FailurePattern",
        "How an operation fails.",
        (
            *_PLACE,
            Field("failure_count", "integer", required=True),
            Field("error_types", "text[]", required=True, note="Error categories."),
            Field("avg_attempts_before_failure", "float8"),
            Field("last_failure", "timestamptz"),
        ),
    ),
    Record(
        "resource_usage_summary",
        "ResourceUsageSummary",
        "What an operation uses, where its runner measures it.",
        (
            *_PLACE,
            Field("total_jobs", "integer", required=True),
            Field("avg_cpu_percent", "float8"),
            Field("avg_memory_mb", "float8"),
            Field("avg_duration_sec", "float8"),
            Field("max_memory_mb", "float8"),
        ),
    ),
    Record(
        "job_monitoring_dashboard",
        "JobMonitoringDashboard",
        "All of that at once.",
        (
            Field("statistics", "job_statistic", required=True),
            Field("execution_breakdown", "execution_type_breakdown[]", required=True),
            Field("recent_jobs", "job_summary[]", required=True),
            Field("performance_metrics", "job_performance[]", required=True),
            Field("failure_patterns", "failure_pattern[]", required=True),
            Field("resource_usage", "resource_usage_summary[]", required=True),
        ),
    ),
)

#: Every type that is not a scalar, by its SQL name.
BY_NAME: dict[str, Choice | Record] = {each.name: each for each in (*CHOICES, *RECORDS)}
