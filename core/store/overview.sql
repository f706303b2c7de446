-- The whole queue at a glance, for `top`. Open jobs come from their partial indexes, failures of the last hour from theirs, what ended
-- in the last minute from the audit trail's index by time: nothing here reads the table of all jobs. Blocked jobs are not counted.

-- name: services
WITH counted AS (
  SELECT lower(j.service_name COLLATE "C") AS service, count(*) FILTER (WHERE j.run_at <= now()) AS ready,
         count(*) FILTER (WHERE j.run_at > now()) AS later, 0 AS running, 0 AS failed,
         extract(epoch FROM now() - min(j.run_at) FILTER (WHERE j.run_at <= now()))::float8 AS oldest_seconds
    FROM jobs.tb_job_run j WHERE j.status = 'pending' AND j.blocked_by = 0 GROUP BY 1
   UNION ALL
  SELECT lower(j.service_name COLLATE "C"), 0, 0, count(*), 0, NULL
    FROM jobs.tb_job_run j WHERE j.status = 'running' GROUP BY 1
   UNION ALL
  SELECT lower(j.service_name COLLATE "C"), 0, 0, 0, count(*), NULL
    FROM jobs.tb_job_run j WHERE j.status = 'failed' AND j.completed_at > now() - interval '1 hour' GROUP BY 1
), ended AS (
  SELECT lower(e.service_name COLLATE "C") AS service, count(*) AS done,
         count(*) FILTER (WHERE e.outcome <> 'succeeded') AS unsuccessful,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY e.duration_ms) AS p50_ms,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY e.duration_ms) AS p95_ms
    FROM jobs.tb_audit_event e WHERE e.at > now() - interval '1 minute' GROUP BY 1
), together AS (
  SELECT service, sum(ready)::int8 AS ready, sum(later)::int8 AS later, sum(running)::int8 AS running,
         sum(failed)::int8 AS failed, max(oldest_seconds) AS oldest_seconds
    FROM counted GROUP BY 1
), paused AS (
  SELECT p.kind, p.name, p.until, p.actor, p.reason FROM jobs.tb_pause p WHERE p.until IS NULL OR p.until > now()
)
SELECT coalesce(t.service, d.service) AS service, coalesce(t.ready, 0) AS ready, coalesce(t.later, 0) AS later,
       coalesce(t.running, 0) AS running, coalesce(t.failed, 0) AS failed, t.oldest_seconds, coalesce(d.done, 0) AS done,
       coalesce(d.unsuccessful, 0) AS unsuccessful, d.p50_ms, d.p95_ms, to_jsonb(p) AS pause,
       extract(epoch FROM s.open_until - now())::float8 AS breaker_seconds,
       (SELECT count(*) FROM jobs.tb_worker w
         WHERE w.state = 'running' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds'
           AND (w.services IS NULL OR coalesce(t.service, d.service) = ANY (w.services))) AS workers
  FROM together t
  FULL JOIN ended d ON d.service = t.service
  LEFT JOIN jobs.tb_service_state s ON s.service_name = coalesce(t.service, d.service)
  LEFT JOIN LATERAL (SELECT * FROM paused q
                      WHERE q.kind = 'all' OR (q.kind = 'service' AND q.name = coalesce(t.service, d.service))
                      ORDER BY q.kind LIMIT 1) AS p ON true
 ORDER BY 1;

-- name: errors
SELECT coalesce(j.fingerprint, '') AS fingerprint, lower(j.service_name COLLATE "C") AS service, j.operation,
       count(*) AS failed, extract(epoch FROM now() - max(j.completed_at))::float8 AS last_seconds,
       max(j.error_category) AS error_category, max(j.error_message) AS error_message
  FROM jobs.tb_job_run j
 WHERE j.status = 'failed' AND j.completed_at > now() - interval '1 hour'
 GROUP BY 1, 2, 3
 ORDER BY 4 DESC, 1, 2, 3
 LIMIT %(limit)s;
