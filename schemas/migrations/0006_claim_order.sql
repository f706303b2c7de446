-- breaking: yes
-- why: a claim takes from lanes (priority, service, operation, tenant), under limits, pauses and breakers; an older worker would claim past them.
-- locks: writes to tb_job_run while two partial indexes are built; they hold pending and running rows only, but the table is read twice.

ALTER TABLE jobs.tb_job_run ADD COLUMN IF NOT EXISTS blocked_by integer NOT NULL DEFAULT 0;  -- unfinished dependencies
ALTER TABLE jobs.tb_job_run ADD COLUMN IF NOT EXISTS deadline_at timestamptz;  -- no attempt starts after it

-- The queue's order. Names folded as registries fold them (ASCII letters, whatever the database's locale); no id at the
-- end: rows of one transaction share run_at, lie in the order of their insertion, and make one entry of many.
DROP INDEX IF EXISTS jobs.ix_tb_job_run_claim;
CREATE INDEX ix_tb_job_run_claim ON jobs.tb_job_run (
  (-priority), (lower(service_name COLLATE "C")), (lower(operation COLLATE "C")),
  (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')), run_at
) WHERE status = 'pending' AND blocked_by = 0;

-- By service first: a limit on concurrency counts the rows themselves.
DROP INDEX IF EXISTS jobs.ix_tb_job_run_running;
CREATE INDEX ix_tb_job_run_running ON jobs.tb_job_run ((lower(service_name COLLATE "C")), worker_id)
  WHERE status = 'running';

-- Which limit kept the last claim from the service, and when; for people.
ALTER TABLE jobs.tb_service_state
  ADD COLUMN limited_by text,
  ADD COLUMN limited_at timestamptz;

-- Breakers. open_until NULL: closed; in the future: open; past: half open, one probe at a time.
ALTER TABLE jobs.tb_service_state
  ADD COLUMN failures    integer NOT NULL DEFAULT 0,  -- target_unavailable and timeout in a row
  ADD COLUMN opened_at   timestamptz,
  ADD COLUMN open_until  timestamptz,
  ADD COLUMN probe_job   uuid,
  ADD COLUMN probe_lease bigint;

-- What a service with a rate limit has claimed, by second and, where tenants are limited, by tenant.
CREATE TABLE jobs.tb_service_second (
  service_name text NOT NULL,
  second       timestamptz NOT NULL,
  tenant_id    uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  claims       integer NOT NULL,
  PRIMARY KEY (service_name, second, tenant_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- What is not dispatched, and until when: NULL is until somebody resumes it.
CREATE TABLE jobs.tb_pause (
  kind      text NOT NULL,
  name      text NOT NULL,
  until     timestamptz,
  actor     text NOT NULL,
  reason    text,
  paused_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, name),
  CONSTRAINT ck_pause_kind_known CHECK (kind IN ('all', 'service', 'operation', 'type', 'tenant'))
);

ALTER TABLE jobs.tb_change
  DROP CONSTRAINT ck_kind_known,
  ADD CONSTRAINT ck_kind_known CHECK (
    kind IN ('retry', 'cancel', 'discard', 'rescue', 'pause', 'resume', 'breaker_reset', 'prune')),
  ADD COLUMN scope text;  -- of a change that is not about single jobs: service:stripe, type:docker, all

-- The pauses in force that cover a lane.
CREATE FUNCTION jobs.pauses_of(service text, operation text, execution_type text, tenant uuid)
RETURNS SETOF jobs.tb_pause
LANGUAGE sql STABLE AS $$
  SELECT p.* FROM jobs.tb_pause p
   WHERE (p.until IS NULL OR p.until > now())
     AND CASE p.kind
           WHEN 'all' THEN true
           WHEN 'service' THEN p.name = pauses_of.service
           WHEN 'operation' THEN p.name = pauses_of.service || '.' || pauses_of.operation
           WHEN 'type' THEN p.name = pauses_of.execution_type
           ELSE p.name = pauses_of.tenant::text
         END
$$;

-- Take up to `wanted` ready jobs from lanes, in their order, from each at most its quota and none before its place (the
-- watermark, which spares the dead index entries of jobs that were claimed already). Each under a new lease.
-- Whoever was declared lost gets nothing: what it claims would be rescued at once, and run twice.
-- A document over its cap is measured here and never sent; one that Postgres cannot print fails the claim, which is then
-- asked again without documents.
CREATE FUNCTION jobs.claim(
  worker text, priorities integer[], services text[], operations text[], tenants uuid[], types text[],
  places timestamptz[], quotas integer[], wanted integer, documents boolean DEFAULT true, probe boolean DEFAULT false
) RETURNS TABLE (
  id uuid, service_name text, operation text, lease_seq bigint, attempts integer, max_attempts integer,
  timeout_seconds integer, crash_count integer, idempotency_key text, tenant_id uuid, correlation_id text,
  has_callback boolean, place integer, run_at timestamptz, document text, runner_config text, security_context text,
  due_since double precision, seconds_left double precision
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  UPDATE jobs.tb_job_run AS j
     SET status = 'running', attempts = j.attempts + 1, lease_seq = j.lease_seq + 1, worker_id = worker,
         started_at = now(), updated_at = now()
   WHERE j.ctid = ANY (ARRAY(
     SELECT c.row
       FROM unnest(priorities, services, operations, tenants, types, places, quotas)
            AS l (priority, service, operation, tenant, type, place, quota)
      CROSS JOIN LATERAL (
        SELECT c.ctid AS row FROM jobs.tb_job_run c
         WHERE c.status = 'pending' AND c.blocked_by = 0
           AND -c.priority = l.priority
           AND lower(c.service_name COLLATE "C") = l.service
           AND lower(c.operation COLLATE "C") = l.operation
           AND coalesce(c.tenant_id, '00000000-0000-0000-0000-000000000000') = l.tenant
           AND c.run_at >= l.place AND c.run_at <= now()
         ORDER BY c.run_at
         LIMIT l.quota
           FOR UPDATE SKIP LOCKED) c
      WHERE NOT EXISTS (SELECT FROM jobs.tb_worker w WHERE w.worker_id = worker AND w.state IN ('lost', 'stopped'))
        AND NOT EXISTS (SELECT FROM jobs.tb_service_state s WHERE s.service_name = l.service
                           AND (s.open_until IS NOT NULL AND NOT probe OR s.limited_until > now()))
        AND (NOT EXISTS (SELECT FROM jobs.tb_pause)
             OR NOT EXISTS (SELECT FROM jobs.pauses_of(l.service, l.operation, l.type, l.tenant)))
      LIMIT wanted))
  RETURNING j.id, j.service_name, j.operation, j.lease_seq, j.attempts, j.max_attempts, j.timeout_seconds, j.crash_count,
            j.idempotency_key, j.tenant_id, j.correlation_id,
            CASE WHEN j.entity_type IS NULL THEN false
                 ELSE jobs.has_callback(j.entity_type, j.service_name, j.operation) END,
            -j.priority, j.run_at,
            CASE WHEN NOT documents OR octet_length(j.input_data::text) > 1048576 THEN NULL
                 ELSE coalesce(j.input_data::text, '{}') END,
            CASE WHEN NOT documents THEN NULL
                 WHEN octet_length(j.runner_config::text) > 65536 THEN '"too large"' ELSE j.runner_config::text END,
            CASE WHEN NOT documents THEN NULL
                 WHEN octet_length(j.security_context::text) > 65536 THEN '"too large"' ELSE j.security_context::text END,
            date_part('epoch', now() - j.run_at), date_part('epoch', j.deadline_at - now());
END
$$;

-- The same for one service whose limits count all workers' jobs, or whose breaker is half open. Its row in
-- tb_service_state is the lock that makes them exact: what is counted after it was taken is what others have committed.
-- A rolling minute is 61 to 62 s of whole seconds: a job starts a moment after it was claimed, and the target's own clock
-- must see no window with more.
CREATE FUNCTION jobs.claim_limited(
  worker text, service text, type text, priorities integer[], operations text[], tenants uuid[], places timestamptz[],
  quotas integer[], wanted integer, most_running integer, most_a_minute integer, tenant_running integer,
  tenant_a_minute integer, documents boolean DEFAULT true
) RETURNS TABLE (
  id uuid, service_name text, operation text, lease_seq bigint, attempts integer, max_attempts integer,
  timeout_seconds integer, crash_count integer, idempotency_key text, tenant_id uuid, correlation_id text,
  has_callback boolean, place integer, run_at timestamptz, document text, runner_config text, security_context text,
  due_since double precision, seconds_left double precision
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  state   jobs.tb_service_state;
  moment  timestamptz;
  used    bigint;
  oldest  timestamptz;
  reached text;
  job     record;
  claimed uuid[] := '{}';
  lanes   integer := cardinality(priorities);
BEGIN
  INSERT INTO jobs.tb_service_state (service_name) VALUES (service) ON CONFLICT DO NOTHING;
  SELECT * INTO state FROM jobs.tb_service_state s WHERE s.service_name = service FOR UPDATE;
  moment := clock_timestamp();
  IF state.open_until > moment THEN
    RETURN;
  ELSIF state.open_until IS NOT NULL THEN
    wanted := 1;
    PERFORM FROM jobs.tb_job_run j
      WHERE j.id = state.probe_job AND j.status = 'running' AND j.lease_seq = state.probe_lease;
    IF FOUND THEN
      RETURN;
    END IF;
  END IF;
  IF most_running IS NOT NULL THEN
    SELECT count(*) INTO used FROM jobs.tb_job_run j
     WHERE j.status = 'running' AND lower(j.service_name COLLATE "C") = service;
    wanted := least(wanted, most_running - used);
    reached := CASE WHEN used >= most_running THEN 'max_concurrency ' || most_running END;
  END IF;
  IF most_a_minute IS NOT NULL OR tenant_a_minute IS NOT NULL THEN
    DELETE FROM jobs.tb_service_second s WHERE s.service_name = service AND s.second <= moment - interval '62 seconds';
    SELECT coalesce(sum(s.claims), 0), min(s.second) INTO used, oldest
      FROM jobs.tb_service_second s WHERE s.service_name = service;
    wanted := least(wanted, most_a_minute - used);
    IF used >= most_a_minute THEN
      reached := 'rate_limit_per_minute ' || most_a_minute;
      UPDATE jobs.tb_service_state s SET limited_until = oldest + interval '62 seconds', updated_at = moment
       WHERE s.service_name = service;
    END IF;
  END IF;
  IF tenant_running IS NOT NULL OR tenant_a_minute IS NOT NULL THEN
    -- Each tenant's allowance is granted to its lanes in their order.
    SELECT array_agg(greatest(least(g.quota, g.most - g.granted), 0) ORDER BY g.number) INTO quotas
      FROM (SELECT l.number, l.quota, t.most,
                   coalesce(sum(l.quota) OVER (PARTITION BY l.tenant ORDER BY l.number
                                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS granted
              FROM unnest(tenants, quotas) WITH ORDINALITY AS l (tenant, quota, number)
              JOIN (SELECT d.tenant, least(
                      tenant_running - (SELECT count(*) FROM jobs.tb_job_run j
                        WHERE j.status = 'running' AND lower(j.service_name COLLATE "C") = service
                          AND coalesce(j.tenant_id, '00000000-0000-0000-0000-000000000000') = d.tenant),
                      tenant_a_minute - (SELECT coalesce(sum(s.claims), 0) FROM jobs.tb_service_second s
                        WHERE s.service_name = service AND s.tenant_id = d.tenant)) AS most
                      FROM (SELECT DISTINCT unnest(tenants) AS tenant) AS d) AS t ON t.tenant = l.tenant) AS g;
  END IF;
  IF reached IS NOT NULL AND (state.limited_by IS DISTINCT FROM reached OR state.limited_at < moment - interval '1 second')
  THEN
    UPDATE jobs.tb_service_state s SET limited_by = reached, limited_at = moment WHERE s.service_name = service;
  END IF;
  IF wanted <= 0 THEN
    RETURN;
  END IF;
  FOR job IN
    SELECT * FROM jobs.claim(worker, priorities, array_fill(service, ARRAY[lanes]), operations, tenants,
                             array_fill(type, ARRAY[lanes]), places, quotas, wanted, documents, true)
  LOOP
    claimed := claimed || coalesce(job.tenant_id, '00000000-0000-0000-0000-000000000000');
    id := job.id; service_name := job.service_name; operation := job.operation; lease_seq := job.lease_seq;
    attempts := job.attempts; max_attempts := job.max_attempts; timeout_seconds := job.timeout_seconds;
    crash_count := job.crash_count; idempotency_key := job.idempotency_key; tenant_id := job.tenant_id;
    correlation_id := job.correlation_id; has_callback := job.has_callback; place := job.place; run_at := job.run_at;
    document := job.document;
    runner_config := job.runner_config; security_context := job.security_context;
    due_since := job.due_since; seconds_left := job.seconds_left;
    RETURN NEXT;
  END LOOP;
  IF state.open_until IS NOT NULL AND cardinality(claimed) > 0 THEN
    UPDATE jobs.tb_service_state s SET probe_job = job.id, probe_lease = job.lease_seq WHERE s.service_name = service;
  END IF;
  IF most_a_minute IS NOT NULL OR tenant_a_minute IS NOT NULL THEN
    INSERT INTO jobs.tb_service_second AS s (service_name, second, tenant_id, claims)
    SELECT service, date_trunc('second', moment), CASE WHEN tenant_a_minute IS NULL
             THEN '00000000-0000-0000-0000-000000000000' ELSE c.tenant END, count(*)
      FROM unnest(claimed) AS c (tenant) GROUP BY 3
    ON CONFLICT (service_name, second, tenant_id) DO UPDATE SET claims = s.claims + excluded.claims;
  END IF;
END
$$;

-- What a worker's settlements say about targets: of each service, whether one answered at all, and how many failures with
-- target_unavailable or timeout followed the last that did. While a breaker is open, what was already under way is no news.
CREATE FUNCTION jobs.note_outcomes(
  services text[], answered boolean[], failed integer[], thresholds integer[], recovery_seconds double precision[]
) RETURNS TABLE (service_name text, change text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  told   record;
  state  jobs.tb_service_state;
  moment timestamptz;
  total  integer;
BEGIN
  FOR told IN
    SELECT * FROM unnest(services, answered, failed, thresholds, recovery_seconds)
             AS t (service, answered, failed, threshold, recovery) ORDER BY t.service
  LOOP
    IF told.failed = 0 THEN
      PERFORM FROM jobs.tb_service_state s
        WHERE s.service_name = told.service AND (s.failures > 0 OR s.open_until IS NOT NULL);
      CONTINUE WHEN NOT FOUND;
    END IF;
    INSERT INTO jobs.tb_service_state (service_name) VALUES (told.service) ON CONFLICT DO NOTHING;
    SELECT * INTO state FROM jobs.tb_service_state s WHERE s.service_name = told.service FOR UPDATE;
    moment := clock_timestamp();
    CONTINUE WHEN state.open_until > moment;
    total := told.failed + CASE WHEN told.answered THEN 0 ELSE state.failures END;
    service_name := told.service;
    IF told.failed > 0 AND (state.open_until IS NOT NULL OR total >= told.threshold) THEN
      UPDATE jobs.tb_service_state s
         SET failures = total, opened_at = coalesce(state.opened_at, moment), updated_at = moment,
             open_until = moment + told.recovery * interval '1 second', probe_job = NULL, probe_lease = NULL
       WHERE s.service_name = told.service;
      change := 'opened';
      RETURN NEXT;
    ELSE
      UPDATE jobs.tb_service_state s
         SET failures = total, opened_at = NULL, open_until = NULL, probe_job = NULL, probe_lease = NULL,
             updated_at = moment
       WHERE s.service_name = told.service;
      IF state.open_until IS NOT NULL THEN
        change := 'closed';
        RETURN NEXT;
      END IF;
    END IF;
  END LOOP;
END
$$;

-- One word for what a pause is about; exactly one scope must be named.
CREATE FUNCTION jobs.pause_scope(
  service text, operation text, execution_type text, tenant_id uuid, everything boolean, OUT kind text, OUT name text
)
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF num_nonnulls(service, operation, execution_type, tenant_id, nullif(everything, false)) <> 1 THEN
    RAISE EXCEPTION 'name exactly one of service, operation, execution_type, tenant_id, everything'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  kind := CASE WHEN service IS NOT NULL THEN 'service' WHEN operation IS NOT NULL THEN 'operation'
               WHEN execution_type IS NOT NULL THEN 'type' WHEN tenant_id IS NOT NULL THEN 'tenant' ELSE 'all' END;
  name := coalesce(lower(coalesce(service, operation, execution_type) COLLATE "C"), tenant_id::text, 'all');
END
$$;

-- Stop dispatch, not enqueue; what runs goes on. A pause of what is paused replaces its expiry and reason.
CREATE FUNCTION jobs.pause(
  service text DEFAULT NULL, operation text DEFAULT NULL, execution_type text DEFAULT NULL, tenant_id uuid DEFAULT NULL,
  everything boolean DEFAULT false, duration interval DEFAULT NULL, reason text DEFAULT NULL,
  actor text DEFAULT session_user
) RETURNS timestamptz
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  scope record;
  ends  timestamptz := now() + duration;
BEGIN
  IF duration <= interval '0' THEN
    RAISE EXCEPTION 'jobs.pause: a duration is longer than nothing' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  scope := jobs.pause_scope(service, operation, execution_type, tenant_id, everything);
  INSERT INTO jobs.tb_pause AS p (kind, name, until, actor, reason)
  VALUES (scope.kind, scope.name, ends, actor, reason)
  ON CONFLICT (kind, name) DO UPDATE
     SET until = excluded.until, actor = excluded.actor, reason = excluded.reason, paused_at = now();
  INSERT INTO jobs.tb_change (kind, actor, reason, scope)
  VALUES ('pause', actor, reason, scope.kind || ':' || scope.name);
  RETURN ends;
END
$$;

CREATE FUNCTION jobs.resume(
  service text DEFAULT NULL, operation text DEFAULT NULL, execution_type text DEFAULT NULL, tenant_id uuid DEFAULT NULL,
  everything boolean DEFAULT false, reason text DEFAULT NULL, actor text DEFAULT session_user
) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  scope record;
  held  boolean;
BEGIN
  scope := jobs.pause_scope(service, operation, execution_type, tenant_id, everything);
  DELETE FROM jobs.tb_pause p WHERE p.kind = scope.kind AND p.name = scope.name RETURNING p.until IS NULL OR p.until > now() INTO held;
  IF held THEN
    INSERT INTO jobs.tb_change (kind, actor, reason, scope)
    VALUES ('resume', actor, reason, scope.kind || ':' || scope.name);
    PERFORM pg_notify('specql_jobs_ready', '');
  END IF;
  RETURN coalesce(held, false);
END
$$;

-- Close a breaker by hand. False: it was closed.
CREATE FUNCTION jobs.reset_breaker(service text, reason text DEFAULT NULL, actor text DEFAULT session_user)
RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  UPDATE jobs.tb_service_state s
     SET failures = 0, opened_at = NULL, open_until = NULL, probe_job = NULL, probe_lease = NULL, updated_at = now()
   WHERE s.service_name = lower(service COLLATE "C") AND s.open_until IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO jobs.tb_change (kind, actor, reason, scope)
  VALUES ('breaker_reset', actor, reason, 'service:' || lower(service COLLATE "C"));
  PERFORM pg_notify('specql_jobs_ready', '');
  RETURN true;
END
$$;
