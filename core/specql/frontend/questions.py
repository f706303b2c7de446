"""The documents that the hooks send: which function each calls, and with which arguments."""

from __future__ import annotations

from .model import Field, Question

_ID = Field("id", "uuid", required=True)
_REASON = Field("reason", "text")
_TENANT = Field("tenant_id", "uuid")
_SINCE = Field("since", "timestamptz")
_LIMIT = Field("limit", "integer")
_PAGE = (_LIMIT, Field("offset", "integer"))
_STATUS = Field("status", "job_status[]")

_NEW_JOB = (
    Field("service", "text", required=True),
    Field("operation", "text", required=True),
    Field("input", "jsonb"),
    Field("run_at", "timestamptz"),
    Field("priority", "integer"),
    Field("idempotency_key", "text"),
    Field("tenant_id", "uuid"),
    Field("correlation_id", "text"),
    Field("max_attempts", "integer"),
    Field("timeout_seconds", "integer"),
    Field("entity_type", "text"),
    Field("entity_pk", "text"),
)

_FILTER = (
    _STATUS,
    Field("service_name", "text"),
    Field("operation", "text"),
    Field("execution_type", "execution_type"),
    _TENANT,
    Field("correlation_id", "text"),
    Field("entity_type", "text"),
    Field("entity_pk", "text"),
    Field("created_after", "timestamptz"),
    Field("created_before", "timestamptz"),
)

QUESTIONS = (
    Question("GET_JOB_STATUS_QUERY", "GetJobStatus", "job", "job_record", (_ID,)),
    Question(
        "GET_JOB_BY_IDENTIFIER_QUERY",
        "GetJobByIdentifier",
        "job_by_identifier",
        "job_record",
        (Field("identifier", "text", required=True),),
    ),
    Question("GET_JOBS_QUERY", "GetJobs", "jobs", "job_page", (*_FILTER, *_PAGE)),
    Question(
        "GET_JOBS_BY_EXECUTION_TYPE_QUERY",
        "GetJobsByExecutionType",
        "jobs_by_execution_type",
        "job_page",
        (Field("execution_type", "execution_type", required=True), _STATUS, _TENANT, *_PAGE),
    ),
    Question("GET_PENDING_JOBS_QUERY", "GetPendingJobs", "pending_jobs", "job_record[]", (_LIMIT,)),
    Question("CREATE_JOB_MUTATION", "CreateJob", "create_job", "job_change", _NEW_JOB, changes=True),
    Question(
        "UPDATE_JOB_MUTATION",
        "UpdateJob",
        "update_job",
        "job_change",
        (_ID, Field("priority", "integer"), Field("run_at", "timestamptz"), _REASON),
        changes=True,
    ),
    Question("CANCEL_JOB_MUTATION", "CancelJob", "cancel_job", "job_change", (_ID, _REASON), changes=True),
    Question("RETRY_JOB_MUTATION", "RetryJob", "retry_job", "job_change", (_ID, _REASON), changes=True),
    Question(
        "JOB_STATUS_UPDATES_QUERY",
        "JobStatusUpdates",
        "job_status_updates",
        "job_status_update[]",
        (Field("job_ids", "uuid[]", required=True),),
    ),
    Question(
        "JOB_EXECUTION_EVENTS_QUERY",
        "JobExecutionEvents",
        "job_execution_events",
        "job_execution_event[]",
        (Field("execution_types", "execution_type[]"), _TENANT, _LIMIT),
    ),
    Question("GET_JOB_STATISTICS_QUERY", "GetJobStatistics", "job_statistics", "job_statistic", (_TENANT, _SINCE)),
    Question(
        "GET_EXECUTION_TYPE_BREAKDOWN_QUERY",
        "GetExecutionTypeBreakdown",
        "execution_type_breakdown",
        "execution_type_breakdown[]",
        (_TENANT, _SINCE),
    ),
    Question(
        "GET_JOB_MONITORING_DASHBOARD_QUERY",
        "GetJobMonitoringDashboard",
        "job_monitoring_dashboard",
        "job_monitoring_dashboard",
        (_TENANT, _SINCE, _LIMIT),
    ),
)
