-- Why pending jobs wait, reason by reason, and what waits behind each pause. Reads only. So many pending jobs are looked at at most,
-- put together by what a reason can depend on, and each such lane is asked once: the cost is bounded however long the queue is.

-- name: lanes
  SELECT s.service, s.operation, s.type, s.tenant, s.state, count(*) AS jobs, min(s.run_at) AS next_at
    FROM (SELECT lower(j.service_name COLLATE "C") AS service, lower(j.operation COLLATE "C") AS operation,
                 jobs.type_of(j.service_name, j.execution_type, (SELECT jobs.served_types())) AS type,
                 j.tenant_id AS tenant, j.run_at,
                 CASE WHEN j.blocked_by <> 0 THEN 'blocked' WHEN j.run_at <= now() THEN 'due'
                      WHEN j.error_category IS NOT NULL THEN 'retrying' ELSE 'scheduled' END AS state
            FROM ((SELECT * FROM jobs.tb_job_run b WHERE b.status = 'pending' AND b.blocked_by = 0 LIMIT %(most)s)
                  UNION ALL
                  (SELECT * FROM jobs.tb_job_run b WHERE b.status = 'pending' AND b.blocked_by <> 0 LIMIT %(most)s)) AS j) AS s
   GROUP BY 1, 2, 3, 4, 5

-- name: reasons
-- Each job under its strongest reason. not_served: of no service that the one who asks works for (%(only)s, %(except)s).
SELECT w.code, w.pause, w.service, sum(w.jobs)::int8 AS jobs,
       extract(epoch FROM min(w.next_at) - now())::float8 AS next_seconds
  FROM (
SELECT r.code, l.jobs, l.next_at, CASE WHEN r.code = 'paused' THEN to_jsonb(p) END AS pause,
       CASE WHEN r.code IN ('breaker_open', 'limited', 'no_worker') THEN l.service END AS service
  FROM ({lanes}) AS l
  LEFT JOIN LATERAL (SELECT q.* FROM jobs.pauses_of(l.service, l.operation, l.type, l.tenant) AS q ORDER BY q.kind LIMIT 1) AS p
         ON true
  LEFT JOIN jobs.tb_service_state s ON s.service_name = l.service
 CROSS JOIN LATERAL (SELECT CASE
       WHEN l.service <> ALL (%(only)s::text[]) OR l.service = ANY (%(except)s::text[]) THEN 'not_served'
       WHEN l.state = 'blocked' THEN 'blocked'
       WHEN p.kind IS NOT NULL THEN 'paused'
       WHEN l.state <> 'due' THEN l.state
       WHEN s.open_until IS NOT NULL THEN 'breaker_open'
       WHEN s.limited_until > now() THEN 'limited'
       WHEN NOT EXISTS (SELECT FROM jobs.tb_worker k
                         WHERE k.state = 'running' AND k.heartbeat_at > clock_timestamp() - interval '15 seconds'
                           AND (k.services IS NULL OR l.service = ANY (k.services))) THEN 'no_worker'
       ELSE 'ready' END AS code) AS r) AS w
 GROUP BY 1, 2, 3
 ORDER BY 4 DESC, 1, 3;

-- name: behind
-- Every pause in force with the pending jobs that it keeps back; a job behind two pauses is counted behind both.
WITH l AS MATERIALIZED ({lanes})
SELECT p.kind, p.name, p.until, p.actor, p.reason, p.paused_at, now() AS database_now,
       coalesce(b.jobs, 0)::int8 AS pending, (SELECT coalesce(sum(l.jobs), 0) FROM l)::int8 AS looked_at
  FROM jobs.tb_pause p
  LEFT JOIN (SELECT q.kind, q.name, sum(l.jobs) AS jobs
               FROM l CROSS JOIN LATERAL jobs.pauses_of(l.service, l.operation, l.type, l.tenant) AS q
              GROUP BY 1, 2) AS b ON b.kind = p.kind AND b.name = p.name
 WHERE p.until IS NULL OR p.until > now()
 ORDER BY p.paused_at, p.kind, p.name;

-- name: attendance
-- Whether open jobs have anybody, for those who read the queue's numbers. What is paused waits for nobody.
SELECT (SELECT count(*) FROM jobs.tb_worker w WHERE w.state IN ('running', 'draining')
                                                AND w.heartbeat_at > clock_timestamp() - interval '15 seconds') AS alive,
       (SELECT count(*) FROM jobs.tb_worker w WHERE w.state IN ('running', 'draining')
                                                AND w.heartbeat_at <= clock_timestamp() - interval '15 seconds') AS silent,
       EXISTS (SELECT FROM jobs.tb_job_run j WHERE j.status = 'running')
         OR CASE WHEN NOT EXISTS (SELECT FROM jobs.tb_pause p WHERE p.until IS NULL OR p.until > now())
                 THEN EXISTS (SELECT FROM jobs.tb_job_run j
                               WHERE j.status = 'pending' AND j.blocked_by = 0 AND j.run_at <= now())
                 ELSE EXISTS (SELECT FROM ({lanes}) AS l
                               WHERE l.state = 'due'
                                 AND NOT EXISTS (SELECT FROM jobs.pauses_of(l.service, l.operation, l.type, l.tenant)))
            END AS open;
