-- What fails, for `errors`: failures between two moments, reads only. {words} is the selector's text over the rows `j`.

-- name: moments
-- A window and the one of the same length before it, on the database's clock.
SELECT t.since - (t.until - t.since) AS before, t.since, t.until, now() AS database_now
  FROM (SELECT coalesce(%(since_at)s::timestamptz, now() - %(since_ago)s::float8 * interval '1 second') AS since,
               coalesce(%(until_at)s::timestamptz, now() - %(until_ago)s::float8 * interval '1 second', now()) AS until) AS t;

-- name: failures
-- Attempts that failed, and jobs that failed without one (refused with a job that they waited for, over their crash budget,
-- failed by a program that is not ours). Columns that say how are the failure's, so that selectors ask it and not what
-- became of the job later; `last_fingerprint` is the job's.
SELECT f.* FROM (
  SELECT j.id, j.status, j.service_name, j.operation, j.execution_type, j.tenant_id, j.correlation_id, j.input_data,
         a.worker_id, a.error_category, a.error_message, a.fingerprint, a.registry_digest, a.resource_usage,
         a.ended_at AS changed_at, j.fingerprint AS last_fingerprint
    FROM jobs.tb_job_attempt a JOIN jobs.tb_job_run j ON j.id = a.job_id
   WHERE a.ended_at > %(from)s AND a.ended_at <= %(until)s
     AND (a.error_category <> 'cancelled' OR 'cancelled' = ANY (%(category)s::text[])) AND {words_of_attempts}
  UNION ALL
  SELECT j.id, j.status, j.service_name, j.operation, j.execution_type, j.tenant_id, j.correlation_id, j.input_data,
         j.worker_id, j.error_category, j.error_message, j.fingerprint, j.registry_digest, j.resource_usage,
         j.completed_at, j.fingerprint
    FROM jobs.tb_job_run j
   WHERE j.status = 'failed' AND j.completed_at > %(from)s AND j.completed_at <= %(until)s AND {words}
     AND NOT EXISTS (SELECT FROM jobs.tb_job_attempt a
                      WHERE a.job_id = j.id AND a.fingerprint IS NOT DISTINCT FROM j.fingerprint)) AS f

-- name: groups
-- By fingerprint; failures that have none (of a program that is not ours) by operation and category.
WITH failure AS MATERIALIZED (
  SELECT coalesce(j.fingerprint, '') AS fingerprint,
         CASE WHEN j.fingerprint IS NULL THEN lower(j.service_name || '.' || j.operation) || ' ' || coalesce(j.error_category, '')
              ELSE '' END AS place,
         j.id, j.status, j.service_name || '.' || j.operation AS operation, j.tenant_id, j.worker_id, j.changed_at,
         j.last_fingerprint IS NOT DISTINCT FROM j.fingerprint AS is_last, j.changed_at > %(since)s AS now
    FROM {failures} j
), counted AS (
  SELECT f.fingerprint, f.place, count(*) FILTER (WHERE f.now) AS failures, count(*) FILTER (WHERE NOT f.now) AS previous,
         count(DISTINCT f.id) FILTER (WHERE f.now) AS jobs,
         count(DISTINCT f.id) FILTER (WHERE f.now AND f.is_last AND f.status = 'failed') AS failed,
         count(DISTINCT f.id) FILTER (WHERE f.now AND f.is_last AND f.status IN ('pending', 'running')) AS retrying,
         count(DISTINCT f.tenant_id) FILTER (WHERE f.now) AS tenants,
         count(DISTINCT f.worker_id) FILTER (WHERE f.now) AS workers,
         min(f.changed_at) FILTER (WHERE f.now) AS first_at, max(f.changed_at) FILTER (WHERE f.now) AS last_at,
         array_agg(DISTINCT f.operation) FILTER (WHERE f.now) AS operations
    FROM failure f GROUP BY f.fingerprint, f.place HAVING bool_or(f.now)
), newest AS (
  SELECT DISTINCT ON (f.fingerprint, f.place) f.fingerprint, f.place, f.id, f.changed_at
    FROM failure f WHERE f.now ORDER BY f.fingerprint, f.place, f.changed_at DESC, f.id
)
SELECT nullif(c.fingerprint, '') AS fingerprint, c.failures, c.previous, c.jobs, c.failed, c.retrying, c.tenants, c.workers,
       c.first_at, c.last_at, c.operations, n.id AS sample_id, n.changed_at AS sample_at,
       sum(c.failures) OVER ()::int8 AS all_failures, sum(c.failed) OVER ()::int8 AS all_failed,
       sum(c.retrying) OVER ()::int8 AS all_retrying, count(*) OVER () AS all_groups
  FROM counted c JOIN newest n USING (fingerprint, place)
 ORDER BY c.failures DESC, c.last_at DESC, c.fingerprint, c.place LIMIT %(limit)s;

-- name: samples
-- How the newest failure of each group read: of its attempt, else of the job itself.
SELECT w.id, w.fingerprint, coalesce(a.error_category, j.error_category) AS category,
       left(coalesce(a.error_message, j.error_message), 2000) AS message, j.service_name, j.operation,
       coalesce(a.resource_usage, j.resource_usage) ->> 'status_code' AS status_code,
       coalesce(a.resource_usage, j.resource_usage) ->> 'exit_code' AS exit_code
  FROM unnest(%(ids)s::uuid[], %(fingerprints)s::text[], %(ats)s::timestamptz[]) AS w (id, fingerprint, at)
  JOIN jobs.tb_job_run j ON j.id = w.id
  LEFT JOIN LATERAL (SELECT * FROM jobs.tb_job_attempt a
                      WHERE a.job_id = w.id AND a.ended_at = w.at AND a.fingerprint IS NOT DISTINCT FROM w.fingerprint
                      LIMIT 1) AS a ON true;
