-- breaking: yes
-- why: hourly limits on invocations and cost hold over all workers: each invocation is reserved here before it is made.
-- locks: none on existing tables.

-- One row per service that has such limits: the lock that makes its reservations exact.
CREATE TABLE jobs.tb_service_state (
  service_name  text PRIMARY KEY,
  limited_until timestamptz,
  updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- What a service has used, by minute: a rolling hour is the sum of the minutes that any part of it may touch.
CREATE TABLE jobs.tb_service_minute (
  service_name text NOT NULL REFERENCES jobs.tb_service_state ON DELETE CASCADE,
  minute       timestamptz NOT NULL,
  invocations  integer NOT NULL DEFAULT 0,
  cost_usd     double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (service_name, minute)
) WITH (fillfactor = 50);

-- Reserve one invocation and the most that it can cost. reserved_in: under which minute it stands, NULL when a limit is
-- reached; wait_seconds: then, until the oldest minute is over. A limit that is NULL does not hold.
CREATE OR REPLACE FUNCTION jobs.reserve_invocation(
  service text, cost double precision, max_invocations integer, max_cost double precision,
  OUT reserved_in timestamptz, OUT wait_seconds double precision
)
LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz;
  used   integer;
  spent  double precision;
  oldest timestamptz;
BEGIN
  INSERT INTO jobs.tb_service_state (service_name) VALUES (service) ON CONFLICT DO NOTHING;
  PERFORM FROM jobs.tb_service_state s WHERE s.service_name = service FOR UPDATE;
  moment := clock_timestamp();  -- after the lock: later reservations have later minutes
  DELETE FROM jobs.tb_service_minute m WHERE m.service_name = service AND m.minute <= moment - interval '61 minutes';
  SELECT coalesce(sum(m.invocations), 0), coalesce(sum(m.cost_usd), 0), min(m.minute) INTO used, spent, oldest
    FROM jobs.tb_service_minute m WHERE m.service_name = service;
  -- The tolerance is for sums of fractions, far below the price of one invocation.
  IF used >= max_invocations OR spent + cost > max_cost + 1e-9 THEN
    wait_seconds := greatest(extract(epoch FROM coalesce(oldest, moment) + interval '61 minutes' - moment), 1);
    UPDATE jobs.tb_service_state s SET limited_until = moment + wait_seconds * interval '1 second', updated_at = moment
     WHERE s.service_name = service;
    RETURN;
  END IF;
  reserved_in := date_trunc('minute', moment);
  wait_seconds := 0;
  INSERT INTO jobs.tb_service_minute AS m (service_name, minute, invocations, cost_usd)
  VALUES (service, reserved_in, 1, cost)
  ON CONFLICT (service_name, minute) DO UPDATE
     SET invocations = m.invocations + 1, cost_usd = m.cost_usd + excluded.cost_usd;
END
$$;

-- Replace what was reserved by what it really cost. Never called by a worker that died: its reservation stands.
CREATE OR REPLACE FUNCTION jobs.settle_invocation(
  service text, reserved_in timestamptz, reserved double precision, actual double precision
) RETURNS void
LANGUAGE sql AS $$
  UPDATE jobs.tb_service_minute m
     SET cost_usd = greatest(m.cost_usd - settle_invocation.reserved + settle_invocation.actual, 0)
   WHERE m.service_name = settle_invocation.service AND m.minute = settle_invocation.reserved_in;
$$;
