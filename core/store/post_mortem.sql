-- What `report` draws of a time window: reads only, in one snapshot. `ended` is spliced in where a query says {ended}: the
-- jobs that ended in the window, by the index on completed_at; {chosen} is selection.places(). Every value is a parameter.

-- name: window
-- The window in the database's clock; `before` is the one of equal length in front of it.
WITH w AS (
  SELECT coalesce(%(since_at)s::timestamptz, now() - %(since_ago)s::float8 * interval '1 second') AS since,
         coalesce(%(until_at)s::timestamptz, now() - coalesce(%(until_ago)s::float8, 0) * interval '1 second') AS until)
SELECT since, until, since - (until - since) AS before, now() AS database_now,
       extract(epoch FROM until - since)::float8 AS seconds FROM w;

-- name: ended
    j.status IN ('completed', 'failed', 'cancelled') AND j.completed_at >= %(since)s AND j.completed_at < %(until)s

-- name: throughput
SELECT date_bin(%(step)s * interval '1 second', j.completed_at, %(origin)s) AS at, j.status, count(*) AS jobs
  FROM jobs.tb_job_run j
 WHERE {ended} AND {chosen}
 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: latency
-- How long the last attempt ran, in ms; `at` NULL is the whole window.
SELECT b.at, count(*) AS jobs, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY b.ms) AS ms
  FROM (SELECT date_bin(%(step)s * interval '1 second', j.completed_at, %(origin)s) AS at,
               greatest(extract(epoch FROM j.completed_at - j.started_at) * 1000, 0)::float8 AS ms
          FROM jobs.tb_job_run j
         WHERE {ended} AND {chosen} AND j.status IN ('completed', 'failed') AND j.started_at IS NOT NULL) AS b
 GROUP BY GROUPING SETS ((b.at), ()) ORDER BY b.at NULLS FIRST;

-- name: services
SELECT lower(j.service_name) AS service, lower(min(j.execution_type)) AS execution_type,
       count(*) FILTER (WHERE j.status = 'completed') AS completed,
       count(*) FILTER (WHERE j.status = 'failed') AS failed,
       count(*) FILTER (WHERE j.status = 'cancelled') AS cancelled,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
         ORDER BY greatest(extract(epoch FROM j.completed_at - j.started_at) * 1000, 0)::float8)
         FILTER (WHERE j.status <> 'cancelled' AND j.started_at IS NOT NULL) AS ms
  FROM jobs.tb_job_run j
 WHERE {ended} AND {chosen}
 GROUP BY 1 ORDER BY failed DESC, completed DESC, 1;

-- name: failures
-- Jobs that failed for good, by fingerprint, with how many there were in the window before.
SELECT coalesce(j.fingerprint, '') AS fingerprint,
       count(*) FILTER (WHERE j.completed_at >= %(since)s) AS jobs,
       count(*) FILTER (WHERE j.completed_at < %(since)s) AS jobs_before,
       min(j.completed_at) FILTER (WHERE j.completed_at >= %(since)s) AS first_at,
       max(j.completed_at) AS last_at,
       (array_agg(j.error_category ORDER BY j.completed_at DESC, j.id DESC))[1] AS category,
       left((array_agg(j.error_message ORDER BY j.completed_at DESC, j.id DESC))[1], 500) AS message,
       (array_agg(j.id ORDER BY j.completed_at DESC, j.id DESC))[1] AS sample_id,
       (array_agg(DISTINCT lower(j.service_name || '.' || j.operation)))[:5] AS operations
  FROM jobs.tb_job_run j
 WHERE j.status = 'failed' AND j.completed_at >= %(before)s AND j.completed_at < %(until)s AND {chosen}
 GROUP BY 1
HAVING count(*) FILTER (WHERE j.completed_at >= %(since)s) > 0
 ORDER BY jobs DESC, last_at DESC, 1;

-- name: failure_series
SELECT coalesce(j.fingerprint, '') AS fingerprint,
       date_bin(%(step)s * interval '1 second', j.completed_at, %(origin)s) AS at, count(*) AS jobs
  FROM jobs.tb_job_run j
 WHERE {ended} AND {chosen} AND j.status = 'failed' AND coalesce(j.fingerprint, '') = ANY (%(fingerprints)s)
 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: usage
-- What the last attempts used. A key that is not a number counts as absent.
SELECT lower(j.execution_type) AS execution_type, count(*) AS jobs,
       sum(greatest(extract(epoch FROM j.completed_at - j.started_at), 0))::float8 AS run_seconds,
       sum((j.resource_usage ->> 'cpu_seconds')::float8)
         FILTER (WHERE jsonb_typeof(j.resource_usage -> 'cpu_seconds') = 'number') AS cpu_seconds,
       max((j.resource_usage ->> 'peak_memory_mb')::float8)
         FILTER (WHERE jsonb_typeof(j.resource_usage -> 'peak_memory_mb') = 'number') AS peak_memory_mb,
       sum((j.resource_usage ->> 'network_bytes')::float8)
         FILTER (WHERE jsonb_typeof(j.resource_usage -> 'network_bytes') = 'number') AS network_bytes,
       sum((j.resource_usage ->> 'cost_usd')::float8)
         FILTER (WHERE jsonb_typeof(j.resource_usage -> 'cost_usd') = 'number') AS cost_usd
  FROM jobs.tb_job_run j
 WHERE {ended} AND {chosen}
 GROUP BY 1 ORDER BY 1;

-- name: counts
SELECT (SELECT count(*) FROM jobs.tb_job_run j
         WHERE j.created_at >= %(since)s AND j.created_at < %(until)s AND {chosen}) AS created,
       (SELECT count(*) FROM jobs.tb_job_attempt a JOIN jobs.tb_job_run j ON j.id = a.job_id
         WHERE a.ended_at >= %(since)s AND a.ended_at < %(until)s AND {chosen}) AS failed_attempts,
       (SELECT count(*) FROM jobs.tb_job_run j WHERE j.status = 'pending' AND {chosen}) AS pending_now,
       (SELECT count(*) FROM jobs.tb_job_run j WHERE j.status = 'running' AND {chosen}) AS running_now;

-- name: events
-- What people did, and what happened to workers and breakers; the latest ones, oldest first.
SELECT * FROM (
  SELECT c.created_at AS at, c.kind, c.actor AS who, coalesce(c.reason, '') AS reason, coalesce(c.scope, '') AS subject,
         (SELECT count(*) FROM jobs.tb_change_job m WHERE m.change_id = c.id) AS jobs
    FROM jobs.tb_change c WHERE c.created_at >= %(since)s AND c.created_at < %(until)s
  UNION ALL
  SELECT max(e.at), 'worker_lost', '', '', coalesce(e.worker_id, ''), count(*)
    FROM jobs.tb_audit_event e
   WHERE e.at >= %(since)s AND e.at < %(until)s AND e.outcome = 'worker_lost' GROUP BY e.worker_id
  UNION ALL
  SELECT s.opened_at, 'breaker_open', '', '', s.service_name, 0
    FROM jobs.tb_service_state s WHERE s.opened_at >= %(since)s AND s.opened_at < %(until)s
  UNION ALL
  SELECT w.started_at, 'worker_started', '', '', w.worker_id, 0
    FROM jobs.tb_worker w WHERE w.started_at >= %(since)s AND w.started_at < %(until)s
  UNION ALL
  SELECT w.stopped_at, 'worker_stopped', '', '', w.worker_id, 0
    FROM jobs.tb_worker w WHERE w.stopped_at >= %(since)s AND w.stopped_at < %(until)s AND w.state = 'stopped'
  ORDER BY 1 DESC LIMIT %(limit)s) AS latest
 ORDER BY at, kind, subject;
