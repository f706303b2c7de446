-- Schedules: one row each in jobs.tb_schedule, by names in lower case. Every time here is the database's.

-- name: tell_registry
-- Apart from the next statement: a lock that this waits for must not be one that a heartbeat waits for.
UPDATE jobs.tb_worker SET registry_digest = %(registry)s
 WHERE worker_id = %(worker_id)s AND registry_digest IS DISTINCT FROM %(registry)s;

-- name: take
-- The worker that loaded a registry last decides what its schedules are. A new one, and one whose expression changed, counts
-- from now on: the past is not replayed. In the order of the key, so that workers that start together cannot deadlock.
WITH mine AS MATERIALIZED (
  SELECT * FROM unnest(%(services)s::text[], %(operations)s::text[], %(names)s::text[], %(expressions)s::text[],
                       %(digests)s::text[]) AS t (service_name, operation, name, expression, digest)
), gone AS (
  UPDATE jobs.tb_schedule s
     SET expression = '', digest = '', registry_digest = %(registry)s, updated_at = clock_timestamp()
   WHERE s.service_name = ANY (%(served)s::text[]) AND s.digest <> ''
     AND NOT EXISTS (SELECT FROM mine m WHERE (m.service_name, m.operation, m.name) = (s.service_name, s.operation, s.name))
), taken AS (
  INSERT INTO jobs.tb_schedule AS s (service_name, operation, name, expression, digest, registry_digest, last_tick)
  SELECT m.service_name, m.operation, m.name, m.expression, m.digest, %(registry)s, clock_timestamp()
    FROM mine m ORDER BY 1, 2, 3
  ON CONFLICT (service_name, operation, name) DO UPDATE
    SET last_tick = CASE WHEN s.expression = EXCLUDED.expression THEN s.last_tick
                         ELSE greatest(s.last_tick, EXCLUDED.last_tick) END,
        expression = EXCLUDED.expression, digest = EXCLUDED.digest, registry_digest = EXCLUDED.registry_digest,
        updated_at = clock_timestamp()
  RETURNING s.service_name, s.operation, s.name, s.last_tick
)
SELECT t.service_name, t.operation, t.name, t.last_tick FROM taken t;

-- name: tick
-- A row whose last_tick is before the tick is moved to it, and its job inserted, in one statement: of workers that ask for the
-- same tick, one finds the row as it was, and the others wait for its commit and find it moved.
-- outcome: enqueued | skipped (the job before has not ended) | key_taken | done (by another worker) | early (this worker's
-- reckoning of the database's clock) | superseded (a worker with another registry decides) | orphaned (no such worker lives)
WITH due AS MATERIALIZED (
  SELECT jobs.new_job_id() AS id, t.*
    FROM unnest(%(services)s::text[], %(operations)s::text[], %(names)s::text[], %(digests)s::text[],
                %(ticks)s::timestamptz[], %(service_words)s::text[], %(operation_words)s::text[], %(types)s::text[],
                %(inputs)s::text[], %(priorities)s::int4[], %(keys)s::text[], %(tenants)s::uuid[], %(skips)s::bool[])
         AS t (service_name, operation, name, digest, tick, service_word, operation_word, type, input, priority, key,
               tenant, skips)
), moved AS (
  UPDATE jobs.tb_schedule s
     SET (last_tick, last_job_id, last_skipped, updated_at) = (
           SELECT d.tick, CASE WHEN is_open THEN s.last_job_id ELSE d.id END,
                  CASE WHEN is_open THEN d.tick ELSE s.last_skipped END, clock_timestamp()
             FROM (SELECT d.skips AND EXISTS (
                     SELECT FROM jobs.tb_job_run j
                      WHERE j.id = s.last_job_id AND j.status IN ('pending', 'running'))) AS before (is_open))
    FROM due d
   WHERE (s.service_name, s.operation, s.name, s.digest) = (d.service_name, d.operation, d.name, d.digest)
     AND s.last_tick < d.tick AND d.tick <= clock_timestamp()
  RETURNING d.id, s.last_job_id = d.id AS makes
), made AS (
  INSERT INTO jobs.tb_job_run
    (id, service_name, operation, execution_type, input_data, priority, idempotency_key, tenant_id)
  SELECT d.id, d.service_word, d.operation_word, d.type, d.input::jsonb, d.priority, d.key, d.tenant
    FROM due d JOIN moved m ON m.id = d.id AND m.makes
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT d.service_name, d.operation, d.name, made.id, s.last_tick,
       CASE WHEN made.id IS NOT NULL THEN 'enqueued'
            WHEN m.makes THEN 'key_taken'
            WHEN m.id IS NOT NULL THEN 'skipped'
            WHEN s.digest = d.digest THEN CASE WHEN d.tick > clock_timestamp() THEN 'early' ELSE 'done' END
            WHEN EXISTS (SELECT FROM jobs.tb_worker w
                          WHERE w.registry_digest = s.registry_digest AND w.state IN ('running', 'draining')
                            AND w.heartbeat_at > clock_timestamp() - interval '15 seconds') THEN 'superseded'
            ELSE 'orphaned' END,
       clock_timestamp()
  FROM due d
  LEFT JOIN jobs.tb_schedule s ON (s.service_name, s.operation, s.name) = (d.service_name, d.operation, d.name)
  LEFT JOIN moved m ON m.id = d.id
  LEFT JOIN made ON made.id = d.id;

-- name: clock
SELECT clock_timestamp();

-- name: known
SELECT s.service_name, s.operation, s.name, s.digest, s.last_tick, s.last_skipped, s.last_job_id, j.status AS last_status,
       j.idempotency_key AS last_key, s.expression
  FROM jobs.tb_schedule s LEFT JOIN jobs.tb_job_run j ON j.id = s.last_job_id
 ORDER BY s.service_name, s.operation, s.name;

-- name: paused
-- Of several pauses the widest is named, as `show` does for a job.
SELECT t.service_name, t.operation, t.name, p.pause
  FROM unnest(%(services)s::text[], %(operations)s::text[], %(names)s::text[], %(types)s::text[], %(tenants)s::uuid[])
         AS t (service_name, operation, name, type, tenant)
 CROSS JOIN LATERAL (SELECT to_jsonb(each) AS pause FROM jobs.pauses_of(t.service_name, t.operation, t.type, t.tenant) each
                      ORDER BY each.kind LIMIT 1) AS p;
