-- breaking: no
-- why: one row for each schedule of the registries: which tick was done last, so that every tick is done by one worker.
-- locks: none on jobs.tb_job_run; creates a table of its own.

-- The row is what makes a tick happen once: whoever moves last_tick forward makes the job, in the same statement.
-- digest: of the schedule as the worker that loaded it last has it; workers with another one make no job of it. Empty where
-- that worker's registry has no such schedule any more. registry_digest: the registry that it loaded.
CREATE TABLE jobs.tb_schedule (
  service_name    text NOT NULL,
  operation       text NOT NULL,
  name            text NOT NULL,
  expression      text NOT NULL,
  digest          text NOT NULL,
  registry_digest text NOT NULL,
  last_tick       timestamptz NOT NULL,
  last_job_id     uuid,
  last_skipped    timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (service_name, operation, name)
) WITH (fillfactor = 50);
