-- What people look at: reads only. {selection}, {chosen} and {latest} are made of the first texts here by selection.py; they
-- are fixed text, and every value is a parameter. A parameter that is NULL asks nothing, and the planner drops its line.

-- name: places
    (%(service)s::text[] IS NULL OR lower(j.service_name) = ANY (%(service)s::text[]))
AND (%(not_service)s::text[] IS NULL OR lower(j.service_name) <> ALL (%(not_service)s::text[]))
AND (%(operation)s::text[] IS NULL OR lower(j.service_name || '.' || j.operation) = ANY (%(operation)s::text[]))
AND (%(not_operation)s::text[] IS NULL OR lower(j.service_name || '.' || j.operation) <> ALL (%(not_operation)s::text[]))
AND (%(execution_type)s::text[] IS NULL OR lower(j.execution_type) = ANY (%(execution_type)s::text[]))
AND (%(not_execution_type)s::text[] IS NULL OR lower(j.execution_type) <> ALL (%(not_execution_type)s::text[]))
AND (%(tenant)s::text[] IS NULL OR j.tenant_id::text = ANY (%(tenant)s::text[]))
AND (%(not_tenant)s::text[] IS NULL OR coalesce(j.tenant_id::text, '') <> ALL (%(not_tenant)s::text[]))

-- name: words
    (%(ids)s::uuid[] IS NULL OR j.id = ANY (%(ids)s::uuid[]))
AND (%(status)s::text[] IS NULL OR j.status = ANY (%(status)s::text[]))
AND (%(not_status)s::text[] IS NULL OR j.status <> ALL (%(not_status)s::text[]))
AND (%(worker)s::text[] IS NULL OR j.worker_id::text = ANY (%(worker)s::text[]))
AND (%(not_worker)s::text[] IS NULL OR coalesce(j.worker_id::text, '') <> ALL (%(not_worker)s::text[]))
AND (%(category)s::text[] IS NULL OR j.error_category = ANY (%(category)s::text[]))
AND (%(not_category)s::text[] IS NULL OR coalesce(j.error_category, '') <> ALL (%(not_category)s::text[]))
AND (%(fingerprint)s::text[] IS NULL OR j.fingerprint = ANY (%(fingerprint)s::text[]))
AND (%(not_fingerprint)s::text[] IS NULL OR coalesce(j.fingerprint, '') <> ALL (%(not_fingerprint)s::text[]))
AND (%(correlation)s::text[] IS NULL OR j.correlation_id = ANY (%(correlation)s::text[]))
AND (%(not_correlation)s::text[] IS NULL OR coalesce(j.correlation_id, '') <> ALL (%(not_correlation)s::text[]))
AND (%(errors)s::text[] IS NULL OR EXISTS (
      SELECT FROM unnest(%(errors)s::text[]) AS wanted (words)
       WHERE strpos(lower(j.error_message), lower(wanted.words)) > 0))
AND (%(input_json)s::text[] IS NULL OR NOT EXISTS (
      SELECT FROM unnest(%(input_json)s::text[], %(input_text)s::text[]) AS wanted (as_json, as_text)
       WHERE NOT coalesce(j.input_data @> wanted.as_json::jsonb OR j.input_data @> wanted.as_text::jsonb, false)))

-- name: window
-- What is compared is the last change of state: of ended jobs their completed_at, which an index has.
    (%(since_at)s::timestamptz IS NULL OR {changed} >= %(since_at)s)
AND (%(since_ago)s::float8 IS NULL OR {changed} >= now() - %(since_ago)s::float8 * interval '1 second')
AND (%(until_at)s::timestamptz IS NULL OR {changed} <= %(until_at)s)
AND (%(until_ago)s::float8 IS NULL OR {changed} <= now() - %(until_ago)s::float8 * interval '1 second')

-- name: list_jobs
SELECT j.id, j.status, j.service_name, j.operation, lower(j.execution_type) AS execution_type, j.attempts,
       j.max_attempts, j.created_at, j.run_at, j.started_at, j.completed_at, j.worker_id, j.error_category,
       j.error_message, j.fingerprint, j.tenant_id, j.correlation_id, now() AS database_now
  FROM {latest} j
 ORDER BY j.changed_at DESC, j.id DESC
 LIMIT %(limit)s;

-- name: snapshot
-- What a bulk change would meet, group by group, the largest first; with a limit, the oldest. places: of the ids, by age.
-- The digest is another one when a job has come or gone, or has run again since.
SELECT s.status, s.service_name, s.operation, s.fingerprint, count(*) AS jobs, array_agg(s.id) AS ids,
       array_agg(s.place) AS places,
       encode(sha256(convert_to(string_agg(s.id || ' ' || s.lease_seq, ',' ORDER BY s.id), 'UTF8')), 'hex') AS digest
  FROM (SELECT j.id, j.status, j.service_name, j.operation, j.fingerprint, j.lease_seq,
               row_number() OVER (ORDER BY j.created_at, j.id) AS place
          FROM {chosen} j
         ORDER BY j.created_at, j.id
         LIMIT %(limit)s) AS s
 GROUP BY 1, 2, 3, 4
 ORDER BY 5 DESC, 1, 2, 3, 4;

-- name: existing
SELECT j.id FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)s::uuid[]);

-- name: other_inputs
-- Which of these inputs are not those that the jobs beside them have.
SELECT w.place FROM unnest(%(ids)s::uuid[], %(inputs)s::text[]) WITH ORDINALITY AS w (id, input, place)
  JOIN jobs.tb_job_run j ON j.id = w.id
 WHERE j.input_data IS DISTINCT FROM w.input::jsonb ORDER BY w.place;

-- name: ids_between
-- An id's prefix as a range, so that the primary key serves it.
SELECT j.id FROM jobs.tb_job_run j WHERE j.id BETWEEN %(low)s AND %(high)s ORDER BY j.id LIMIT 2;

-- name: job
-- Documents beyond the cap are measured here and not sent; `documents` false leaves all of them out, for a row whose
-- numbers Postgres itself cannot print.
SELECT j.id, j.identifier, j.idempotency_key, j.service_name, j.operation, j.execution_type, j.error_message, j.status,
       j.attempts, j.max_attempts, j.timeout_seconds, j.tenant_id, j.triggered_by, j.correlation_id, j.entity_type,
       j.entity_pk, j.created_at, j.started_at, j.completed_at, j.updated_at, j.runner_version, j.run_at, j.priority,
       j.lease_seq, j.worker_id, j.crash_count, j.error_category, j.fingerprint, j.registry_digest,
       j.cancel_requested_at, j.parent_id, j.blocked_by, j.on_dependency_failure, j.deadline_at,
       CASE WHEN j.input_data IS NULL THEN NULL
            WHEN NOT %(documents)s OR octet_length(j.input_data::text) > %(cap)s THEN '"(too large to show)"'
            ELSE j.input_data END AS input_data,
       CASE WHEN j.output_data IS NULL THEN NULL
            WHEN NOT %(documents)s OR octet_length(j.output_data::text) > %(cap)s THEN '"(too large to show)"'
            ELSE j.output_data END AS output_data,
       CASE WHEN j.resource_usage IS NULL THEN NULL
            WHEN NOT %(documents)s OR octet_length(j.resource_usage::text) > %(cap)s THEN '"(too large to show)"'
            ELSE j.resource_usage END AS resource_usage,
       now() AS database_now,
       EXISTS (SELECT FROM jobs.tb_worker w
                WHERE w.state = 'running'
                  AND w.heartbeat_at > clock_timestamp() - interval '15 seconds'
                  AND (w.services IS NULL OR lower(j.service_name) = ANY (w.services))) AS has_worker,
       EXISTS (SELECT FROM jobs.tb_worker w
                WHERE w.state = 'running' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds') AS any_worker,
       j.status = 'pending' AND j.lease_seq > 0 AND s.limited_until BETWEEN now() AND j.run_at + interval '5 seconds'
         AS given_back,
       (SELECT to_jsonb(p) FROM jobs.pauses_of(lower(j.service_name COLLATE "C"), lower(j.operation COLLATE "C"),
                                               jobs.type_of(j.service_name, j.execution_type, (SELECT jobs.served_types())),
                                               j.tenant_id) AS p
         ORDER BY p.kind LIMIT 1) AS pause,
       s.failures, extract(epoch FROM s.open_until - clock_timestamp())::float8 AS breaker_seconds,
       CASE WHEN s.limited_until > now() THEN extract(epoch FROM s.limited_until - now())::float8 END AS limited_seconds,
       CASE WHEN greatest(s.limited_at, s.limited_until) > clock_timestamp() - interval '3 seconds' THEN s.limited_by END
         AS limited_by,
       (SELECT extract(epoch FROM clock_timestamp() - w.heartbeat_at)::float8
          FROM jobs.tb_worker w
         WHERE w.worker_id = j.worker_id
           AND w.heartbeat_at <= clock_timestamp() - interval '15 seconds') AS worker_silent_seconds
  FROM jobs.tb_job_run j
  LEFT JOIN jobs.tb_service_state s ON s.service_name = lower(j.service_name COLLATE "C")
 WHERE j.id = ANY (%(ids)s::uuid[]);

-- name: ahead
-- For each priority how many due jobs have a higher one: a walk over the claim's index, so many entries at most.
SELECT w.priority, (SELECT count(*) FILTER (WHERE c.run_at <= now())
                      FROM (SELECT j.run_at FROM jobs.tb_job_run j
                             WHERE j.status = 'pending' AND j.blocked_by = 0 AND -j.priority < -w.priority
                             ORDER BY -j.priority LIMIT %(most)s) AS c) AS jobs
  FROM unnest(%(priorities)s::int4[]) AS w (priority);

-- name: recorded
-- A job's small columns in the order of JobRecord, for `replay`: its last attempt, or the first where it had none; then
-- the registry that it ran with.
SELECT j.id, j.service_name, j.operation, j.lease_seq, greatest(j.attempts, 1), j.max_attempts, j.timeout_seconds,
       j.crash_count, j.idempotency_key, j.tenant_id, j.correlation_id, j.registry_digest
  FROM jobs.tb_job_run j WHERE j.id = %(id)s;

-- name: attempts
SELECT * FROM jobs.tb_job_attempt a WHERE a.job_id = ANY (%(ids)s::uuid[]) ORDER BY a.job_id, a.lease_seq;

-- name: changes
-- Who changed these jobs by hand, and why.
SELECT m.job_id, c.id AS change_id, c.kind, c.actor, c.reason, c.created_at, m.outcome
  FROM jobs.tb_change_job m JOIN jobs.tb_change c ON c.id = m.change_id
 WHERE m.job_id = ANY (%(ids)s::uuid[])
 ORDER BY m.job_id, c.created_at, c.id;

-- name: output_chunks
-- The latest chunks of a job's captured output, in the order in which they were said.
SELECT * FROM (
  SELECT l.job_id, l.lease_seq, l.chunk, l.stream, l.content, l.truncated
    FROM jobs.tb_job_log l WHERE l.job_id = %(id)s
   ORDER BY l.lease_seq DESC, l.chunk DESC LIMIT %(limit)s) AS latest
 ORDER BY lease_seq, chunk;

-- name: latest_events
-- The last change of each selected job, oldest first.
SELECT * FROM (
  SELECT j.updated_at AS at, j.id, j.service_name, j.operation, j.status, j.attempts AS attempt, j.max_attempts,
         j.worker_id, j.error_category, j.error_message, j.started_at, j.completed_at, j.cancel_requested_at
    FROM jobs.tb_job_run j
   WHERE {selection}
   ORDER BY j.updated_at DESC, j.id DESC LIMIT %(limit)s) AS latest
 ORDER BY at, id;

-- name: events_after
-- The same from a cursor on, the oldest first, so that a flood is met in order.
SELECT j.updated_at AS at, j.id, j.service_name, j.operation, j.status, j.attempts AS attempt, j.max_attempts,
       j.worker_id, j.error_category, j.error_message, j.started_at, j.completed_at, j.cancel_requested_at
  FROM jobs.tb_job_run j
 WHERE j.updated_at >= %(after)s AND {selection}
 ORDER BY j.updated_at, j.id;

-- name: links
-- What each job waits for and what waits for it: at most so many of each kind, in the order of ids. Pruned jobs have no name.
SELECT e.job_id, e.kind, e.id, coalesce(e.ended_as, p.status) AS status, p.service_name, p.operation
  FROM unnest(%(ids)s::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (
   (SELECT d.job_id, 'depends_on' AS kind, d.depends_on AS id, d.ended_as FROM jobs.tb_job_dependency d
     WHERE d.job_id = wanted.id ORDER BY d.ended_as IS NOT NULL, d.depends_on LIMIT %(limit)s)
   UNION ALL
   (SELECT d.depends_on, 'dependents', d.job_id, NULL FROM jobs.tb_job_dependency d
     WHERE d.depends_on = wanted.id ORDER BY d.job_id LIMIT %(limit)s)) AS e
  LEFT JOIN jobs.tb_job_run p ON p.id = e.id;

-- name: stats
-- By a field, of the jobs that are open and of those that ended within the window.
SELECT {key} AS key,
       count(*) FILTER (WHERE j.status = 'pending') AS pending,
       count(*) FILTER (WHERE j.status = 'pending' AND j.blocked_by = 0 AND j.run_at <= now()) AS ready,
       count(*) FILTER (WHERE j.status = 'pending' AND j.error_category IS NOT NULL) AS retrying,
       count(*) FILTER (WHERE j.status = 'running') AS running,
       count(*) FILTER (WHERE j.status = 'completed') AS completed,
       count(*) FILTER (WHERE j.status = 'failed') AS failed,
       count(*) FILTER (WHERE j.status = 'cancelled') AS cancelled,
       (extract(epoch FROM now() - min(j.run_at)
          FILTER (WHERE j.status = 'pending' AND j.blocked_by = 0 AND j.run_at <= now())) * 1000)::int8 AS oldest_pending_ms,
       percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (
         ORDER BY (extract(epoch FROM j.completed_at - j.started_at) * 1000)::int8)
         FILTER (WHERE j.status = 'completed' AND j.started_at IS NOT NULL) AS run_ms
  FROM {source} j
 GROUP BY 1
 ORDER BY count(*) DESC, 1 NULLS LAST;
