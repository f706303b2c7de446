-- breaking: no
-- why: list, count, errors and stats answer at once beside millions of ended jobs.
-- locks: writes to tb_job_run and tb_job_attempt while the indexes are built: 1 s for a million ended jobs. Who cannot wait makes
-- them beforehand with CREATE INDEX CONCURRENTLY, under these names.

-- The one that every job pays for: an entry when it ends, at the right edge. Measured over 40,000 no-op jobs in batches of 200:
-- +67 bytes of WAL a job (4 %), Postgres' CPU a job within the noise of 5 %; (created_at), which is written by the enqueue, the
-- claim and the settle, +206 bytes.
CREATE INDEX IF NOT EXISTS ix_tb_job_run_ended ON jobs.tb_job_run (completed_at)
  WHERE status IN ('completed', 'failed', 'cancelled');

-- Jobs that never failed are not in these: a completed one has neither.
CREATE INDEX IF NOT EXISTS ix_tb_job_run_fingerprint ON jobs.tb_job_run (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_tb_job_run_category ON jobs.tb_job_run (error_category) WHERE error_category IS NOT NULL;

-- The pending ones that the claim's index leaves out.
CREATE INDEX IF NOT EXISTS ix_tb_job_run_blocked ON jobs.tb_job_run (created_at)
  WHERE status = 'pending' AND blocked_by <> 0;

-- One row for each attempt that failed.
CREATE INDEX IF NOT EXISTS ix_tb_job_attempt_ended ON jobs.tb_job_attempt (ended_at);

-- Names are compared in lower case: how many a service has is what decides between an index and the table. Cost: ANALYZE only.
CREATE STATISTICS IF NOT EXISTS jobs.st_tb_job_run_service ON (lower(service_name)) FROM jobs.tb_job_run;
CREATE STATISTICS IF NOT EXISTS jobs.st_tb_job_run_operation ON (lower(service_name || '.' || operation)) FROM jobs.tb_job_run;
