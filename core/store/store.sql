-- The queue's writes, in the order of the verbs in store.py. Each is one statement: whole or not at all.

-- name: enqueue
-- ON CONFLICT without a target: whatever unique key an adopted table carries, a duplicate is no error.
INSERT INTO jobs.tb_job_run
  (id, service_name, operation, execution_type, input_data, run_at, priority, idempotency_key, tenant_id,
   correlation_id, max_attempts, timeout_seconds, parent_id, deadline_at)
SELECT id, service, operation, type, input::jsonb, coalesce(run_at, now() + coalesce(delay, 0) * interval '1 second'),
       priority, key, tenant, correlation, max_attempts, timeout, parent,
       greatest(coalesce(run_at, now() + coalesce(delay, 0) * interval '1 second'), now()) + deadline * interval '1 second'
  FROM unnest(%(ids)b::uuid[], %(services)b::text[], %(operations)b::text[], %(types)s::text[], %(inputs)b::text[],
              %(run_ats)s::timestamptz[], %(delays)s::float8[], %(priorities)b::int4[], %(keys)s::text[],
              %(tenants)s::uuid[], %(correlations)s::text[], %(max_attempts)s::int4[], %(timeouts)s::int4[],
              %(parents)s::uuid[], %(deadlines)s::float8[])
       AS t (id, service, operation, type, input, run_at, delay, priority, key, tenant, correlation, max_attempts, timeout,
             parent, deadline)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: jobs_by_key
SELECT DISTINCT ON (wanted.key, wanted.tenant)
       j.id, j.status, j.service_name, j.operation, wanted.key, wanted.tenant
  FROM unnest(%(keys)s::text[], %(tenants)s::uuid[]) AS wanted (key, tenant)
  JOIN jobs.tb_job_run j ON j.idempotency_key = wanted.key AND j.tenant_id IS NOT DISTINCT FROM wanted.tenant
 ORDER BY wanted.key, wanted.tenant, j.created_at DESC;

-- name: depend
SELECT jobs.add_dependencies(%(jobs)s::uuid[], %(dependencies)s::uuid[], %(choices)s::text[]);

-- name: statuses
SELECT id, status FROM jobs.tb_job_run WHERE id = ANY (%(ids)s::uuid[]);

-- name: survey
-- The lanes that have pending jobs, each with its first: a skip scan, one descent of the claim's index for each lane.
-- At most a page of them; the next begins behind the last.
WITH RECURSIVE lane AS (
  (SELECT -c.priority AS place, lower(c.service_name COLLATE "C") AS service, lower(c.operation COLLATE "C") AS operation,
          coalesce(c.tenant_id, '00000000-0000-0000-0000-000000000000') AS tenant, c.run_at AS first
     FROM jobs.tb_job_run c
    WHERE c.status = 'pending' AND c.blocked_by = 0
      AND (-c.priority, lower(c.service_name COLLATE "C"), lower(c.operation COLLATE "C"),
           coalesce(c.tenant_id, '00000000-0000-0000-0000-000000000000'))
          > (%(after_place)s::int4, %(after_service)s::text, %(after_operation)s::text, %(after_tenant)s::uuid)
    ORDER BY 1, 2, 3, 4, 5 LIMIT 1)
  UNION ALL
  SELECT n.place, n.service, n.operation, n.tenant, n.first
    FROM lane l CROSS JOIN LATERAL (
      SELECT -c.priority AS place, lower(c.service_name COLLATE "C") AS service,
             lower(c.operation COLLATE "C") AS operation,
             coalesce(c.tenant_id, '00000000-0000-0000-0000-000000000000') AS tenant, c.run_at AS first
        FROM jobs.tb_job_run c
       WHERE c.status = 'pending' AND c.blocked_by = 0
         AND (-c.priority, lower(c.service_name COLLATE "C"), lower(c.operation COLLATE "C"),
              coalesce(c.tenant_id, '00000000-0000-0000-0000-000000000000'))
             > (l.place, l.service, l.operation, l.tenant)
       ORDER BY 1, 2, 3, 4, 5 LIMIT 1) n
)
SELECT l.place, l.service, l.operation, l.tenant, l.first,
       extract(epoch FROM l.first - clock_timestamp())::float8 AS due_in,
       CASE WHEN EXISTS (SELECT FROM jobs.tb_pause)
             AND EXISTS (SELECT FROM jobs.pauses_of(l.service, l.operation, NULL, l.tenant)) THEN 'paused'
            WHEN s.open_until > now() THEN 'breaker_open'
            WHEN s.limited_until > now() THEN 'limited'
            WHEN s.open_until IS NOT NULL THEN 'half_open'
            ELSE '' END AS held,
       ARRAY(SELECT p.name FROM jobs.tb_pause p WHERE p.kind = 'type' AND (p.until IS NULL OR p.until > now())) AS types
  FROM (SELECT * FROM lane LIMIT %(page)s) l LEFT JOIN jobs.tb_service_state s ON s.service_name = l.service
 ORDER BY l.place, l.service, l.operation, l.tenant;

-- name: claim
SELECT * FROM jobs.claim(
  %(worker_id)s, %(places)b::int4[], %(services)s::text[], %(operations)s::text[], %(tenants)b::uuid[], %(types)s::text[],
  %(after)s::timestamptz[], %(quotas)b::int4[], %(wanted)s::int4, %(documents)s);

-- name: claim_limited
SELECT * FROM jobs.claim_limited(
  %(worker_id)s, %(service)s, %(type)s, %(places)b::int4[], %(operations)s::text[], %(tenants)b::uuid[],
  %(after)s::timestamptz[], jobs.quotas_beside_probe(%(service)s, %(quotas)b::int4[]), %(wanted)s::int4,
  %(most_running)s::int4, %(most_a_minute)s::int4, %(tenant_running)s::int4, %(tenant_a_minute)s::int4, %(documents)s);

-- name: note_outcomes
SELECT service_name, change
  FROM jobs.note_outcomes(%(services)s::text[], %(answered)s::bool[], %(failed)s::int4[], %(thresholds)s::int4[],
                          %(recoveries)s::float8[]);

-- name: drop_breaker
-- Open no longer, and nobody's registry that looks has it: there will be no news that could close it.
UPDATE jobs.tb_service_state
   SET failures = 0, opened_at = NULL, open_until = NULL, probe_job = NULL, probe_lease = NULL, updated_at = now()
 WHERE service_name = %(service)s AND open_until <= clock_timestamp()
RETURNING service_name;

-- name: documents
-- As text, parsed once by the worker. A document over its cap is measured here and never sent.
SELECT id, CASE WHEN octet_length(document) <= %(cap)s THEN document END AS document,
       CASE WHEN octet_length(config) > %(asked_cap)s THEN '"too large"' ELSE config END AS runner_config,
       CASE WHEN octet_length(context) > %(asked_cap)s THEN '"too large"' ELSE context END AS security_context
  FROM (SELECT j.id, coalesce(j.input_data::text, '{}') AS document, j.runner_config::text AS config,
               j.security_context::text AS context
          FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)b::uuid[])) AS t;

-- name: settle_completed
-- The common case of settle, with the fewest parameters: what is the same for all jobs of an operation is sent once and
-- referred to by number. coalesce() hides the partial index on running rows from the
-- planner: analysed when it is empty, it looks cheaper than the primary key and makes the join quadratic.
-- Captured output of settled leases only: a superseded worker's is dropped with its result.
WITH settled AS (
UPDATE jobs.tb_job_run AS j
   SET status = 'completed', completed_at = now(), updated_at = now(), output_data = s.output::jsonb,
       resource_usage = s.usage::jsonb, max_attempts = s.max_attempts,
       execution_type = coalesce(nullif(s.type, ''), j.execution_type), runner_version = nullif(s.version, ''),
       registry_digest = %(digest)s, error_category = NULL, error_message = NULL,
       fingerprint = NULL
  FROM (SELECT g.id, g.lease, g.output, g.usage, g.logs, (%(max_attempts)b::int4[])[g.origin] AS max_attempts,
               (%(types)b::text[])[g.origin] AS type, (%(versions)b::text[])[g.origin] AS version,
               (%(policies)b::text[])[g.origin] AS policy, (%(sandboxes)b::text[])[g.origin] AS sandbox
          FROM unnest(%(ids)b::uuid[], %(leases)b::int8[], %(outputs)b::text[], %(usages)b::text[], %(logs)b::text[],
                      %(origins)b::int2[]) AS g (id, lease, output, usage, logs, origin)) AS s
 WHERE j.id = s.id AND coalesce(j.status, '') = 'running' AND j.lease_seq = s.lease
RETURNING j.id, j.lease_seq, j.attempts, j.service_name, j.operation, j.execution_type, j.tenant_id, j.started_at,
          s.version, s.policy, s.sandbox, s.logs
), logged AS (
  INSERT INTO jobs.tb_job_log (job_id, lease_seq, chunk, stream, content, truncated)
  SELECT d.id, d.lease_seq, c.number - 1, c.chunk ->> 0, c.chunk ->> 1, (c.chunk ->> 2)::boolean
    FROM settled d CROSS JOIN LATERAL jsonb_array_elements(d.logs::jsonb) WITH ORDINALITY AS c (chunk, number)
   WHERE d.logs IS NOT NULL
  ON CONFLICT DO NOTHING
), audited AS (
  INSERT INTO jobs.tb_audit_event
    (chain, outcome, job_id, lease_seq, attempt, service_name, operation, execution_type, tenant_id, status, worker_id,
     runner_version, registry_digest, policy_digest, sandbox, duration_ms)
  SELECT %(chain)s, 'succeeded', d.id, d.lease_seq, d.attempts, d.service_name, d.operation,
         lower(d.execution_type), d.tenant_id, 'completed', %(worker_id)s, nullif(d.version, ''), %(digest)s,
         nullif(d.policy, ''), nullif(d.sandbox, ''), extract(epoch FROM now() - d.started_at) * 1000
    FROM settled d
)
SELECT id FROM settled;

-- name: settle
-- Any outcome. A retry of a job that somebody cancelled meanwhile ends as cancelled.
WITH given AS (
  SELECT * FROM unnest(
    %(ids)b::uuid[], %(leases)b::int8[], %(statuses)b::text[], %(given_back)b::bool[], %(delays)b::float8[],
    %(outputs)b::text[], %(usages)b::text[], %(categories)b::text[], %(messages)b::text[], %(fingerprints)b::text[],
    %(max_attempts)b::int4[], %(types)b::text[], %(versions)b::text[], %(policies)b::text[], %(sandboxes)b::text[],
    %(endings)b::text[], %(violations)b::text[], %(lefts)b::float8[], %(logs)b::text[])
    AS t (id, lease, status, given_back, delay, output, usage, category, message, fingerprint, max_attempts, type, version,
          policy, sandbox, ending, violations, seconds_left, logs)
), settled AS (
  UPDATE jobs.tb_job_run AS j
     SET status = CASE WHEN s.status = 'pending' AND j.cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE s.status END,
         attempts = j.attempts - CASE WHEN s.given_back THEN 1 ELSE 0 END,
         lease_seq = j.lease_seq + CASE WHEN s.given_back THEN 1 ELSE 0 END,
         run_at = CASE WHEN s.status = 'pending' AND NOT (s.given_back AND s.delay <= 0)
                       THEN now() + s.delay * interval '1 second' ELSE j.run_at END,
         deadline_at = CASE WHEN s.status = 'pending' THEN coalesce(j.deadline_at, now() + s.seconds_left * interval '1 second')
                            ELSE j.deadline_at END,
         worker_id = CASE WHEN s.status = 'pending' AND j.cancel_requested_at IS NULL THEN NULL ELSE j.worker_id END,
         completed_at = CASE WHEN s.status = 'pending' AND j.cancel_requested_at IS NULL THEN NULL ELSE now() END,
         updated_at = now(),
         output_data = s.output::jsonb, resource_usage = coalesce(s.usage::jsonb, j.resource_usage),
         error_category = CASE WHEN s.given_back THEN j.error_category ELSE s.category END,
         error_message = CASE WHEN s.given_back THEN j.error_message ELSE s.message END,
         fingerprint = CASE WHEN s.given_back THEN j.fingerprint ELSE s.fingerprint END,
         max_attempts = s.max_attempts,
         execution_type = coalesce(nullif(s.type, ''), j.execution_type),
         runner_version = nullif(s.version, ''), registry_digest = %(digest)s
    FROM given s
   WHERE j.id = s.id AND coalesce(j.status, '') = 'running' AND j.lease_seq = s.lease
  RETURNING j.id, s.lease, j.attempts, j.started_at, j.status, j.service_name, j.operation, j.execution_type, j.tenant_id,
            s.logs
), logged AS (
  INSERT INTO jobs.tb_job_log (job_id, lease_seq, chunk, stream, content, truncated)
  SELECT d.id, d.lease, c.number - 1, c.chunk ->> 0, c.chunk ->> 1, (c.chunk ->> 2)::boolean
    FROM settled d CROSS JOIN LATERAL jsonb_array_elements(d.logs::jsonb) WITH ORDINALITY AS c (chunk, number)
   WHERE d.logs IS NOT NULL
  ON CONFLICT DO NOTHING
), attempt AS (
  INSERT INTO jobs.tb_job_attempt
    (job_id, lease_seq, attempt, worker_id, started_at, error_category, error_message, fingerprint, resource_usage,
     runner_version, registry_digest)
  SELECT d.id, d.lease, d.attempts, %(worker_id)s, d.started_at, s.category, s.message, s.fingerprint, s.usage::jsonb,
         nullif(s.version, ''), %(digest)s
    FROM settled d JOIN given s ON s.id = d.id AND s.lease = d.lease
   WHERE s.category IS NOT NULL AND NOT s.given_back
), audited AS (
  INSERT INTO jobs.tb_audit_event
    (chain, outcome, job_id, lease_seq, attempt, service_name, operation, execution_type, tenant_id, status,
     error_category, worker_id, runner_version, registry_digest, policy_digest, sandbox, duration_ms, violations)
  SELECT %(chain)s, s.ending, d.id, d.lease, d.attempts + CASE WHEN s.given_back THEN 1 ELSE 0 END, d.service_name,
         d.operation, lower(d.execution_type), d.tenant_id, d.status, s.category, %(worker_id)s, nullif(s.version, ''),
         %(digest)s, nullif(s.policy, ''), nullif(s.sandbox, ''), extract(epoch FROM now() - d.started_at) * 1000,
         s.violations::jsonb
    FROM settled d JOIN given s ON s.id = d.id AND s.lease = d.lease
)
SELECT id FROM settled;

-- name: unlocked
SELECT j.id FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)b::uuid[]) FOR NO KEY UPDATE SKIP LOCKED;

-- name: audit_heads
-- Where a worker's own chains stand. Told to the log now and then: what is logged elsewhere cannot be cut off unseen.
SELECT chain, seq, encode(hash, 'hex') AS hash FROM jobs.tb_audit_chain WHERE chain = ANY (%(chains)s) ORDER BY chain;

-- name: cancel
SELECT id, outcome FROM jobs.cancel_jobs(%(ids)b::uuid[], %(reason)s, %(actor)s);

-- name: retry
SELECT id, outcome FROM jobs.retry_jobs(%(ids)b::uuid[], %(reason)s, %(actor)s);

-- name: discard
SELECT id, outcome FROM jobs.discard_jobs(%(ids)b::uuid[], %(reason)s, %(actor)s);

-- name: register
INSERT INTO jobs.tb_worker
  (worker_id, host, pid, version, lock_key, execution_types, services, concurrency, registry_digest, service_types)
VALUES (%(worker_id)s, %(host)s, %(pid)s, %(version)s, %(lock_key)s, %(types)s, %(services)s, %(concurrency)s, %(digest)s,
        %(service_types)s)
ON CONFLICT (worker_id) DO UPDATE
   SET heartbeat_at = clock_timestamp(), registry_digest = excluded.registry_digest, service_types = excluded.service_types
 WHERE tb_worker.state IN ('running', 'draining')
RETURNING worker_id;

-- name: hold_lock
SELECT pg_try_advisory_lock(%(lock_key)s) AS held;

-- name: heartbeat
-- No row back: somebody declared this worker lost, and its jobs are taken. Touches no indexed column: a HOT update.
UPDATE jobs.tb_worker
   SET heartbeat_at = clock_timestamp(), running = %(running)s, state = CASE WHEN %(draining)s THEN 'draining' ELSE state END
 WHERE worker_id = %(worker_id)s AND state IN ('running', 'draining')
RETURNING state;

-- name: announce_waiting
UPDATE jobs.tb_worker SET waiting = %(waiting)s WHERE worker_id = %(worker_id)s AND waiting <> %(waiting)s;

-- name: cancel_requests
-- Of the jobs that the worker runs, by their ids: the index on running rows holds the dead entries of all claims since the
-- last vacuum, and this is asked each second.
SELECT j.id FROM jobs.tb_job_run j
 WHERE j.id = ANY (%(ids)b::uuid[]) AND j.status = 'running' AND j.worker_id = %(worker_id)s
   AND j.cancel_requested_at IS NOT NULL;

-- name: held
-- The leases that the database still believes this worker holds.
SELECT j.id, j.lease_seq FROM jobs.tb_job_run j WHERE j.status = 'running' AND j.worker_id = %(worker_id)s;

-- name: lose_workers
-- Lost: the session lock is free and the heartbeat is over 3 s old; or the heartbeat is over 15 s old, whatever the lock
-- says. A restart of Postgres frees every lock, so for 15 s after it only the second rule holds; likewise, `by_lock`
-- false, for 15 s after the asking worker has lost its own connection: a failover leaves no trace in the start time.
UPDATE jobs.tb_worker w
   SET state = 'lost', waiting = false, stopped_at = clock_timestamp()
 WHERE w.state IN ('running', 'draining')
   AND w.worker_id <> %(worker_id)s
   AND (w.heartbeat_at < clock_timestamp() - interval '15 seconds'
     OR (%(by_lock)s AND w.heartbeat_at < clock_timestamp() - interval '3 seconds'
         AND pg_postmaster_start_time() < clock_timestamp() - interval '15 seconds'
         AND NOT EXISTS (
           SELECT FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND l.classid::bigint = (w.lock_key >> 32) & 4294967295
              AND l.objid::bigint = w.lock_key & 4294967295)))
RETURNING w.worker_id;

-- name: lately_lost
-- Also those whom others declared lost: they may have died before they took the jobs.
SELECT w.worker_id FROM jobs.tb_worker w WHERE w.state = 'lost' AND w.stopped_at > clock_timestamp() - interval '15 seconds';

-- name: rescue
-- At once after the first crash; later ones are spread, so that a job that kills workers meets its neighbours less often
-- and does not take them down the whole crash budget with it.
-- Jobs of workers that are lost, stopped or unknown; {whose} is one of the next two. 'external' jobs belong to programs
-- that prove nothing: they are taken only by name.
WITH orphan AS MATERIALIZED (
  SELECT j.id FROM jobs.tb_job_run j
   WHERE j.status = 'running'
     AND {whose}
     AND NOT EXISTS (SELECT FROM jobs.tb_worker w
                      WHERE w.worker_id = j.worker_id AND w.state IN ('running', 'draining'))
   ORDER BY j.worker_id LIMIT 1000 FOR UPDATE SKIP LOCKED  -- the index's own order: by id, history would be walked
), rescued AS (
  UPDATE jobs.tb_job_run j
     SET status = CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled'
                       WHEN j.crash_count + 1 >= %(budget)s THEN 'failed' ELSE 'pending' END,
         crash_count = j.crash_count + 1, lease_seq = j.lease_seq + 1, updated_at = now(),
         run_at = now() + random() * j.crash_count * interval '10 seconds',
         worker_id = CASE WHEN j.cancel_requested_at IS NULL AND j.crash_count + 1 < %(budget)s THEN NULL
                          ELSE j.worker_id END,
         completed_at = CASE WHEN j.cancel_requested_at IS NULL AND j.crash_count + 1 < %(budget)s THEN NULL
                             ELSE now() END,
         error_category = CASE WHEN j.crash_count + 1 >= %(budget)s THEN 'crash_loop' ELSE 'worker_lost' END,
         error_message = CASE WHEN j.crash_count + 1 >= %(budget)s
                              THEN 'took its worker down ' || (j.crash_count + 1) || ' times; it is not run again by itself'
                              ELSE 'its worker was lost' END,
         fingerprint = CASE WHEN j.crash_count + 1 >= %(budget)s THEN 'crash_loop' ELSE 'worker_lost' END
    FROM orphan o, jobs.tb_job_run old
   WHERE j.id = o.id AND old.id = j.id
  RETURNING j.id, j.status, j.lease_seq - 1 AS lease_seq, j.attempts, old.worker_id, old.started_at, j.error_category,
            j.error_message, j.fingerprint, j.service_name, j.operation, j.execution_type, j.tenant_id, j.entity_type
), put_off AS (
  -- Callbacks are not called here, beside the heartbeat: the next worker that looks calls them.
  INSERT INTO jobs.tb_callback_run (job_id, lease_seq, outcome, function_name, error)
  SELECT r.id, r.lease_seq + 1, c.outcome, c.function_name, 'the job was failed by a rescue'
    FROM rescued r
    JOIN jobs.tb_callback c ON c.entity_type = lower(r.entity_type) AND c.service_name = lower(r.service_name)
                           AND c.operation = lower(r.operation) AND c.outcome = 'failure'
   WHERE r.status = 'failed'
), attempt AS (
  INSERT INTO jobs.tb_job_attempt
    (job_id, lease_seq, attempt, worker_id, started_at, error_category, error_message, fingerprint)
  SELECT id, lease_seq, attempts, worker_id, started_at, 'worker_lost', error_message, fingerprint FROM rescued
  ON CONFLICT DO NOTHING
), audited AS (
  -- What a lost worker had executed when it was lost, nobody knows; that it held the job is certain.
  INSERT INTO jobs.tb_audit_event
    (chain, outcome, job_id, lease_seq, attempt, service_name, operation, execution_type, tenant_id, status,
     error_category, worker_id)
  SELECT 'rescue', 'worker_lost', id, lease_seq, attempts, service_name, operation, lower(execution_type), tenant_id,
         status, error_category, worker_id
    FROM rescued
)
SELECT id, status, worker_id FROM rescued;

-- name: everybodys
j.worker_id <> 'external';

-- name: one_workers
j.worker_id = %(lost)s;

-- name: give_back
-- A stopping worker's claims that it never started, or could not settle: the attempts do not count.
UPDATE jobs.tb_job_run
   SET status = CASE WHEN cancel_requested_at IS NULL THEN 'pending' ELSE 'cancelled' END,
       completed_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE now() END,
       attempts = greatest(attempts - 1, 0), lease_seq = lease_seq + 1, updated_at = now(),  -- it keeps its place
       worker_id = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE worker_id END
 WHERE status = 'running' AND worker_id = %(worker_id)s
   AND (%(ids)s::uuid[] IS NULL OR id = ANY (%(ids)s::uuid[]))
RETURNING id;

-- name: leave
UPDATE jobs.tb_worker SET state = 'stopped', waiting = false, running = 0, stopped_at = clock_timestamp()
 WHERE worker_id = %(worker_id)s AND state IN ('running', 'draining');

-- name: alive_workers
SELECT worker_id FROM jobs.tb_worker WHERE state IN ('running', 'draining');

-- name: forget_workers
-- Rows of workers that ended long ago; a week covers a long weekend's post-mortem.
DELETE FROM jobs.tb_worker WHERE state IN ('stopped', 'lost') AND stopped_at < now() - interval '7 days';

-- name: reserve_invocation
SELECT reserved_in, wait_seconds FROM jobs.reserve_invocation(%(service)s, %(cost)s, %(invocations)s, %(most)s);

-- name: settle_invocation
SELECT jobs.settle_invocation(%(service)s, %(minute)s, %(reserved)s, %(actual)s);

-- name: open_jobs
-- Whether `worker --until-empty` still has something to wait for: due jobs, retries and what others run (they may die),
-- not what is scheduled for later, nor what waits for that, nor what is paused. Types as this worker's claims judge them.
SELECT EXISTS (SELECT FROM jobs.tb_job_run j
                WHERE (j.status = 'pending' AND j.blocked_by = 0 AND (j.run_at <= now() OR j.lease_seq > 0)
                       AND (NOT EXISTS (SELECT FROM jobs.tb_pause) OR NOT EXISTS (
                              SELECT FROM jobs.pauses_of(lower(j.service_name COLLATE "C"), lower(j.operation COLLATE "C"),
                                                         jobs.type_of(j.service_name, j.execution_type, %(types)s), j.tenant_id)))
                       OR j.status = 'running' AND j.worker_id <> 'external')
                  AND (%(only)s::text[] IS NULL OR lower(j.service_name COLLATE "C") = ANY (%(only)s::text[]))
                  AND (%(except)s::text[] IS NULL OR lower(j.service_name COLLATE "C") <> ALL (%(except)s::text[]))) AS yes;
