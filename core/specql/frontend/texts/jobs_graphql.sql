-- What a GraphQL server over PostgreSQL exposes so that the generated hooks are answered: schema jobs_graphql, over schema jobs.
-- Apply it after `specql-jobs db migrate`, and again after each generation: it makes the schema anew, so put GRANTs into a file of
-- your own that is applied after this one. Every function runs with its caller's rights, row-level security of jobs included.

BEGIN;

DROP SCHEMA IF EXISTS jobs_graphql CASCADE;
CREATE SCHEMA jobs_graphql;

-- ---- types: those of schema.graphql and job-monitoring-types.ts -------------------------------------------------------

@TYPES@
CREATE TYPE jobs_graphql.counted_job AS (
  execution_type jobs_graphql.execution_type, service_name text, operation text, status jobs_graphql.job_status, attempts integer,
  error_category text, completed_at timestamptz, seconds float8, cpu_percent float8, memory_mb float8
);
COMMENT ON TYPE jobs_graphql.counted_job IS E'@omit\n@behavior -*';

-- ---- a job as front ends see it ---------------------------------------------------------------------------------------

CREATE FUNCTION jobs_graphql.known_type(stored text) RETURNS jobs_graphql.execution_type
LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE lower(stored) @SPELLINGS@ END)::jobs_graphql.execution_type
$$;
COMMENT ON FUNCTION jobs_graphql.known_type(text) IS E'@omit\n@behavior -*';

-- Null unless the job is pending. `served` is jobs.served_types(), asked once per statement.
CREATE FUNCTION jobs_graphql.waits_for(j jobs.tb_job_run, served jsonb) RETURNS jobs_graphql.waiting_reason
LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN j.status <> 'pending' THEN NULL
    WHEN j.blocked_by > 0 THEN 'blocked'
    WHEN j.run_at > now() AND j.lease_seq > 0 AND s.limited_until BETWEEN now() AND j.run_at + interval '5 seconds' THEN 'limited'
    WHEN j.run_at > now() AND j.error_category IS NOT NULL THEN 'retrying'
    WHEN j.run_at > now() THEN 'scheduled'
    WHEN EXISTS (SELECT FROM jobs.pauses_of(lower(j.service_name COLLATE "C"), lower(j.operation COLLATE "C"),
                                            jobs.type_of(j.service_name, j.execution_type, served), j.tenant_id)) THEN 'paused'
    WHEN s.open_until IS NOT NULL THEN 'breaker_open'
    WHEN s.limited_until > now() OR s.limited_by IS NOT NULL
         AND greatest(s.limited_at, s.limited_until) > clock_timestamp() - interval '3 seconds' THEN 'limited'
    WHEN EXISTS (SELECT FROM jobs.tb_worker w
                  WHERE w.state = 'running' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds'
                    AND (w.services IS NULL OR lower(j.service_name) = ANY (w.services))) THEN 'ready'
    ELSE 'no_worker' END::jobs_graphql.waiting_reason
    FROM (SELECT) AS one LEFT JOIN jobs.tb_service_state s ON s.service_name = lower(j.service_name COLLATE "C")
$$;
COMMENT ON FUNCTION jobs_graphql.waits_for(jobs.tb_job_run, jsonb) IS E'@omit\n@behavior -*';

CREATE FUNCTION jobs_graphql.as_record(j jobs.tb_job_run, served jsonb) RETURNS jobs_graphql.job_record
LANGUAGE sql STABLE AS $$
  SELECT ROW(j.id, j.identifier, j.idempotency_key, j.service_name, j.operation,
             jobs_graphql.known_type(jobs.type_of(j.service_name, j.execution_type, served)),
             j.status::jobs_graphql.job_status, jobs_graphql.waits_for(j, served), j.attempts, j.max_attempts,
             j.timeout_seconds, j.priority, j.input_data, j.output_data, j.error_category, j.error_message, j.fingerprint,
             j.resource_usage, j.tenant_id, j.triggered_by, j.correlation_id, j.entity_type, j.entity_pk, j.parent_id,
             j.worker_id, j.created_at, j.run_at, j.started_at, j.completed_at, j.updated_at, j.cancel_requested_at,
             j.deadline_at)::jobs_graphql.job_record
$$;
COMMENT ON FUNCTION jobs_graphql.as_record(jobs.tb_job_run, jsonb) IS E'@omit\n@behavior -*';

CREATE FUNCTION jobs_graphql.as_summary(r jobs_graphql.job_record) RETURNS jobs_graphql.job_summary
LANGUAGE sql IMMUTABLE AS $$ SELECT ROW(@SUMMARY@)::jobs_graphql.job_summary $$;
COMMENT ON FUNCTION jobs_graphql.as_summary(jobs_graphql.job_record) IS E'@omit\n@behavior -*';

-- ---- reading jobs -----------------------------------------------------------------------------------------------------

CREATE FUNCTION jobs_graphql.job(id uuid) RETURNS jobs_graphql.job_record
LANGUAGE sql STABLE STRICT AS $$
  SELECT r.* FROM jobs.tb_job_run j, jobs_graphql.as_record(j, jobs.served_types()) AS r WHERE j.id = job.id
$$;

CREATE FUNCTION jobs_graphql.job_by_identifier(identifier text) RETURNS jobs_graphql.job_record
LANGUAGE sql STABLE STRICT AS $$
  SELECT r.* FROM jobs.tb_job_run j, jobs_graphql.as_record(j, jobs.served_types()) AS r
   WHERE j.identifier = job_by_identifier.identifier
$$;

-- Newest first. At most 500 of them; total_count counts no further than 10,000, so that a page of a long table stays cheap.
CREATE FUNCTION jobs_graphql.jobs(
  status jobs_graphql.job_status[] DEFAULT NULL, service_name text DEFAULT NULL, operation text DEFAULT NULL,
  execution_type jobs_graphql.execution_type DEFAULT NULL, tenant_id uuid DEFAULT NULL, correlation_id text DEFAULT NULL,
  entity_type text DEFAULT NULL, entity_pk text DEFAULT NULL, created_after timestamptz DEFAULT NULL,
  created_before timestamptz DEFAULT NULL, "limit" integer DEFAULT NULL, "offset" integer DEFAULT NULL
) RETURNS jobs_graphql.job_page
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
  served jsonb := jobs.served_types();
  most   integer := least(greatest(coalesce("limit", 50), 0), 500);
  past   integer := greatest(coalesce("offset", 0), 0);
  ids    uuid[];
  counted integer;
  page   jobs_graphql.job_page;
BEGIN
  SELECT array_agg(f.id ORDER BY f.id DESC) FILTER (WHERE f.n > past AND f.n <= past + most), count(*) INTO ids, counted
    FROM (SELECT j.id, row_number() OVER (ORDER BY j.id DESC) AS n FROM jobs.tb_job_run j
           WHERE (status IS NULL OR j.status = ANY (status::text[]))
             AND (service_name IS NULL OR lower(j.service_name COLLATE "C") = lower(service_name COLLATE "C"))
             AND (operation IS NULL OR lower(j.operation COLLATE "C") = lower(operation COLLATE "C"))
             AND (execution_type IS NULL
                  OR jobs_graphql.known_type(jobs.type_of(j.service_name, j.execution_type, served)) = execution_type)
             AND (tenant_id IS NULL OR j.tenant_id = tenant_id)
             AND (correlation_id IS NULL OR j.correlation_id = correlation_id)
             AND (entity_type IS NULL OR lower(j.entity_type) = lower(entity_type))
             AND (entity_pk IS NULL OR j.entity_pk = entity_pk)
             AND (created_after IS NULL OR j.created_at >= created_after)
             AND (created_before IS NULL OR j.created_at < created_before)
           ORDER BY j.id DESC LIMIT greatest(10000, past + most + 1)) AS f;
  SELECT coalesce(array_agg(jobs_graphql.as_summary(jobs_graphql.as_record(j, served)) ORDER BY j.id DESC), '{}') INTO page.jobs
    FROM jobs.tb_job_run j WHERE j.id = ANY (ids);
  page.total_count := counted;
  page.has_next_page := counted > past + most;
  page.has_previous_page := past > 0;
  RETURN page;
END
$$;

CREATE FUNCTION jobs_graphql.jobs_by_execution_type(
  execution_type jobs_graphql.execution_type, status jobs_graphql.job_status[] DEFAULT NULL, tenant_id uuid DEFAULT NULL,
  "limit" integer DEFAULT NULL, "offset" integer DEFAULT NULL
) RETURNS jobs_graphql.job_page
LANGUAGE sql STABLE AS $$
  SELECT jobs_graphql.jobs(execution_type => $1, status => $2, tenant_id => $3, "limit" => $4, "offset" => $5)
$$;

-- In the order in which workers take them. At most 500.
CREATE FUNCTION jobs_graphql.pending_jobs("limit" integer DEFAULT NULL) RETURNS jobs_graphql.job_record[]
LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(r.*::jobs_graphql.job_record ORDER BY j.priority DESC, j.run_at, j.id), '{}')
    FROM (SELECT * FROM jobs.tb_job_run p WHERE p.status = 'pending'
           ORDER BY p.priority DESC, p.run_at, p.id LIMIT least(greatest(coalesce($1, 50), 0), 500)) AS j,
         (SELECT jobs.served_types() AS types) AS served, jobs_graphql.as_record(j::jobs.tb_job_run, served.types) AS r
$$;

-- ---- changing jobs ----------------------------------------------------------------------------------------------------

CREATE FUNCTION jobs_graphql.changed(id uuid, success boolean, outcome text) RETURNS jobs_graphql.job_change
LANGUAGE sql STABLE AS $$ SELECT ROW($2, $3, jobs_graphql.job($1))::jobs_graphql.job_change $$;
COMMENT ON FUNCTION jobs_graphql.changed(uuid, boolean, text) IS E'@omit\n@behavior -*';

CREATE FUNCTION jobs_graphql.create_job(
  service text, operation text, input jsonb DEFAULT NULL, run_at timestamptz DEFAULT NULL, priority integer DEFAULT NULL,
  idempotency_key text DEFAULT NULL, tenant_id uuid DEFAULT NULL, correlation_id text DEFAULT NULL,
  max_attempts integer DEFAULT NULL, timeout_seconds integer DEFAULT NULL, entity_type text DEFAULT NULL,
  entity_pk text DEFAULT NULL
) RETURNS jobs_graphql.job_change
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
  known boolean := EXISTS (SELECT FROM jobs.tb_job_run j WHERE j.idempotency_key = idempotency_key
                                                              AND j.tenant_id IS NOT DISTINCT FROM tenant_id);
  made  uuid;
BEGIN
  made := jobs.enqueue(service, operation, coalesce(input, '{}'), run_at, coalesce(priority, 0), idempotency_key, tenant_id,
                       correlation_id, max_attempts, timeout_seconds, NULL, entity_type, entity_pk);
  -- Another transaction may have made it between the two.
  known := known OR NOT EXISTS (SELECT FROM jobs.tb_job_run j WHERE j.id = made AND j.created_at = now());
  RETURN jobs_graphql.changed(made, true, CASE WHEN known THEN 'duplicate' ELSE 'created' END);
END
$$;
COMMENT ON FUNCTION jobs_graphql.create_job IS E'@resultFieldName result';

-- A pending job's priority and due time, and nothing else: what a job did and what came of it is the worker's to write. A change of
-- either gives it a new place among equals: workers do not look behind the place that they have reached.
CREATE FUNCTION jobs_graphql.update_job(
  id uuid, priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL, reason text DEFAULT NULL
) RETURNS jobs_graphql.job_change
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
  found  text;
  change bigint;
BEGIN
  SELECT j.status INTO found FROM jobs.tb_job_run j WHERE j.id = id FOR UPDATE;
  IF found IS DISTINCT FROM 'pending' THEN
    RETURN jobs_graphql.changed(id, false, coalesce('already_' || found, 'not_found'));
  ELSIF priority IS NULL AND run_at IS NULL THEN
    RETURN jobs_graphql.changed(id, true, 'unchanged');
  END IF;
  UPDATE jobs.tb_job_run j
     SET priority = coalesce(update_job.priority, j.priority), run_at = greatest(coalesce(update_job.run_at, j.run_at), now()),
         updated_at = now()
   WHERE j.id = update_job.id;
  INSERT INTO jobs.tb_change (kind, actor, reason, details)
  VALUES ('update', session_user, reason, jsonb_strip_nulls(jsonb_build_object('priority', priority, 'run_at', run_at)))
  RETURNING tb_change.id INTO change;
  INSERT INTO jobs.tb_change_job (change_id, job_id, outcome) VALUES (change, id, 'updated');
  PERFORM pg_notify('specql_jobs_ready', '');
  RETURN jobs_graphql.changed(id, true, 'updated');
END
$$;
COMMENT ON FUNCTION jobs_graphql.update_job IS E'@resultFieldName result';

CREATE FUNCTION jobs_graphql.cancel_job(id uuid, reason text DEFAULT NULL) RETURNS jobs_graphql.job_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  outcome text := jobs.cancel($1, $2);
BEGIN
  RETURN jobs_graphql.changed($1, outcome IN ('cancelled', 'requested'), outcome);
END
$$;
COMMENT ON FUNCTION jobs_graphql.cancel_job IS E'@resultFieldName result';

CREATE FUNCTION jobs_graphql.retry_job(id uuid, reason text DEFAULT NULL) RETURNS jobs_graphql.job_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  outcome text := jobs.retry($1, $2);
BEGIN
  RETURN jobs_graphql.changed($1, outcome = 'retried', outcome);
END
$$;
COMMENT ON FUNCTION jobs_graphql.retry_job IS E'@resultFieldName result';

-- ---- following --------------------------------------------------------------------------------------------------------

-- Where these jobs stand; the hook that asks again and again tells what changed. At most 500 ids.
CREATE FUNCTION jobs_graphql.job_status_updates(job_ids uuid[]) RETURNS jobs_graphql.job_status_update[]
LANGUAGE sql STABLE STRICT AS $$
  SELECT coalesce(array_agg(ROW(j.id, j.status, j.updated_at, j.error_message, j.output_data, j.resource_usage)
                            ::jobs_graphql.job_status_update ORDER BY j.id), '{}')
    FROM jobs.tb_job_run j WHERE j.id = ANY ($1[1:500])
$$;

-- How attempts ended, newest first, from the audit trail of the last hour. At most 500.
CREATE FUNCTION jobs_graphql.job_execution_events(
  execution_types jobs_graphql.execution_type[] DEFAULT NULL, tenant_id uuid DEFAULT NULL, "limit" integer DEFAULT NULL
) RETURNS jobs_graphql.job_execution_event[]
LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(ROW(e.id, e.job_id, e.service_name, e.operation, jobs_graphql.known_type(e.execution_type), e.outcome,
                                e.at, jsonb_build_object('status', e.status, 'attempt', e.attempt, 'worker_id', e.worker_id,
                                  'error_category', e.error_category, 'duration_ms', e.duration_ms))
                            ::jobs_graphql.job_execution_event ORDER BY e.id DESC), '{}')
    FROM (SELECT * FROM jobs.tb_audit_event v
           WHERE v.at > now() - interval '1 hour'
             AND ($1 IS NULL OR jobs_graphql.known_type(v.execution_type) = ANY ($1))
             AND ($2 IS NULL OR v.tenant_id = $2)
           ORDER BY v.id DESC LIMIT least(greatest(coalesce($3, 50), 0), 500)) AS e
$$;

-- ---- numbers: jobs that are open now, and jobs that have ended since `since` (default: a day ago) -----------------------

CREATE FUNCTION jobs_graphql.counted_jobs(tenant_id uuid, since timestamptz) RETURNS SETOF jobs_graphql.counted_job
LANGUAGE sql STABLE AS $$
  WITH served AS MATERIALIZED (SELECT jobs.served_types() AS types)
  SELECT jobs_graphql.known_type(jobs.type_of(j.service_name, j.execution_type, served.types)),
         lower(j.service_name COLLATE "C"), lower(j.operation COLLATE "C"), j.status::jobs_graphql.job_status, j.attempts,
         j.error_category, j.completed_at,
         coalesce((j.resource_usage ->> 'duration_seconds')::float8,
                  extract(epoch FROM j.completed_at - j.started_at)::float8),
         (j.resource_usage ->> 'cpu_usage_percent')::float8,
         coalesce(j.resource_usage ->> 'peak_memory_mb', j.resource_usage ->> 'memory_mb')::float8
    FROM served, jobs.tb_job_run j
   WHERE ($1 IS NULL OR j.tenant_id = $1)
     AND (j.status IN ('pending', 'running')
          OR j.status IN ('completed', 'failed', 'cancelled') AND j.completed_at >= coalesce($2, now() - interval '1 day'))
$$;
COMMENT ON FUNCTION jobs_graphql.counted_jobs(uuid, timestamptz) IS E'@omit\n@behavior -*';

CREATE FUNCTION jobs_graphql.job_statistics(tenant_id uuid DEFAULT NULL, since timestamptz DEFAULT NULL)
RETURNS jobs_graphql.job_statistic
LANGUAGE sql STABLE AS $$
  SELECT count(*)::integer, (count(*) FILTER (WHERE c.status = 'pending'))::integer,
         (count(*) FILTER (WHERE c.status = 'running'))::integer, (count(*) FILTER (WHERE c.status = 'completed'))::integer,
         (count(*) FILTER (WHERE c.status = 'failed'))::integer, (count(*) FILTER (WHERE c.status = 'cancelled'))::integer,
         avg(c.seconds) FILTER (WHERE c.status = 'completed'),
         100.0::float8 * count(*) FILTER (WHERE c.status = 'completed')
           / nullif(count(*) FILTER (WHERE c.status IN ('completed', 'failed')), 0),
         coalesce($2, now() - interval '1 day')
    FROM jobs_graphql.counted_jobs($1, $2) AS c
$$;

CREATE FUNCTION jobs_graphql.execution_type_breakdown(tenant_id uuid DEFAULT NULL, since timestamptz DEFAULT NULL)
RETURNS jobs_graphql.execution_type_breakdown[]
LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(ROW(t.execution_type, t.total, t.good, t.bad, t.seconds, t.usage)
                            ::jobs_graphql.execution_type_breakdown ORDER BY t.execution_type), '{}')
    FROM (SELECT c.execution_type, count(*)::integer AS total,
                 (count(*) FILTER (WHERE c.status = 'completed'))::integer AS good,
                 (count(*) FILTER (WHERE c.status = 'failed'))::integer AS bad,
                 avg(c.seconds) FILTER (WHERE c.status = 'completed') AS seconds,
                 jsonb_strip_nulls(jsonb_build_object('duration_seconds', avg(c.seconds), 'cpu_usage_percent', avg(c.cpu_percent),
                                                      'memory_mb', avg(c.memory_mb))) AS usage
            FROM jobs_graphql.counted_jobs($1, $2) AS c GROUP BY 1) AS t
$$;

CREATE FUNCTION jobs_graphql.job_monitoring_dashboard(
  tenant_id uuid DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" integer DEFAULT NULL
) RETURNS jobs_graphql.job_monitoring_dashboard
LANGUAGE sql STABLE AS $$
  WITH counted AS MATERIALIZED (SELECT * FROM jobs_graphql.counted_jobs($1, $2)),
  most AS (SELECT least(greatest(coalesce($3, 20), 0), 100) AS n),
  places AS (
    SELECT c.execution_type, c.service_name, c.operation, count(*)::integer AS total,
           (count(*) FILTER (WHERE c.status = 'completed'))::integer AS good,
           (count(*) FILTER (WHERE c.status = 'failed'))::integer AS bad,
           avg(c.seconds) AS seconds, percentile_cont(ARRAY[0.95, 0.99]) WITHIN GROUP (ORDER BY c.seconds) AS slow,
           avg(c.cpu_percent) AS cpu, avg(c.memory_mb) AS memory, max(c.memory_mb) AS peak,
           array_agg(DISTINCT c.error_category) FILTER (WHERE c.status = 'failed') AS errors,
           avg(c.attempts) FILTER (WHERE c.status = 'failed') AS tries,
           max(c.completed_at) FILTER (WHERE c.status = 'failed') AS last
      FROM counted c GROUP BY 1, 2, 3)
  SELECT jobs_graphql.job_statistics($1, $2), jobs_graphql.execution_type_breakdown($1, $2),
         (jobs_graphql.jobs(tenant_id => $1, "limit" => (SELECT n FROM most))).jobs,
         ARRAY(SELECT ROW(p.execution_type, p.service_name, p.operation, p.total, p.good, p.bad, p.seconds, p.slow[1], p.slow[2])
                      ::jobs_graphql.job_performance FROM places p ORDER BY p.total DESC, 1 LIMIT (SELECT n FROM most)),
         ARRAY(SELECT ROW(p.execution_type, p.service_name, p.operation, p.bad, coalesce(p.errors, '{}'), p.tries, p.last)
                      ::jobs_graphql.failure_pattern FROM places p WHERE p.bad > 0 ORDER BY p.bad DESC, 1 LIMIT (SELECT n FROM most)),
         ARRAY(SELECT ROW(p.execution_type, p.service_name, p.operation, p.total, p.cpu, p.memory, p.seconds, p.peak)
                      ::jobs_graphql.resource_usage_summary FROM places p ORDER BY p.total DESC, 1 LIMIT (SELECT n FROM most))
$$;

COMMIT;
