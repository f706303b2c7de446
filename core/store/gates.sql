-- What keeps jobs from being dispatched: pauses and circuit breakers, set, lifted and listed by people.

-- name: pause
SELECT jobs.pause(%(service)s, %(operation)s, %(execution_type)s, %(tenant)s, %(everything)s,
                  %(seconds)s::float8 * interval '1 second', %(reason)s, %(actor)s) AS until;

-- name: resume
SELECT jobs.resume(%(service)s, %(operation)s, %(execution_type)s, %(tenant)s, %(everything)s, %(reason)s, %(actor)s)
       AS resumed;

-- name: behind
-- The pending jobs that a pause of this scope keeps back, or would; and for a type, those of which nothing tells theirs.
SELECT count(*) FILTER (WHERE %(execution_type)s::text IS NULL OR p.type = %(execution_type)s::text) AS pending,
       count(*) FILTER (WHERE %(execution_type)s::text IS NOT NULL AND p.type IS NULL) AS untold
  FROM (
SELECT CASE WHEN %(execution_type)s::text IS NOT NULL
            THEN jobs.type_of(j.service_name, j.execution_type, (SELECT jobs.served_types())) END AS type
  FROM jobs.tb_job_run j
 WHERE j.status = 'pending'
   AND (%(service)s::text IS NULL OR lower(j.service_name COLLATE "C") = lower(%(service)s::text COLLATE "C"))
   AND (%(operation)s::text IS NULL
        OR lower(j.service_name || '.' || j.operation COLLATE "C") = lower(%(operation)s::text COLLATE "C"))
   AND (%(tenant)s::uuid IS NULL OR j.tenant_id = %(tenant)s::uuid)) AS p;

-- name: pauses
SELECT p.kind, p.name, p.until, p.actor, p.reason, p.paused_at
  FROM jobs.tb_pause p WHERE p.until IS NULL OR p.until > now() ORDER BY p.paused_at, p.kind, p.name;

-- name: breakers
-- Services whose target failed lately; a service that is not here has a closed breaker and no failure on it.
SELECT s.service_name AS service, s.failures, s.opened_at, s.open_until, s.probe_job,
       CASE WHEN s.open_until IS NULL THEN 'closed' WHEN s.open_until > now() THEN 'open' ELSE 'half_open' END AS state
  FROM jobs.tb_service_state s
 WHERE s.failures > 0 OR s.open_until IS NOT NULL
 ORDER BY s.open_until IS NULL, s.service_name;

-- name: reset_breaker
SELECT jobs.reset_breaker(%(service)s, %(reason)s, %(actor)s) AS was_open;

-- name: is_met
-- Whether something small tells of a service: its state, a pause, a worker, a schedule, an open job.
SELECT EXISTS (SELECT FROM jobs.tb_service_state s WHERE s.service_name = %(service)s)
    OR EXISTS (SELECT FROM jobs.tb_pause p WHERE p.kind = 'service' AND p.name = %(service)s)
    OR EXISTS (SELECT FROM jobs.tb_worker w WHERE %(service)s = ANY (w.services) OR w.service_types ? %(service)s)
    OR EXISTS (SELECT FROM jobs.tb_schedule s WHERE lower(s.service_name COLLATE "C") = %(service)s)
    OR EXISTS (SELECT FROM jobs.tb_job_run j
                WHERE j.status = 'running' AND lower(j.service_name COLLATE "C") = %(service)s)
    OR EXISTS (SELECT FROM jobs.tb_job_run j
                WHERE j.status = 'pending' AND lower(j.service_name COLLATE "C") = %(service)s) AS met;

-- name: services
-- Every service of which anything tells. Reads the whole table of jobs once.
SELECT s.service_name AS name FROM jobs.tb_service_state s
UNION SELECT p.name FROM jobs.tb_pause p WHERE p.kind = 'service'
UNION SELECT unnest(w.services) FROM jobs.tb_worker w
UNION SELECT jsonb_object_keys(w.service_types) FROM jobs.tb_worker w
UNION SELECT lower(s.service_name COLLATE "C") FROM jobs.tb_schedule s
UNION SELECT lower(j.service_name COLLATE "C") FROM jobs.tb_job_run j
ORDER BY 1;
