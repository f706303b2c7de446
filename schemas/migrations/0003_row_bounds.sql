-- breaking: no
-- why: a row that a statement over many rows cannot carry (numbers at the end of their type, times that no client reads) must not get in: it would stop claims, rescues and lists for everybody.
-- locks: SHARE ROW EXCLUSIVE on jobs.tb_job_run for the triggers; reads the table once.

-- Only new rows are looked at: what the worker itself counts up may never fail. WHEN costs a comparison, not a call.
CREATE OR REPLACE FUNCTION jobs.refuse_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'jobs.tb_job_run: the new row is out of bounds: %', TG_ARGV[0]
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END
$$;

CREATE OR REPLACE TRIGGER tg_numbers_in_bounds BEFORE INSERT ON jobs.tb_job_run
  FOR EACH ROW WHEN (
    NEW.attempts > 1000000 OR NEW.crash_count > 1000000 OR NEW.max_attempts > 1000
    OR NEW.lease_seq > 1000000000000000 OR NEW.priority = -2147483648 OR NEW.timeout_seconds < 1)
  EXECUTE FUNCTION jobs.refuse_row(
    'max_attempts is at most 1000, attempts and crash_count 1000000, lease_seq 10^15; timeout_seconds at least 1; '
    'priority above -2147483648');

CREATE OR REPLACE TRIGGER tg_times_in_bounds BEFORE INSERT ON jobs.tb_job_run
  FOR EACH ROW WHEN (
    NEW.run_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR NEW.created_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR NEW.updated_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR NEW.started_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR NEW.completed_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR NEW.cancel_requested_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00')
  EXECUTE FUNCTION jobs.refuse_row('times lie between the years 1900 and 9000; infinity is no time');

CREATE OR REPLACE TRIGGER tg_texts_in_bounds BEFORE INSERT ON jobs.tb_job_run
  FOR EACH ROW WHEN (
    octet_length(NEW.service_name) > 400 OR octet_length(NEW.operation) > 400
    OR octet_length(NEW.identifier) > 2000 OR octet_length(NEW.idempotency_key) > 2000
    OR octet_length(NEW.correlation_id) > 2000 OR octet_length(NEW.entity_type) > 2000
    OR octet_length(NEW.entity_pk) > 2000 OR octet_length(NEW.worker_id) > 400
    OR octet_length(NEW.error_category) > 400 OR octet_length(NEW.fingerprint) > 400
    OR octet_length(NEW.registry_digest) > 400 OR octet_length(NEW.runner_version) > 400
    OR octet_length(NEW.error_message) > 65536)
  EXECUTE FUNCTION jobs.refuse_row('names are at most 400 bytes, keys 2000, error_message 65536');

-- Printed, because a number such as 1e131071 is stored in a few bytes.
CREATE OR REPLACE TRIGGER tg_documents_in_bounds BEFORE INSERT ON jobs.tb_job_run
  FOR EACH ROW WHEN (
    octet_length(NEW.runner_config::text) > 65536 OR octet_length(NEW.security_context::text) > 65536
    OR octet_length(NEW.resource_usage::text) > 65536)
  EXECUTE FUNCTION jobs.refuse_row('runner_config, security_context and resource_usage are at most 65536 bytes of JSON');

-- Adopted rows: brought into bounds, changing nothing else.
UPDATE jobs.tb_job_run
   SET attempts = least(attempts, 1000000), crash_count = least(crash_count, 1000000),
       max_attempts = least(max_attempts, 1000), lease_seq = least(lease_seq, 1000000000000000),
       priority = greatest(priority, -2147483647),
       run_at = least(greatest(run_at, '1900-01-01 00:00+00'), '9000-01-01 00:00+00'),
       created_at = least(greatest(created_at, '1900-01-01 00:00+00'), '9000-01-01 00:00+00'),
       updated_at = least(greatest(updated_at, '1900-01-01 00:00+00'), '9000-01-01 00:00+00'),
       started_at = CASE WHEN started_at IS NOT NULL
                         THEN least(greatest(started_at, '1900-01-01 00:00+00'), '9000-01-01 00:00+00') END,
       completed_at = CASE WHEN completed_at IS NOT NULL
                           THEN least(greatest(completed_at, '1900-01-01 00:00+00'), '9000-01-01 00:00+00') END
 WHERE attempts > 1000000 OR crash_count > 1000000 OR max_attempts > 1000 OR lease_seq > 1000000000000000
    OR priority = -2147483648
    OR run_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR created_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR updated_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR started_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00'
    OR completed_at NOT BETWEEN '1900-01-01 00:00+00' AND '9000-01-01 00:00+00';
