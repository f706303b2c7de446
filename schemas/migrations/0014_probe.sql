-- breaking: no
-- why: a half open breaker sends no second probe between the moment the first one's result is written and the moment it is told.
-- locks: none.

-- The quotas of a claim, or zeros while the service's probe runs, or its result is written and not yet told to the breaker.
-- Takes the lock of the service's row, so that jobs.claim_limited, which comes after it in the same statement, finds the
-- probe as it was seen here. After 2 s without news there will be none: its worker died, or the result says nothing of the
-- target.
CREATE FUNCTION jobs.quotas_beside_probe(service text, quotas integer[]) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  state jobs.tb_service_state;
BEGIN
  SELECT * INTO state FROM jobs.tb_service_state s WHERE s.service_name = service FOR UPDATE;
  IF state.probe_job IS NULL THEN
    RETURN quotas;
  END IF;
  PERFORM FROM jobs.tb_job_run j
    WHERE j.id = state.probe_job AND j.lease_seq = state.probe_lease
      AND (j.status = 'running' OR j.updated_at > clock_timestamp() - interval '2 seconds');
  RETURN CASE WHEN FOUND THEN array_fill(0, ARRAY[cardinality(quotas)]) ELSE quotas END;
END
$$;
