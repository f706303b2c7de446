-- Callbacks: the operator's functions that are called with a job's result. What they are called with, under which role
-- and what becomes of a failure stands in schemas/migrations/0007_callbacks.sql.

-- name: due
-- Of jobs that were settled a moment ago, in this very transaction: their rows are ours. In the order of run_callbacks.
SELECT v.job_id, l.timeout_ms
  FROM jobs.v_job_callback v CROSS JOIN jobs.tb_callback_limit l
 WHERE v.job_id = ANY (%(ids)s::uuid[]) ORDER BY v.function_name, v.job_id;

-- name: run
SELECT job, called, state, attempts, error FROM jobs.run_callbacks(%(ids)s::uuid[], %(alone)s);

-- name: put_off
INSERT INTO jobs.tb_callback_run (job_id, lease_seq, outcome, function_name, error)
SELECT v.job_id, v.lease_seq, v.outcome, v.function_name, %(why)s
  FROM jobs.v_job_callback v WHERE v.job_id = ANY (%(ids)s::uuid[])
ON CONFLICT DO NOTHING
RETURNING job_id;

-- name: take
SELECT job, lease, timeout_ms FROM jobs.take_callback() WHERE job IS NOT NULL;

-- name: rerun
SELECT called, state, attempts, error FROM jobs.rerun_callback(%(job)s, %(lease)s) WHERE state IS NOT NULL;

-- name: hold
-- The row of a job whose callback is called again. Who holds it elsewhere must not use up the callback's time, nor a try.
SELECT FROM jobs.tb_job_run j WHERE j.id = %(job)s FOR UPDATE;

-- name: put_back
-- What was taken and could not be called: not a try.
UPDATE jobs.tb_callback_run r
   SET attempts = r.attempts - 1, updated_at = now(), sql_state = NULL, error = %(why)s, next_at = now() + interval '2 seconds'
 WHERE r.job_id = %(job)s AND r.lease_seq = %(lease)s AND r.state = 'waiting'
RETURNING r.job_id;

-- name: clean
-- What a callback may have left in the session must not reach the next one, nor a settle.
SET SESSION AUTHORIZATION DEFAULT;
RESET ROLE;
RESET ALL;
UNLISTEN *;
DISCARD TEMP;

-- name: list
-- `problem`: why it could not be called as things are now.
SELECT c.entity_type, c.service_name, c.operation, c.outcome, c.function_name, c.created_at, c.created_by, l.run_as,
       jobs.callback_problem(c.function_name, c.outcome) AS problem,
       coalesce(r.waiting, 0) AS waiting, coalesce(r.failed, 0) AS failed, r.last_error
  FROM jobs.tb_callback c
 CROSS JOIN jobs.tb_callback_limit l
  LEFT JOIN (SELECT t.function_name, count(*) FILTER (WHERE t.state = 'waiting') AS waiting,
                    count(*) FILTER (WHERE t.state = 'failed') AS failed,
                    (array_agg(t.error ORDER BY t.updated_at DESC))[1] AS last_error
               FROM jobs.tb_callback_run t WHERE t.state IN ('waiting', 'failed') GROUP BY t.function_name) AS r
    ON r.function_name = c.function_name
 ORDER BY c.entity_type, c.service_name, c.operation, c.outcome DESC;

-- name: of_jobs
SELECT r.* FROM jobs.tb_callback_run r WHERE r.job_id = ANY (%(ids)s::uuid[]) ORDER BY r.job_id, r.lease_seq;

-- name: register
SELECT jobs.register_callback(%(entity)s, %(service)s, %(operation)s, %(outcome)s, %(function)s) AS function_name;

-- name: discover
SELECT * FROM jobs.register_callbacks(%(schema)s, %(entities)s::text[], %(services)s::text[], %(operations)s::text[]);

-- name: unregister
SELECT jobs.unregister_callback(%(entity)s, %(service)s, %(operation)s, %(outcome)s) AS gone;

-- name: retry
SELECT wanted.id, jobs.retry_callback(wanted.id) AS outcome FROM unnest(%(ids)s::uuid[]) AS wanted (id);

-- name: limits
SELECT l.run_as, l.timeout_ms, l.max_attempts FROM jobs.tb_callback_limit l;

-- name: limit
SELECT l.run_as, l.timeout_ms, l.max_attempts
  FROM jobs.limit_callbacks(%(run_as)s, %(timeout_ms)s, %(max_attempts)s) AS l;
