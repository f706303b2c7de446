-- breaking: no
-- why: only the triggers may judge dependents, not whoever may use the schema; workers tell the execution types of their services, so that all judge a pause of a type alike.
-- locks: ACCESS EXCLUSIVE on jobs.tb_worker and jobs.tb_job_dependency for a moment (a column without a rewrite, a trigger).

-- ---- who may judge -----------------------------------------------------------------------------------------------------

-- As before, but as the owner: the two functions that it calls are nobody else's any more.
CREATE OR REPLACE FUNCTION jobs.judge_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ended text := current_setting('specql_jobs.ended', true);
BEGIN
  IF ended <> '' THEN
    PERFORM set_config('specql_jobs.ended', '', true);
    PERFORM jobs.judge_dependents(jobs.note_ended(string_to_array(ended, ' ')::uuid[]));
  END IF;
  RETURN NULL;
END
$$;

-- What a job is made to wait for may have failed already.
CREATE FUNCTION jobs.judge_new_dependents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM jobs.judge_dependents(array_agg(DISTINCT m.job_id)) FROM made m WHERE m.ended_as IN ('failed', 'cancelled');
  RETURN NULL;
END
$$;

CREATE TRIGGER tg_judge_new_dependents AFTER INSERT ON jobs.tb_job_dependency
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION jobs.judge_new_dependents();

-- As before, except that the rows say how many jobs they wait for before the edges are inserted and judged.
CREATE OR REPLACE FUNCTION jobs.add_dependencies(job_ids uuid[], dependencies uuid[], choices text[]) RETURNS void
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
  UPDATE jobs.tb_job_run j SET on_dependency_failure = e.choice, blocked_by = e.open
    FROM (SELECT u.job_id, min(u.choice) AS choice,
                 count(DISTINCT u.depends_on) FILTER (WHERE p.status NOT IN ('completed', 'failed', 'cancelled')) AS open
            FROM unnest(job_ids, dependencies, choices) AS u (job_id, depends_on, choice)
            JOIN jobs.tb_job_run p ON p.id = u.depends_on
           GROUP BY u.job_id) AS e
   WHERE j.id = e.job_id;
  INSERT INTO jobs.tb_job_dependency (job_id, depends_on, ended_as)
  SELECT DISTINCT e.job_id, e.depends_on, CASE WHEN p.status IN ('completed', 'failed', 'cancelled') THEN p.status END
    FROM unnest(job_ids, dependencies) AS e (job_id, depends_on) JOIN jobs.tb_job_run p ON p.id = e.depends_on;
END
$$;

-- Triggers run whoever fires them; what is revoked is calling these, and making triggers of them on a table of one's own.
REVOKE ALL ON FUNCTION jobs.note_ended(uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION jobs.judge_dependents(uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION jobs.judge_ended() FROM PUBLIC;
REVOKE ALL ON FUNCTION jobs.judge_new_dependents() FROM PUBLIC;

-- ---- which type a service has ------------------------------------------------------------------------------------------

-- Of each service of the worker's registry its execution type: {"mail": "http"}. Told anew when the registry is loaded anew.
ALTER TABLE jobs.tb_worker ADD COLUMN service_types jsonb NOT NULL DEFAULT '{}';

-- The same of all workers that are alive; of two that differ, the one that began last.
CREATE FUNCTION jobs.served_types() RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_object_agg(t.service, t.type ORDER BY w.started_at), '{}')
    FROM jobs.tb_worker w CROSS JOIN LATERAL jsonb_each_text(w.service_types) AS t (service, type)
   WHERE w.state IN ('running', 'draining') AND w.heartbeat_at > clock_timestamp() - interval '15 seconds'
$$;

-- The execution type by which a pause of a type is judged. A claim goes by its worker's registry, whatever the row says; the
-- row's own type, which jobs.enqueue leaves open, counts where no registry knows the service.
CREATE FUNCTION jobs.type_of(service text, stored text, served jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(served ->> lower(service COLLATE "C"), lower(stored))
$$;
