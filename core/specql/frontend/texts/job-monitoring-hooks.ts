import { type OperationVariables, type TypedDocumentNode } from '@apollo/client';
import { useMutation, useQuery } from '@apollo/client/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import {
  CANCEL_JOB_MUTATION,
  CREATE_JOB_MUTATION,
  GET_EXECUTION_TYPE_BREAKDOWN_QUERY,
  GET_JOB_BY_IDENTIFIER_QUERY,
  GET_JOB_MONITORING_DASHBOARD_QUERY,
  GET_JOB_STATISTICS_QUERY,
  GET_JOB_STATUS_QUERY,
  GET_JOBS_BY_EXECUTION_TYPE_QUERY,
  GET_JOBS_QUERY,
  GET_PENDING_JOBS_QUERY,
  JOB_EXECUTION_EVENTS_QUERY,
  JOB_STATUS_UPDATES_QUERY,
  RETRY_JOB_MUTATION,
  UPDATE_JOB_MUTATION,
} from './job-monitoring-documents';
import {
  type CreateJobVariables,
  type ExecutionType,
  type JobFilter,
  type JobPagination,
  type JobStanding,
  type JobStatus,
  type JobStatusUpdate,
  isTerminal,
} from './job-monitoring-types';
import type { ServiceOperationName, ServiceOperations } from './service-types';

/** How often a hook asks again, in milliseconds; 0 is never. */
export interface PollOptions {
  pollInterval?: number | undefined;
  skip?: boolean | undefined;
}

/** A job to create: one of the registry's operations, with the input that it takes. */
export type CreateJobInput = {
  [N in ServiceOperationName]: Omit<CreateJobVariables, 'service' | 'operation' | 'input'> &
    Pick<ServiceOperations[N], 'service' | 'operation' | 'input'>;
}[ServiceOperationName];

const FOLLOWING = 2_000;
const WATCHING = 5_000;
const OVERVIEW = 30_000;

/** useQuery that asks again until `ended` says that the answer is the last one, and begins anew when it no longer is. */
function usePolledQuery<Data, Variables extends OperationVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: PollOptions & { interval: number },
  ended: (data: Data) => boolean = () => false,
) {
  const [stopped, setStopped] = useState(false);
  const query = {
    variables,
    skip: options.skip ?? false,
    pollInterval: stopped ? 0 : (options.pollInterval ?? options.interval),
  };
  const result = useQuery<Data, OperationVariables>(document as TypedDocumentNode<Data, OperationVariables>, query);
  const last = result.data !== undefined && ended(result.data as Data);
  if (last !== stopped) {
    setStopped(last);
  }
  return result;
}

// ---- one job ----------------------------------------------------------------------------------------------------------

/** A job by its id, followed until it has ended. */
export function useJobStatus(jobId: string | null | undefined, options: PollOptions = {}) {
  return usePolledQuery(
    GET_JOB_STATUS_QUERY,
    { id: jobId ?? '' },
    { ...options, interval: FOLLOWING, skip: !jobId || options.skip },
    (data) => isTerminal(data.job?.status),
  );
}

/** A job by its identifier, followed until it has ended. */
export function useJobByIdentifier(identifier: string | null | undefined, options: PollOptions = {}) {
  return usePolledQuery(
    GET_JOB_BY_IDENTIFIER_QUERY,
    { identifier: identifier ?? '' },
    { ...options, interval: FOLLOWING, skip: !identifier || options.skip },
    (data) => isTerminal(data.jobByIdentifier?.status),
  );
}

// ---- many jobs --------------------------------------------------------------------------------------------------------

/** Jobs, newest first, without their documents; asked once, unless a pollInterval is given. */
export function useJobs(filter: JobFilter = {}, pagination: JobPagination = {}, options: PollOptions = {}) {
  return usePolledQuery(GET_JOBS_QUERY, { ...filter, ...pagination }, { ...options, interval: 0 });
}

/** The same for one execution type. */
export function useJobsByExecutionType(
  executionType: ExecutionType,
  filter: Pick<JobFilter, 'status' | 'tenant_id'> = {},
  pagination: JobPagination = {},
  options: PollOptions = {},
) {
  const variables = { execution_type: executionType, ...filter, ...pagination };
  return usePolledQuery(GET_JOBS_BY_EXECUTION_TYPE_QUERY, variables, { ...options, interval: 0 });
}

/** Pending jobs in the order in which workers take them, each with the reason why it waits. */
export function usePendingJobs(limit = 50, options: PollOptions = {}) {
  return usePolledQuery(GET_PENDING_JOBS_QUERY, { limit }, { ...options, interval: WATCHING });
}

// ---- changes ----------------------------------------------------------------------------------------------------------

/** Put a job in the queue. With an idempotency_key that was used, outcome is `duplicate` and job is that one. */
export function useCreateJob() {
  const [create, result] = useMutation(CREATE_JOB_MUTATION);
  type Options = NonNullable<Parameters<typeof create>[0]>;
  const createJob = useCallback(
    (options: Omit<Options, 'variables'> & { variables: CreateJobInput }) => create(options as unknown as Options),
    [create],
  );
  return [createJob, result] as const;
}

/** Change priority or due time of a pending job; another one is left as it is, and outcome says so. */
export function useUpdateJob() {
  return useMutation(UPDATE_JOB_MUTATION);
}

/** Cancel a job; of a running one outcome is `requested` until its worker has stopped it. */
export function useCancelJob() {
  return useMutation(CANCEL_JOB_MUTATION);
}

/** Run a failed or cancelled job again under the same id. */
export function useRetryJob() {
  return useMutation(RETRY_JOB_MUTATION);
}

// ---- following --------------------------------------------------------------------------------------------------------

/** What has just changed among these jobs; asks again until all have ended. At most 500 jobs. */
export function useJobStatusUpdates(
  jobIds: readonly string[] | null | undefined,
  options: PollOptions & { onUpdate?: ((update: JobStatusUpdate) => void) | undefined } = {},
) {
  const ids = [...(jobIds ?? [])];
  const result = usePolledQuery(
    JOB_STATUS_UPDATES_QUERY,
    { job_ids: ids },
    { ...options, interval: FOLLOWING, skip: ids.length === 0 || options.skip },
    (data) => data.jobStatusUpdates.length >= ids.length && data.jobStatusUpdates.every((each) => isTerminal(each.new_status)),
  );
  const updates = useChanges(result.data?.jobStatusUpdates as JobStanding[] | undefined, options.onUpdate);
  return { ...result, data: { jobStatusUpdates: updates } };
}

/** Where jobs stand, told apart from where they stood when this was last called. */
function useChanges(standings: JobStanding[] | undefined, onUpdate: ((update: JobStatusUpdate) => void) | undefined): JobStatusUpdate[] {
  const seen = useRef(new Map<string, JobStatus>());
  const tell = useRef(onUpdate);
  tell.current = onUpdate;
  const [updates, setUpdates] = useState<JobStatusUpdate[]>([]);
  useEffect(() => {
    const news = (standings ?? [])
      .filter((each) => seen.current.get(each.job_id) !== each.new_status)
      .map((each) => ({ ...each, previous_status: seen.current.get(each.job_id) ?? null }));
    for (const each of news) {
      seen.current.set(each.job_id, each.new_status);
      tell.current?.(each);
    }
    if (news.length > 0) {
      setUpdates(news);
    }
  }, [standings]);
  return updates;
}

/** How attempts of the last hour ended, newest first. */
export function useJobExecutionEvents(
  executionTypes?: readonly ExecutionType[] | null,
  tenantId?: string | null,
  options: PollOptions & { limit?: number | undefined } = {},
) {
  const variables = {
    execution_types: executionTypes ? [...executionTypes] : null,
    tenant_id: tenantId ?? null,
    limit: options.limit ?? null,
  };
  return usePolledQuery(JOB_EXECUTION_EVENTS_QUERY, variables, { ...options, interval: FOLLOWING });
}

// ---- numbers ----------------------------------------------------------------------------------------------------------

/** How many jobs are open, and how many have ended since `since` (an ISO 8601 time; default: a day ago). */
export function useJobStatistics(tenantId?: string | null, since?: string | null, options: PollOptions = {}) {
  const variables = { tenant_id: tenantId ?? null, since: since ?? null };
  return usePolledQuery(GET_JOB_STATISTICS_QUERY, variables, { ...options, interval: 0 });
}

/** The same by execution type. */
export function useExecutionTypeBreakdown(tenantId?: string | null, since?: string | null, options: PollOptions = {}) {
  const variables = { tenant_id: tenantId ?? null, since: since ?? null };
  return usePolledQuery(GET_EXECUTION_TYPE_BREAKDOWN_QUERY, variables, { ...options, interval: 0 });
}

/** Statistics, the latest jobs, and by operation: durations, failures, usage. */
export function useJobMonitoringDashboard(
  tenantId?: string | null,
  since?: string | null,
  limit = 20,
  options: PollOptions = {},
) {
  const variables = { tenant_id: tenantId ?? null, since: since ?? null, limit };
  return usePolledQuery(GET_JOB_MONITORING_DASHBOARD_QUERY, variables, { ...options, interval: OVERVIEW });
}
