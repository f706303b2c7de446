-- The open jobs in groups, for a registry that may not know them any more. Two scans whatever the number of groups, and
-- every answer is bounded. Nothing here writes, and the session may not.

-- name: only_read
SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', %(timeout)s, false);

-- name: groups
SELECT j.service_name AS service, j.operation, coalesce(lower(j.execution_type), '') AS execution_type,
       count(*) FILTER (WHERE j.status = 'pending') AS pending, count(*) FILTER (WHERE j.status = 'running') AS running
  FROM jobs.tb_job_run j
 WHERE j.status IN ('pending', 'running')
 GROUP BY 1, 2, 3
 ORDER BY count(*) DESC, 1, 2, 3
 LIMIT %(limit)s;

-- name: sample
-- All jobs of a small group; of a large one about `most`, chosen by a hash of their ids, so that old and new ones are met
-- alike and the next run meets the same.
SELECT j.id, j.service_name, j.operation, j.lease_seq, j.attempts, g.number - 1 AS number
  FROM jobs.tb_job_run j
  JOIN unnest(%(services)s::text[], %(operations)s::text[], %(types)s::text[], %(totals)s::int8[]) WITH ORDINALITY
       AS g (service, operation, execution_type, jobs, number)
    ON j.service_name = g.service AND j.operation = g.operation
   AND coalesce(lower(j.execution_type), '') = g.execution_type
 WHERE j.status IN ('pending', 'running')
   AND (g.jobs <= %(most)s OR (hashtextextended(j.id::text, 0) & 9223372036854775807) %% g.jobs < %(most)s)
 LIMIT %(limit)s;

-- name: worker_types
-- What the workers that are alive execute.
SELECT DISTINCT lower(t.word) AS word
  FROM jobs.tb_worker w, unnest(w.execution_types) AS t (word)
 WHERE w.state = 'running' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds';
