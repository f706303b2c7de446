-- Workers as people look after them: listed, asked to drain, declared lost by hand.

-- name: list_workers
-- `held`: what the jobs say, beside what the worker said with its last heartbeat.
SELECT w.worker_id, w.host, w.pid, w.version,
       CASE WHEN w.state IN ('running', 'draining') AND w.heartbeat_at <= clock_timestamp() - interval '15 seconds'
            THEN 'silent' ELSE w.state END AS state,
       w.heartbeat_at, greatest(extract(epoch FROM clock_timestamp() - w.heartbeat_at), 0)::float8 AS heartbeat_age_seconds,
       w.started_at, w.stopped_at, w.running, w.concurrency, w.execution_types, w.services, w.registry_digest,
       (SELECT count(*) FROM jobs.tb_job_run j WHERE j.status = 'running' AND j.worker_id = w.worker_id) AS held
  FROM jobs.tb_worker w
 WHERE %(all)s OR w.state IN ('running', 'draining') OR w.stopped_at > now() - interval '1 hour'
 ORDER BY w.state NOT IN ('running', 'draining'), w.started_at, w.worker_id;

-- name: known
-- A worker that holds jobs is known even where its row has gone; 'external' never has one.
SELECT coalesce((SELECT w.state FROM jobs.tb_worker w WHERE w.worker_id = %(worker_id)s), 'unknown') AS state,
       (SELECT extract(epoch FROM clock_timestamp() - w.heartbeat_at)::float8 FROM jobs.tb_worker w
         WHERE w.worker_id = %(worker_id)s) AS heartbeat_age_seconds,
       (SELECT count(*) FROM jobs.tb_job_run j WHERE j.status = 'running' AND j.worker_id = %(worker_id)s) AS held;

-- name: drain
-- Its next heartbeat reads this back.
WITH asked AS (
  UPDATE jobs.tb_worker SET state = 'draining' WHERE worker_id = ANY (%(ids)s) AND state = 'running' RETURNING worker_id
)
SELECT w.worker_id, CASE WHEN a.worker_id IS NOT NULL THEN 'draining' ELSE 'already_' || w.state END AS outcome
  FROM jobs.tb_worker w LEFT JOIN asked a ON a.worker_id = w.worker_id
 WHERE w.worker_id = ANY (%(ids)s)
 ORDER BY w.worker_id;

-- name: lose
-- By a person's word. Should it live, its next heartbeat is refused: it stops its jobs and takes another identity.
UPDATE jobs.tb_worker SET state = 'lost', waiting = false, stopped_at = clock_timestamp()
 WHERE worker_id = %(worker_id)s AND state IN ('running', 'draining')
RETURNING worker_id;

-- name: open_ledger
INSERT INTO jobs.tb_change (kind, actor, reason) VALUES ('rescue', %(actor)s, %(reason)s) RETURNING id;

-- name: note
INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
SELECT %(entry)s, t.id, t.outcome FROM unnest(%(ids)s::uuid[], %(outcomes)s::text[]) AS t (id, outcome)
ON CONFLICT DO NOTHING;
