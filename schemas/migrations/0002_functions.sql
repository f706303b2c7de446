-- breaking: no
-- why: the functions that SQL calls: enqueue, cancel, retry, and the three that SpecQL's compiled actions know.
-- locks: SHARE ROW EXCLUSIVE on jobs.tb_job_run for the trigger.

-- Wake-up. A commit with a notification pending serialises all commits, so it is sent only when a worker waits, and by
-- one transaction at a time. Anyone may hold the lock: that costs a poll interval, never a job.
CREATE OR REPLACE FUNCTION jobs.wake_workers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM jobs.tb_worker w
              WHERE w.waiting AND w.state = 'running' AND w.heartbeat_at > now() - interval '15 seconds')
     AND pg_try_advisory_xact_lock(1936745324, 1) THEN
    PERFORM pg_notify('specql_jobs_ready', '');
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION jobs.wake_workers() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tg_wake_workers AFTER INSERT ON jobs.tb_job_run
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.wake_workers();

CREATE OR REPLACE FUNCTION jobs.enqueue(
  service         text,
  operation       text,
  input           jsonb DEFAULT '{}',
  run_at          timestamptz DEFAULT NULL,
  priority        integer DEFAULT 0,
  idempotency_key text DEFAULT NULL,
  tenant_id       uuid DEFAULT NULL,
  correlation_id  text DEFAULT NULL,
  max_attempts    integer DEFAULT NULL,
  timeout_seconds integer DEFAULT NULL,
  triggered_by    uuid DEFAULT NULL,
  entity_type     text DEFAULT NULL,
  entity_pk       text DEFAULT NULL,
  parent_id       uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  job  uuid;
  same boolean;
BEGIN
  IF coalesce(service, '') = '' OR coalesce(operation, '') = '' OR octet_length(service || operation) > 400 THEN
    RAISE EXCEPTION 'jobs.enqueue: service and operation must be names of at most 400 bytes together'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF jsonb_typeof(coalesce(input, '{}')) <> 'object' THEN
    RAISE EXCEPTION 'jobs.enqueue: input must be a JSON object, not %', jsonb_typeof(input)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF octet_length(input::text) > 1048576 THEN
    RAISE EXCEPTION 'jobs.enqueue: input is % bytes, at most 1048576 are allowed', octet_length(input::text)
      USING ERRCODE = 'invalid_parameter_value', HINT = 'store the document elsewhere and pass a reference to it';
  END IF;
  INSERT INTO jobs.tb_job_run AS j
    (service_name, operation, input_data, run_at, priority, idempotency_key, tenant_id, correlation_id, max_attempts,
     timeout_seconds, triggered_by, entity_type, entity_pk, parent_id)
  VALUES (service, operation, coalesce(input, '{}'), coalesce(run_at, now()), priority, idempotency_key, tenant_id,
          correlation_id, max_attempts, timeout_seconds, triggered_by, entity_type, entity_pk, parent_id)
  ON CONFLICT DO NOTHING
  RETURNING j.id INTO job;
  IF job IS NULL THEN
    SELECT j.id, lower(j.service_name) = lower(service) AND lower(j.operation) = lower(operation) INTO job, same
      FROM jobs.tb_job_run j
     WHERE j.idempotency_key = idempotency_key AND j.tenant_id IS NOT DISTINCT FROM tenant_id
     ORDER BY j.created_at DESC LIMIT 1;
    IF job IS NULL OR NOT same THEN
      RAISE EXCEPTION 'jobs.enqueue: idempotency key % already belongs to another operation', quote_literal(idempotency_key)
        USING ERRCODE = 'unique_violation';
    END IF;
  END IF;
  RETURN job;
END
$$;

-- Cancel: pending jobs (and those an external program runs) at once; running ones are asked, and are cancelled when their runner has stopped.
-- outcome: cancelled | requested | already_completed, already_failed, already_cancelled | not_found
CREATE OR REPLACE FUNCTION jobs.cancel_jobs(job_ids uuid[], reason text, actor text)
RETURNS TABLE (id uuid, outcome text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  change bigint;
BEGIN
  INSERT INTO jobs.tb_change (kind, actor, reason) VALUES ('cancel', cancel_jobs.actor, cancel_jobs.reason)
    RETURNING tb_change.id INTO change;
  RETURN QUERY
  WITH locked AS MATERIALIZED (
    SELECT j.id, j.status, j.status = 'pending' OR j.worker_id = 'external' AS at_once
      FROM jobs.tb_job_run j WHERE j.id = ANY (job_ids) ORDER BY j.id FOR UPDATE
  ), changed AS (
    UPDATE jobs.tb_job_run j SET
      status = CASE WHEN l.at_once THEN 'cancelled' ELSE j.status END,
      completed_at = CASE WHEN l.at_once THEN now() ELSE j.completed_at END,
      error_category = CASE WHEN l.at_once THEN 'cancelled' ELSE j.error_category END,
      cancel_requested_at = now(),
      updated_at = now()
    FROM locked l WHERE j.id = l.id AND l.status IN ('pending', 'running')
    RETURNING j.id, CASE WHEN l.at_once THEN 'cancelled' ELSE 'requested' END AS outcome
  ), answer AS (
    SELECT wanted.id, coalesce(c.outcome, 'already_' || l.status, 'not_found') AS outcome
      FROM unnest(job_ids) AS wanted (id)
      LEFT JOIN locked l ON l.id = wanted.id
      LEFT JOIN changed c ON c.id = wanted.id
  ), noted AS (
    INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
    SELECT change, a.id, a.outcome FROM answer a ON CONFLICT DO NOTHING
  )
  SELECT a.id, a.outcome FROM answer a;
  PERFORM pg_notify('specql_jobs_cancel', '')
    FROM jobs.tb_job_run j WHERE j.id = ANY (job_ids) AND j.status = 'running' LIMIT 1;
END
$$;

-- Retry: failed and cancelled jobs again, same row, same id. The attempt budget starts anew; lease_seq keeps rising.
-- outcome: retried | already_pending, already_running, already_completed | not_found
CREATE OR REPLACE FUNCTION jobs.retry_jobs(job_ids uuid[], reason text, actor text)
RETURNS TABLE (id uuid, outcome text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  change bigint;
BEGIN
  INSERT INTO jobs.tb_change (kind, actor, reason) VALUES ('retry', retry_jobs.actor, retry_jobs.reason)
    RETURNING tb_change.id INTO change;
  RETURN QUERY
  WITH locked AS MATERIALIZED (
    SELECT j.id, j.status FROM jobs.tb_job_run j WHERE j.id = ANY (job_ids) ORDER BY j.id FOR UPDATE
  ), changed AS (
    UPDATE jobs.tb_job_run j SET
      status = 'pending', attempts = 0, crash_count = 0, run_at = now(), worker_id = NULL, started_at = NULL,
      completed_at = NULL, cancel_requested_at = NULL, output_data = NULL, error_category = NULL, error_message = NULL,
      fingerprint = NULL, updated_at = now()
    FROM locked l WHERE j.id = l.id AND l.status IN ('failed', 'cancelled')
    RETURNING j.id
  ), answer AS (
    SELECT wanted.id, CASE WHEN c.id IS NOT NULL THEN 'retried' ELSE coalesce('already_' || l.status, 'not_found') END
           AS outcome
      FROM unnest(job_ids) AS wanted (id)
      LEFT JOIN locked l ON l.id = wanted.id
      LEFT JOIN changed c ON c.id = wanted.id
  ), noted AS (
    INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
    SELECT change, a.id, a.outcome FROM answer a ON CONFLICT DO NOTHING
  )
  SELECT a.id, a.outcome FROM answer a;
  PERFORM pg_notify('specql_jobs_ready', '');
END
$$;

CREATE OR REPLACE FUNCTION jobs.cancel(id uuid, reason text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT outcome FROM jobs.cancel_jobs(ARRAY[cancel.id], cancel.reason, session_user::text) $$;

CREATE OR REPLACE FUNCTION jobs.retry(id uuid, reason text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT outcome FROM jobs.retry_jobs(ARRAY[retry.id], retry.reason, session_user::text) $$;

-- Postgres cannot replace a function whose parameters have other names or that returns something else.
DO $$
DECLARE
  older regprocedure;
BEGIN
  FOR older IN
    SELECT p.oid FROM pg_catalog.pg_proc p
      JOIN (VALUES ('mark_job_started', 'uuid', 'job_id uuid'),
                   ('complete_job_successfully', 'uuid, jsonb', 'job_id uuid, output jsonb'),
                   ('fail_job', 'uuid, text', 'job_id uuid, error_text text')) AS ours (name, types, parameters)
        ON p.oid = to_regprocedure(format('jobs.%I(%s)', ours.name, ours.types))
     WHERE pg_catalog.pg_get_function_arguments(p.oid) <> ours.parameters OR p.prorettype <> 'void'::regtype
  LOOP
    EXECUTE format('DROP FUNCTION %s', older);
  END LOOP;
END
$$;

-- SpecQL's own three, same signatures. They settle only what was started through them: a worker's lease stays fenced.
CREATE OR REPLACE FUNCTION jobs.mark_job_started(job_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs.tb_job_run
     SET status = 'running', started_at = now(), updated_at = now(), attempts = attempts + 1,
         lease_seq = lease_seq + 1, worker_id = 'external'
   WHERE id = job_id AND status = 'pending';
END
$$;

CREATE OR REPLACE FUNCTION jobs.complete_job_successfully(job_id uuid, output jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs.tb_job_run
     SET status = 'completed', output_data = output, completed_at = now(), updated_at = now()
   WHERE id = job_id AND status = 'running' AND worker_id = 'external';
END
$$;

CREATE OR REPLACE FUNCTION jobs.fail_job(job_id uuid, error_text text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs.tb_job_run
     SET status = 'failed', error_message = error_text, error_category = 'target_error',
         completed_at = now(), updated_at = now()
   WHERE id = job_id AND status = 'running' AND worker_id = 'external';
END
$$;
