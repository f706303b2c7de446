-- breaking: no
-- why: a bulk change is written down, job by job, before it is made: it survives whoever asked for it. Failed jobs can be discarded.
-- locks: ACCESS EXCLUSIVE on jobs.tb_change and jobs.tb_change_job for a moment; none on jobs.tb_job_run: claims go on.

-- running: somebody makes it now, or died at it (updated_at says when it last moved). canary: its first jobs are waited for.
-- stopped: it ended before all its jobs were met. rate: jobs a second; next_at: when the next one may be due. The first
-- `canary` members go first, and the others only when canary_percent of them have completed. counts: outcomes, once it is done.
ALTER TABLE jobs.tb_change
  ADD COLUMN state          text NOT NULL DEFAULT 'done',
  ADD COLUMN selector       jsonb,
  ADD COLUMN plan           text,
  ADD COLUMN matched        integer,
  ADD COLUMN rate           double precision,
  ADD COLUMN next_at        timestamptz,
  ADD COLUMN canary         integer,
  ADD COLUMN canary_percent integer,
  ADD COLUMN counts         jsonb,
  ADD COLUMN updated_at     timestamptz,
  ADD COLUMN ended_at       timestamptz,
  ADD CONSTRAINT ck_change_state_known CHECK (state IN ('running', 'canary', 'stopped', 'done')),
  ADD CONSTRAINT ck_rate_positive CHECK (rate > 0),
  ADD CONSTRAINT ck_canary_in_bounds CHECK (canary > 0 AND canary_percent BETWEEN 1 AND 100);

-- A member that is still to be met has the outcome `planned`. No position: a dependent that was brought back on the way.
ALTER TABLE jobs.tb_change_job ADD COLUMN position integer;
CREATE INDEX ix_tb_change_job_planned ON jobs.tb_change_job (change_id, position) WHERE outcome = 'planned';

-- ---- what becomes of the rows of one batch ------------------------------------------------------------------------------

-- Each locks its rows, changes those whose state allows it, and writes the outcomes into the change.

-- cancelled | requested | already_completed, already_failed, already_cancelled | not_found
CREATE FUNCTION jobs.cancel_rows(change bigint, job_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
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
  )
  INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
  SELECT DISTINCT change, wanted.id, coalesce(c.outcome, 'already_' || l.status, 'not_found')
    FROM unnest(job_ids) AS wanted (id)
    LEFT JOIN locked l ON l.id = wanted.id
    LEFT JOIN changed c ON c.id = wanted.id
  ON CONFLICT (change_id, job_id) DO UPDATE SET outcome = excluded.outcome;
  PERFORM pg_notify('specql_jobs_cancel', '')
    FROM jobs.tb_job_run j WHERE j.id = ANY (job_ids) AND j.status = 'running' LIMIT 1;
END
$$;

-- The error stays with the row: it is why somebody gave the job up.
-- discarded | already_pending, already_running, already_completed, already_cancelled | not_found
CREATE FUNCTION jobs.discard_rows(change bigint, job_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  WITH locked AS MATERIALIZED (
    SELECT j.id, j.status FROM jobs.tb_job_run j WHERE j.id = ANY (job_ids) ORDER BY j.id FOR UPDATE
  ), changed AS (
    UPDATE jobs.tb_job_run j SET status = 'cancelled', updated_at = now()
      FROM locked l WHERE j.id = l.id AND l.status = 'failed'
    RETURNING j.id
  )
  INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
  SELECT DISTINCT change, wanted.id,
         CASE WHEN c.id IS NOT NULL THEN 'discarded' ELSE coalesce('already_' || l.status, 'not_found') END
    FROM unnest(job_ids) AS wanted (id)
    LEFT JOIN locked l ON l.id = wanted.id
    LEFT JOIN changed c ON c.id = wanted.id
  ON CONFLICT (change_id, job_id) DO UPDATE SET outcome = excluded.outcome;
END
$$;

-- due: when each job may run, beside job_ids; NULL is now. A job whose dependency is failed or cancelled stays as it is
-- (dependency_failed) unless that one is retried too, in this batch or a later one; a retried job brings back those that had
-- failed or were skipped because of it, and all of them wait again. A deadline is given up: who retries knows how late it is.
-- retried | dependency_failed | already_pending, already_running, already_completed | not_found
CREATE FUNCTION jobs.retry_rows(change bigint, job_ids uuid[], due timestamptz[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  wanted  uuid[] := job_ids;
  again   uuid[];  -- of this round
  parents uuid[];  -- those of them that others wait for
  waiting uuid[];
  retried uuid[] := '{}';
BEGIN
  LOOP
    PERFORM FROM jobs.tb_job_run j WHERE j.id = ANY (wanted) ORDER BY j.id FOR UPDATE;
    WITH changed AS (
      UPDATE jobs.tb_job_run j SET
        status = 'pending', attempts = 0, crash_count = 0, worker_id = NULL, started_at = NULL,
        run_at = CASE WHEN due IS NULL THEN now() ELSE coalesce(due[array_position(job_ids, j.id)], now()) END,
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
     WHERE j.id = ANY (waiting)
       AND (j.error_category = 'dependency_failed' OR j.id = ANY (job_ids) OR EXISTS (
         SELECT FROM jobs.tb_change_job m
          WHERE m.change_id = change AND m.job_id = j.id AND m.outcome = 'dependency_failed'));
  END LOOP;
  INSERT INTO jobs.tb_change_job (change_id, job_id, outcome)
  SELECT change, w.id, CASE WHEN w.id = ANY (retried) THEN 'retried' WHEN j.id IS NULL THEN 'not_found'
                            WHEN j.status IN ('failed', 'cancelled') THEN 'dependency_failed'
                            ELSE 'already_' || j.status END
    FROM unnest(job_ids) AS w (id) LEFT JOIN jobs.tb_job_run j ON j.id = w.id
   UNION
  SELECT change, r.id, 'retried' FROM unnest(retried) AS r (id)
  ON CONFLICT (change_id, job_id) DO UPDATE SET outcome = excluded.outcome WHERE tb_change_job.outcome <> 'retried';
  PERFORM pg_notify('specql_jobs_ready', '');
END
$$;

-- One batch of a change, by what it is. due: for a retry, see above.
CREATE FUNCTION jobs.change_rows(kind text, change bigint, job_ids uuid[], due timestamptz[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  CASE kind
    WHEN 'retry' THEN PERFORM jobs.retry_rows(change, job_ids, due);
    WHEN 'cancel' THEN PERFORM jobs.cancel_rows(change, job_ids);
    WHEN 'discard' THEN PERFORM jobs.discard_rows(change, job_ids);
  END CASE;
END
$$;

-- ---- by ids, in one statement ------------------------------------------------------------------------------------------

CREATE FUNCTION jobs.change_jobs(kind text, job_ids uuid[], reason text, actor text)
RETURNS TABLE (id uuid, outcome text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  change bigint;
BEGIN
  INSERT INTO jobs.tb_change (kind, actor, reason) VALUES (change_jobs.kind, change_jobs.actor, change_jobs.reason)
    RETURNING tb_change.id INTO change;
  PERFORM jobs.change_rows(change_jobs.kind, change, job_ids, NULL);
  RETURN QUERY SELECT m.job_id, m.outcome FROM unnest(job_ids) AS wanted (id)
    JOIN jobs.tb_change_job m ON m.change_id = change AND m.job_id = wanted.id;
END
$$;

CREATE OR REPLACE FUNCTION jobs.cancel_jobs(job_ids uuid[], reason text, actor text) RETURNS TABLE (id uuid, outcome text)
LANGUAGE sql AS $$ SELECT * FROM jobs.change_jobs('cancel', job_ids, reason, actor) $$;

CREATE OR REPLACE FUNCTION jobs.retry_jobs(job_ids uuid[], reason text, actor text) RETURNS TABLE (id uuid, outcome text)
LANGUAGE sql AS $$ SELECT * FROM jobs.change_jobs('retry', job_ids, reason, actor) $$;

-- Discard: failed jobs are given up. Nothing is deleted, and a retry is still possible.
CREATE FUNCTION jobs.discard_jobs(job_ids uuid[], reason text, actor text) RETURNS TABLE (id uuid, outcome text)
LANGUAGE sql AS $$ SELECT * FROM jobs.change_jobs('discard', job_ids, reason, actor) $$;

CREATE FUNCTION jobs.discard(id uuid, reason text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT outcome FROM jobs.discard_jobs(ARRAY[discard.id], discard.reason, session_user::text) $$;

-- ---- a bulk change, batch by batch ---------------------------------------------------------------------------------------

-- The next members of a change, at most so many, with positions above `after` and up to `until`. A row that somebody holds
-- is passed over and stays planned. Two that drive one change take turns. With a rate, and past the canary, each job is due
-- one interval after the one before; where the change was interrupted, the times go on from now, and never bunch.
-- No row: there is no such member left. reached: the position to go on from. jobs: how many were met; locked: passed over.
CREATE FUNCTION jobs.advance_change(change bigint, after integer, until integer, most integer)
RETURNS TABLE (reached integer, jobs integer, locked integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  entry  jobs.tb_change;
  ids    uuid[];
  free   uuid[];
  start  timestamptz;
  due    timestamptz[];
BEGIN
  PERFORM set_config('lock_timeout', '0', true);  -- for its turn it waits
  SELECT * INTO entry FROM jobs.tb_change c WHERE c.id = change FOR NO KEY UPDATE;
  PERFORM set_config('lock_timeout', '2s', true);  -- and not for long for anything else
  SELECT array_agg(m.job_id ORDER BY m.position), max(m.position) INTO ids, reached
    FROM (SELECT p.job_id, p.position FROM jobs.tb_change_job p
           WHERE p.change_id = change AND p.outcome = 'planned' AND p.position > after AND p.position <= until
           ORDER BY p.position LIMIT most) AS m;
  IF ids IS NULL THEN
    RETURN;
  END IF;
  WITH held AS MATERIALIZED (
    SELECT j.id FROM jobs.tb_job_run j WHERE j.id = ANY (ids) ORDER BY j.id FOR UPDATE SKIP LOCKED
  )
  SELECT array_agg(w.id ORDER BY w.n) INTO free FROM unnest(ids) WITH ORDINALITY AS w (id, n)
   WHERE EXISTS (SELECT FROM held h WHERE h.id = w.id) OR NOT EXISTS (SELECT FROM jobs.tb_job_run j WHERE j.id = w.id);
  jobs := coalesce(cardinality(free), 0);
  locked := cardinality(ids) - jobs;
  start := greatest(now(), entry.next_at);
  IF entry.rate IS NOT NULL AND after >= coalesce(entry.canary, 0) THEN
    due := ARRAY(SELECT start + (n - 1) * interval '1 second' / entry.rate FROM generate_series(1, jobs) AS n);
    entry.next_at := start + jobs * interval '1 second' / entry.rate;
  END IF;
  IF jobs > 0 THEN
    BEGIN
      PERFORM jobs.change_rows(entry.kind, change, free, due);
    EXCEPTION WHEN lock_not_available THEN  -- somebody holds a dependent for longer than lock_timeout
      jobs := 0;
      locked := cardinality(ids);
    END;
  END IF;
  UPDATE jobs.tb_change c SET updated_at = clock_timestamp(), next_at = entry.next_at WHERE c.id = change;
  RETURN NEXT;
END
$$;
