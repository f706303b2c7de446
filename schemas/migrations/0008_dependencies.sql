-- breaking: yes
-- why: jobs that wait for other jobs, and a deadline over all attempts; a worker that does not know blocked_by would run a job before what it waits for.
-- locks: ACCESS EXCLUSIVE on jobs.tb_job_run for a moment (columns without a rewrite, triggers); creates a table of its own.

-- has_dependents: some job was made to wait for this one, so that all others end without a look at the table below.
-- on_dependency_failure: NULL for a job that waits for nothing. Beside them blocked_by, which 0006 brought: how many of its
-- dependencies have not ended; a claim takes a job at 0 only. And deadline_at, of 0006 too: no attempt starts after it.
ALTER TABLE jobs.tb_job_run
  ADD COLUMN IF NOT EXISTS has_dependents        boolean NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS on_dependency_failure text,
  ADD CONSTRAINT ck_on_dependency_failure_known CHECK (on_dependency_failure IN ('fail', 'skip', 'run'));

-- Who waits for whom. ended_as: NULL while the dependency is open, else the state in which it ended. It is kept here, so that a
-- dependency may be pruned; no foreign key, because one would cost every deleted job a look at this table.
CREATE TABLE jobs.tb_job_dependency (
  job_id     uuid NOT NULL,
  depends_on uuid NOT NULL,
  ended_as   text,
  PRIMARY KEY (job_id, depends_on),
  CONSTRAINT ck_not_itself CHECK (job_id <> depends_on),
  CONSTRAINT ck_ended_as_known CHECK (ended_as IN ('completed', 'failed', 'cancelled'))
);
CREATE INDEX ix_tb_job_dependency_depends_on ON jobs.tb_job_dependency (depends_on);

CREATE OR REPLACE TRIGGER tg_deadline_in_bounds BEFORE INSERT ON jobs.tb_job_run
  FOR EACH ROW WHEN (NEW.deadline_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00')
  EXECUTE FUNCTION jobs.refuse_row('times lie between the years 1900 and 9000; infinity is no time');

-- By hand, too: one such row would fail each claim that meets it. Settles name run_at where they put a job off, claims never.
CREATE TRIGGER tg_times_stay_in_bounds BEFORE UPDATE OF run_at, deadline_at ON jobs.tb_job_run
  FOR EACH ROW WHEN (NEW.run_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
                     OR NEW.deadline_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00')
  EXECUTE FUNCTION jobs.refuse_row('times lie between the years 1900 and 9000; infinity is no time');

-- ---- when a job ends -------------------------------------------------------------------------------------------------

-- Note on the edges that these jobs have ended (deleted while open: as if cancelled); return the jobs that waited.
CREATE FUNCTION jobs.note_ended(ended uuid[]) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH noted AS (
    UPDATE jobs.tb_job_dependency d
       SET ended_as = coalesce((SELECT p.status FROM jobs.tb_job_run p WHERE p.id = d.depends_on), 'cancelled')
     WHERE d.depends_on = ANY (ended) AND d.ended_as IS NULL
       AND NOT EXISTS (SELECT FROM jobs.tb_job_run p
                        WHERE p.id = d.depends_on AND p.status IN ('pending', 'running'))
    RETURNING d.job_id
  )
  SELECT array_agg(DISTINCT n.job_id) FROM noted n
$$;

-- What the ends so far make of jobs that wait: released, failed or skipped; and then of those that wait for these, level
-- by level (a chain may be longer than a stack is deep). Locked in the order of ids, then counted anew in a statement that
-- begins after the locks: of two dependencies that end at once, the later one sees the earlier.
CREATE FUNCTION jobs.judge_dependents(waiting uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ended uuid[];
BEGIN
  PERFORM set_config('specql_jobs.judging', 'on', true);
  WHILE cardinality(waiting) > 0 LOOP
    PERFORM FROM jobs.tb_job_run j WHERE j.id = ANY (waiting) ORDER BY j.id FOR NO KEY UPDATE;
    WITH counted AS (
      SELECT c.id, c.on_dependency_failure AS choice, count(*) FILTER (WHERE d.ended_as IS NULL) AS open,
             (array_agg(d.depends_on ORDER BY d.depends_on) FILTER (WHERE d.ended_as IN ('failed', 'cancelled')))[1] AS bad
        FROM jobs.tb_job_run c JOIN jobs.tb_job_dependency d ON d.job_id = c.id
       WHERE c.id = ANY (waiting) AND c.status = 'pending'
       GROUP BY c.id, c.on_dependency_failure
    ), judged AS (
      SELECT c.id, c.open, CASE WHEN c.bad IS NULL OR c.choice = 'run' THEN 'pending'
                                WHEN c.choice = 'skip' THEN 'cancelled' ELSE 'failed' END AS verdict,
             format('dependency %s', c.bad) || coalesce(
               format(' (%s.%s) %s', p.service_name, p.operation, CASE p.status WHEN 'failed' THEN 'failed' ELSE 'was cancelled' END),
               ' was deleted')
             || coalesce(': ' || substring(p.error_message FROM '.*(dependency [0-9a-f-]{36}.*)$'), '') AS message
        FROM counted c LEFT JOIN jobs.tb_job_run p ON p.id = c.bad
    ), changed AS (
      UPDATE jobs.tb_job_run j
         SET status = g.verdict, blocked_by = g.open, updated_at = now(),
             run_at = CASE WHEN g.verdict = 'pending' AND g.open = 0 THEN greatest(j.run_at, now()) ELSE j.run_at END,
             completed_at = CASE WHEN g.verdict <> 'pending' THEN now() END,
             error_category = CASE WHEN g.verdict <> 'pending' THEN 'dependency_failed' ELSE j.error_category END,
             error_message = CASE g.verdict WHEN 'failed' THEN g.message WHEN 'cancelled' THEN 'skipped: ' || g.message
                                            ELSE j.error_message END,
             fingerprint = CASE WHEN g.verdict <> 'pending' THEN 'dependency_failed' ELSE j.fingerprint END
        FROM judged g
       WHERE j.id = g.id
      RETURNING j.id, j.status, j.has_dependents
    )
    SELECT array_agg(c.id) FILTER (WHERE c.status <> 'pending' AND c.has_dependents) INTO ended FROM changed c;
    EXIT WHEN ended IS NULL;
    waiting := jobs.note_ended(ended);
  END LOOP;
  PERFORM set_config('specql_jobs.judging', '', true);
END
$$;

-- Whatever ends a job passes here: a worker, SpecQL's functions, cancel, a person's UPDATE. The WHEN clauses cost jobs
-- without dependents a comparison. Ids are collected row by row and judged once, so that locks are taken in one order.
CREATE FUNCTION jobs.collect_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM jobs.tb_job_dependency d WHERE d.job_id = OLD.id;
  END IF;
  IF OLD.has_dependents AND current_setting('specql_jobs.judging', true) IS DISTINCT FROM 'on' THEN
    PERFORM set_config('specql_jobs.ended', concat_ws(' ', nullif(current_setting('specql_jobs.ended', true), ''), OLD.id),
                       true);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER tg_collect_ended AFTER UPDATE OF status ON jobs.tb_job_run
  FOR EACH ROW WHEN (NEW.has_dependents AND NEW.status IN ('completed', 'failed', 'cancelled')
                     AND NEW.status <> OLD.status)
  EXECUTE FUNCTION jobs.collect_ended();
CREATE TRIGGER tg_collect_deleted AFTER DELETE ON jobs.tb_job_run
  FOR EACH ROW WHEN (OLD.has_dependents OR OLD.on_dependency_failure IS NOT NULL)
  EXECUTE FUNCTION jobs.collect_ended();

-- Run for each statement that writes a status: a look at one setting, no more, unless something was collected.
CREATE FUNCTION jobs.judge_ended() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  ended text := pg_catalog.current_setting('specql_jobs.ended', true);
BEGIN
  IF ended <> '' THEN
    PERFORM pg_catalog.set_config('specql_jobs.ended', '', true);
    PERFORM jobs.judge_dependents(jobs.note_ended(pg_catalog.string_to_array(ended, ' ')::uuid[]));
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER tg_judge_ended AFTER UPDATE OF status OR DELETE ON jobs.tb_job_run
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.judge_ended();

-- A worker that waits is woken by what was released, as by what is enqueued.
CREATE TRIGGER tg_wake_workers AFTER UPDATE ON jobs.tb_job_dependency
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.wake_workers();

REVOKE ALL ON FUNCTION jobs.collect_ended() FROM PUBLIC;

-- ---- when a job is made ------------------------------------------------------------------------------------------------

-- Make jobs wait for others, pair by pair: jobs that the same transaction has just inserted, on jobs that exist, so that no
-- ring of waiting can arise. Dependencies are locked, in the order of ids, before their state is read: one that is about to
-- end waits for us, and then finds the edge.
CREATE FUNCTION jobs.add_dependencies(job_ids uuid[], dependencies uuid[], choices text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  unknown uuid;
BEGIN
  PERFORM FROM jobs.tb_job_run j WHERE j.id = ANY (dependencies) ORDER BY j.id FOR NO KEY UPDATE;
  SELECT e.id INTO unknown FROM unnest(dependencies) AS e (id)
   WHERE NOT EXISTS (SELECT FROM jobs.tb_job_run j WHERE j.id = e.id) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'jobs.enqueue: no job has the id %, so nothing can wait for it; nothing was enqueued', unknown
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  UPDATE jobs.tb_job_run j SET has_dependents = true WHERE j.id = ANY (dependencies) AND NOT j.has_dependents;
  INSERT INTO jobs.tb_job_dependency (job_id, depends_on, ended_as)
  SELECT DISTINCT e.job_id, e.depends_on, CASE WHEN p.status IN ('completed', 'failed', 'cancelled') THEN p.status END
    FROM unnest(job_ids, dependencies) AS e (job_id, depends_on) JOIN jobs.tb_job_run p ON p.id = e.depends_on;
  UPDATE jobs.tb_job_run j
     SET on_dependency_failure = e.choice,
         blocked_by = (SELECT count(*) FROM jobs.tb_job_dependency d WHERE d.job_id = j.id AND d.ended_as IS NULL)
    FROM (SELECT DISTINCT u.job_id, u.choice FROM unnest(job_ids, choices) AS u (job_id, choice)) AS e
   WHERE j.id = e.job_id;
  PERFORM jobs.judge_dependents(array_agg(DISTINCT d.job_id))
     FROM jobs.tb_job_dependency d WHERE d.job_id = ANY (job_ids) AND d.ended_as IN ('failed', 'cancelled');
END
$$;

-- Three parameters more at the end: every call stays valid. The older form goes, so that no call is ambiguous.
DROP FUNCTION jobs.enqueue(text, text, jsonb, timestamptz, integer, text, uuid, text, integer, integer, uuid, text, text, uuid);
CREATE FUNCTION jobs.enqueue(
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
  parent_id       uuid DEFAULT NULL,
  depends_on      uuid[] DEFAULT NULL,
  on_dependency_failure text DEFAULT 'fail',
  deadline        interval DEFAULT NULL
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
  IF on_dependency_failure IS NULL OR on_dependency_failure NOT IN ('fail', 'skip', 'run') THEN
    RAISE EXCEPTION 'jobs.enqueue: on_dependency_failure is fail, skip or run, not %', quote_nullable(on_dependency_failure)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF array_position(depends_on, NULL) IS NOT NULL OR cardinality(depends_on) > 10000 THEN
    RAISE EXCEPTION 'jobs.enqueue: depends_on holds at most 10000 ids of jobs, and no NULL'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF deadline <= interval '0' THEN
    RAISE EXCEPTION 'jobs.enqueue: a deadline is an interval above zero, not %', deadline
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO jobs.tb_job_run AS j
    (service_name, operation, input_data, run_at, priority, idempotency_key, tenant_id, correlation_id, max_attempts,
     timeout_seconds, triggered_by, entity_type, entity_pk, parent_id, deadline_at)
  VALUES (service, operation, coalesce(input, '{}'), coalesce(run_at, now()), priority, idempotency_key, tenant_id,
          correlation_id, max_attempts, timeout_seconds, triggered_by, entity_type, entity_pk, parent_id,
          greatest(run_at, now()) + deadline)
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
  ELSIF cardinality(depends_on) > 0 THEN
    PERFORM jobs.add_dependencies(array_fill(job, ARRAY[cardinality(depends_on)]), depends_on,
                                  array_fill(on_dependency_failure, ARRAY[cardinality(depends_on)]));
  END IF;
  RETURN job;
END
$$;

-- ---- retry by a person -------------------------------------------------------------------------------------------------

-- As before, and: a job whose dependency is failed or cancelled stays as it is (outcome dependency_failed) unless that one
-- is retried too; a retried job brings back those that had failed or were skipped because of it, and all of them wait
-- again. A deadline is given up: who retries by hand knows how late it is.
-- outcome: retried | dependency_failed | already_pending, already_running, already_completed | not_found
CREATE OR REPLACE FUNCTION jobs.retry_jobs(job_ids uuid[], reason text, actor text)
RETURNS TABLE (id uuid, outcome text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  change  bigint;
  wanted  uuid[] := job_ids;
  again   uuid[];  -- of this round
  parents uuid[];  -- those of them that others wait for
  waiting uuid[];
  retried uuid[] := '{}';
BEGIN
  INSERT INTO jobs.tb_change (kind, actor, reason) VALUES ('retry', retry_jobs.actor, retry_jobs.reason)
    RETURNING tb_change.id INTO change;
  LOOP
    PERFORM FROM jobs.tb_job_run j WHERE j.id = ANY (wanted) ORDER BY j.id FOR UPDATE;
    WITH changed AS (
      UPDATE jobs.tb_job_run j SET
        status = 'pending', attempts = 0, crash_count = 0, run_at = now(), worker_id = NULL, started_at = NULL,
        completed_at = NULL, cancel_requested_at = NULL, output_data = NULL, error_category = NULL, error_message = NULL,
        fingerprint = NULL, deadline_at = NULL, updated_at = now(),
        blocked_by = CASE WHEN j.on_dependency_failure IS NULL THEN 0 ELSE (
          SELECT count(*) FROM jobs.tb_job_dependency d WHERE d.job_id = j.id AND d.ended_as IS NULL) END
      WHERE j.id = ANY (wanted) AND j.status IN ('failed', 'cancelled')
        AND (j.on_dependency_failure IS NULL OR j.on_dependency_failure = 'run' OR NOT EXISTS (
          SELECT FROM jobs.tb_job_dependency d WHERE d.job_id = j.id AND d.ended_as IN ('failed', 'cancelled')))
      RETURNING j.id, j.has_dependents
    )
    SELECT array_agg(c.id), array_agg(c.id) FILTER (WHERE c.has_dependents) INTO again, parents FROM changed c;
    retried := retried || coalesce(again, '{}');
    EXIT WHEN parents IS NULL;
    WITH reopened AS (
      UPDATE jobs.tb_job_dependency d SET ended_as = NULL
       WHERE d.depends_on = ANY (parents) AND d.ended_as IS NOT NULL RETURNING d.job_id
    )
    SELECT array_agg(DISTINCT r.job_id) INTO waiting FROM reopened r;
    EXIT WHEN waiting IS NULL;
    -- What was to run all the same, and has not begun, waits again too.
    PERFORM FROM jobs.tb_job_run j WHERE j.id = ANY (waiting) ORDER BY j.id FOR UPDATE;
    UPDATE jobs.tb_job_run j SET updated_at = now(), blocked_by = (
      SELECT count(*) FROM jobs.tb_job_dependency d WHERE d.job_id = j.id AND d.ended_as IS NULL)
     WHERE j.id = ANY (waiting) AND j.status = 'pending';
    SELECT array_agg(j.id) INTO wanted FROM jobs.tb_job_run j
     WHERE j.id = ANY (waiting) AND (j.error_category = 'dependency_failed' OR j.id = ANY (job_ids));
  END LOOP;
  RETURN QUERY
  WITH answer AS (
    SELECT wanted.id, CASE WHEN wanted.id = ANY (retried) THEN 'retried' WHEN j.id IS NULL THEN 'not_found'
                           WHEN j.status IN ('failed', 'cancelled') THEN 'dependency_failed'
                           ELSE 'already_' || j.status END AS outcome
      FROM unnest(job_ids) AS wanted (id) LEFT JOIN jobs.tb_job_run j ON j.id = wanted.id
  ), noted AS (
    INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
    SELECT change, a.id, a.outcome FROM answer a
     UNION SELECT change, r.id, 'retried' FROM unnest(retried) AS r (id)
    ON CONFLICT DO NOTHING
  )
  SELECT a.id, a.outcome FROM answer a;
  PERFORM pg_notify('specql_jobs_ready', '');
END
$$;

-- A program that starts jobs by itself waits as a worker does.
CREATE OR REPLACE FUNCTION jobs.mark_job_started(job_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs.tb_job_run
     SET status = 'running', started_at = now(), updated_at = now(), attempts = attempts + 1,
         lease_seq = lease_seq + 1, worker_id = 'external'
   WHERE id = job_id AND status = 'pending' AND blocked_by = 0;
END
$$;
