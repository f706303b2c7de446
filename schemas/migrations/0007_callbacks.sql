-- breaking: yes
-- why: an operator's function is called with a job's result, in the transaction that settles it; a worker that does not know it would leave the call out.
-- locks: SHARE ROW EXCLUSIVE on jobs.tb_job_run for an instant: the foreign key of an empty table.

-- Which function is called for which outcome of which jobs. Names in lower case, because rows write them in any.
CREATE TABLE jobs.tb_callback (
  entity_type   text NOT NULL,
  service_name  text NOT NULL,
  operation     text NOT NULL,
  outcome       text NOT NULL,
  function_name text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  created_by    text NOT NULL DEFAULT session_user,
  PRIMARY KEY (entity_type, service_name, operation, outcome),
  CONSTRAINT ck_callback_outcome_known CHECK (outcome IN ('success', 'failure')),
  CONSTRAINT ck_callback_names_lower CHECK (
    entity_type = lower(entity_type) AND service_name = lower(service_name) AND operation = lower(operation)
    AND entity_type <> '' AND service_name <> '' AND operation <> '')
);

-- What holds for all callbacks: one row. run_as NULL: they run with the worker's own rights.
CREATE TABLE jobs.tb_callback_limit (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  run_as       name,
  timeout_ms   integer NOT NULL DEFAULT 5000,
  max_attempts integer NOT NULL DEFAULT 10,
  CONSTRAINT ck_callback_timeout_in_bounds CHECK (timeout_ms BETWEEN 1 AND 60000),
  CONSTRAINT ck_callback_attempts_in_bounds CHECK (max_attempts BETWEEN 1 AND 100)
);
INSERT INTO jobs.tb_callback_limit DEFAULT VALUES;

-- Callbacks that did not succeed with their job's settle: those that failed, and those that were put off.
-- waiting: tried again at next_at | done | failed: given up | dropped: the job was run again, or nothing is registered.
CREATE TABLE jobs.tb_callback_run (
  job_id        uuid NOT NULL REFERENCES jobs.tb_job_run (id) ON DELETE CASCADE,
  lease_seq     bigint NOT NULL,
  outcome       text NOT NULL,
  function_name text NOT NULL,
  state         text NOT NULL DEFAULT 'waiting',
  attempts      integer NOT NULL DEFAULT 0,
  next_at       timestamptz NOT NULL DEFAULT now(),
  sql_state     text,
  error         text,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, lease_seq),
  CONSTRAINT ck_callback_state_known CHECK (state IN ('waiting', 'done', 'failed', 'dropped'))
);
CREATE INDEX ix_tb_callback_run_waiting ON jobs.tb_callback_run (next_at) WHERE state = 'waiting';

-- What is to be called for a job as it stands now.
CREATE VIEW jobs.v_job_callback AS
SELECT j.id AS job_id, j.lease_seq, c.outcome, c.function_name, j.output_data, j.error_message
  FROM jobs.tb_job_run j
  JOIN jobs.tb_callback c
    ON c.entity_type = lower(j.entity_type) AND c.service_name = lower(j.service_name)
   AND c.operation = lower(j.operation)
   AND c.outcome = CASE j.status WHEN 'completed' THEN 'success' WHEN 'failed' THEN 'failure' END;

-- ---- which functions may be called ----------------------------------------------------------------------------------

-- The function that a name means, if it may be called for that outcome: there, not overloaded, of exactly that
-- signature, and running as the role that is demanded. Asked at registration, and again before every call.
CREATE FUNCTION jobs.checked_callback(function_name text, outcome text) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  wanted text := CASE outcome WHEN 'success' THEN 'uuid, jsonb' WHEN 'failure' THEN 'uuid, text' END;
  parts  text[];
  stated text;
  named  integer;
  target record;
  role   name := (SELECT l.run_as FROM jobs.tb_callback_limit l);
BEGIN
  IF wanted IS NULL THEN
    RAISE EXCEPTION 'a callback is for success or failure, not for %', coalesce(quote_literal(left(outcome, 40)), 'nothing')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  parts := parse_ident(split_part(function_name, '(', 1));
  stated := replace(lower(rtrim(split_part(function_name, '(', 2), ') ')), ' ', '');
  IF cardinality(parts) IS DISTINCT FROM 2 THEN
    RAISE EXCEPTION '% does not say which schema the function is in', quote_literal(left(function_name, 200))
      USING ERRCODE = 'invalid_parameter_value', HINT = 'write SCHEMA.FUNCTION';
  END IF;
  SELECT count(*) INTO named
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = parts[1] AND p.proname = parts[2];
  SELECT p.oid, p.prokind, p.prosecdef, p.proowner, p.pronamespace, format('%I.%I', n.nspname, p.proname) AS called,
         pg_get_function_identity_arguments(p.oid) AS arguments,
         p.proargtypes = (CASE outcome WHEN 'success' THEN '2950 3802' ELSE '2950 25' END)::oidvector
           AND p.provariadic = 0 AND p.prokind = 'f' AS fits
    INTO target
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname = parts[1] AND p.proname = parts[2] AND n.nspname !~ '^pg_' LIMIT 1;
  IF target.oid IS NULL THEN
    RAISE EXCEPTION 'there is no function %.%', quote_ident(parts[1]), quote_ident(parts[2])
      USING ERRCODE = 'no_data_found', HINT = format('it takes (%s)', wanted);
  ELSIF named > 1 THEN
    RAISE EXCEPTION '% is overloaded: there are % functions of that name', target.called, named
      USING ERRCODE = 'invalid_parameter_value', HINT = 'give the callback a name of its own';
  ELSIF NOT target.fits OR stated NOT IN ('', replace(wanted, ' ', '')) THEN
    RAISE EXCEPTION '% takes (%); a callback for % is a function that takes (%)', target.called, target.arguments, outcome, wanted
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF role IS NOT NULL THEN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
      RAISE EXCEPTION 'callbacks run as role %, and there is no such role', role USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT (has_schema_privilege(role, target.pronamespace, 'USAGE') AND has_function_privilege(role, target.oid, 'EXECUTE')) THEN
      RAISE EXCEPTION 'callbacks run as role %, which may not execute %', role, target.called
        USING ERRCODE = 'invalid_parameter_value',
              HINT = format('GRANT USAGE ON SCHEMA %I TO %I; GRANT EXECUTE ON FUNCTION %s(%s) TO %I;',
                            parts[1], role, target.called, wanted, role);
    ELSIF target.prosecdef AND target.proowner <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = role) THEN
      RAISE EXCEPTION '% is SECURITY DEFINER: it runs with the rights of %, not as role %',
          target.called, pg_get_userbyid(target.proowner), role
        USING ERRCODE = 'invalid_parameter_value', HINT = format('ALTER FUNCTION %s(%s) SECURITY INVOKER;', target.called, wanted);
    END IF;
  END IF;
  RETURN target.oid;
END
$$;

-- Why it could not be called as things are now; NULL when it could.
CREATE FUNCTION jobs.callback_problem(function_name text, outcome text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM jobs.checked_callback(function_name, outcome);
  RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR no_data_found THEN
  RETURN SQLERRM;
END
$$;

-- A function's name as it is kept: schema-qualified, quoted where it must be, with its arguments.
CREATE FUNCTION jobs.callback_name(target oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = target
$$;

-- However a row gets in: names in lower case, and a function that may be called.
CREATE FUNCTION jobs.check_callback_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.entity_type := lower(NEW.entity_type);
  NEW.service_name := lower(NEW.service_name);
  NEW.operation := lower(NEW.operation);
  NEW.function_name := jobs.callback_name(jobs.checked_callback(NEW.function_name, NEW.outcome));
  RETURN NEW;
END
$$;

CREATE TRIGGER tg_callback_row BEFORE INSERT OR UPDATE ON jobs.tb_callback
  FOR EACH ROW EXECUTE FUNCTION jobs.check_callback_row();

CREATE FUNCTION jobs.register_callback(entity_type text, service text, operation text, outcome text, function text)
RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  IF coalesce(entity_type, '') = '' OR coalesce(service, '') = '' OR coalesce(operation, '') = '' THEN
    RAISE EXCEPTION 'a callback needs an entity, a service and an operation' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO jobs.tb_callback AS c (entity_type, service_name, operation, outcome, function_name)
  VALUES (entity_type, service, operation, outcome, function)
  ON CONFLICT ON CONSTRAINT tb_callback_pkey DO UPDATE
     SET function_name = excluded.function_name, created_at = now(), created_by = session_user
   WHERE c.function_name <> excluded.function_name;
  RETURN (SELECT c.function_name FROM jobs.tb_callback c
           WHERE c.entity_type = lower(entity_type) AND c.service_name = lower(service)
             AND c.operation = lower(operation) AND c.outcome = outcome);
END
$$;

CREATE FUNCTION jobs.unregister_callback(entity_type text, service text, operation text, outcome text) RETURNS boolean
LANGUAGE sql AS $$
  WITH gone AS (
    DELETE FROM jobs.tb_callback c
     WHERE c.entity_type = lower(unregister_callback.entity_type) AND c.service_name = lower(unregister_callback.service)
       AND c.operation = lower(unregister_callback.operation) AND c.outcome = unregister_callback.outcome
    RETURNING 1)
  SELECT EXISTS (SELECT FROM gone)
$$;

-- Register what a schema has for the calls that are given, by SpecQL's names: ENTITY_SERVICE_OPERATION_success and
-- _failure. Never guessed from a function's name alone: in a_b_c the underscores do not say where the entity ends.
CREATE FUNCTION jobs.register_callbacks(schema_name text, entities text[], services text[], operations text[])
RETURNS TABLE (entity_type text, service_name text, operation text, outcome text, function_name text, problem text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  each  record;
  found text;
BEGIN
  FOR each IN
    WITH given AS (
      SELECT DISTINCT lower(g.entity) AS entity, lower(g.service) AS service, lower(g.operation) AS operation, o.outcome,
             lower(g.entity || '_' || g.service || '_' || g.operation || '_' || o.outcome) AS name
        FROM unnest(entities, services, operations) AS g (entity, service, operation)
       CROSS JOIN (VALUES ('success'), ('failure')) AS o (outcome)
    )
    SELECT g.*, count(*) OVER (PARTITION BY g.name) AS calls,
           (SELECT min(format('%I.%I', n.nspname, p.proname))
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = schema_name AND lower(p.proname) = g.name) AS function
      FROM given g ORDER BY g.entity, g.service, g.operation, g.outcome DESC
  LOOP
    CONTINUE WHEN each.function IS NULL;
    entity_type := each.entity; service_name := each.service; operation := each.operation; outcome := each.outcome;
    function_name := each.function; problem := NULL;
    IF each.calls > 1 THEN
      problem := format('%s calls would have a function of that name: register it by hand', each.calls);
    ELSE
      BEGIN
        function_name := jobs.register_callback(each.entity, each.service, each.operation, each.outcome, each.function);
      EXCEPTION WHEN invalid_parameter_value OR no_data_found THEN
        problem := SQLERRM;
      END;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- ---- with which rights, and for how long ----------------------------------------------------------------------------

-- Set what is given, leave what is NULL; '' as the role lets callbacks run with the worker's own rights again.
-- The gate is a function that belongs to the role: what it calls has the role's rights, and RESET ROLE gives no others.
-- The role may not create in schema jobs, so it can change the gate's attributes at most; the gate and call_as_role
-- both look whether somebody did.
CREATE FUNCTION jobs.limit_callbacks(
  run_as text DEFAULT NULL, timeout_ms integer DEFAULT NULL, max_attempts integer DEFAULT NULL
) RETURNS jobs.tb_callback_limit
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  owner  name := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c
                   WHERE c.oid = 'jobs.tb_job_run'::regclass);
  super  boolean;
  limits jobs.tb_callback_limit;
BEGIN
  IF timeout_ms NOT BETWEEN 1 AND 60000 OR max_attempts NOT BETWEEN 1 AND 100 THEN
    RAISE EXCEPTION 'a callback may take 1 to 60000 ms and be called 1 to 100 times' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF run_as <> '' THEN
    SELECT r.rolsuper INTO super FROM pg_catalog.pg_roles r WHERE r.rolname = run_as;
    IF super IS NULL THEN
      RAISE EXCEPTION 'there is no role %', quote_ident(run_as)
        USING ERRCODE = 'no_data_found', HINT = format('CREATE ROLE %I NOLOGIN;', run_as);
    ELSIF super OR pg_has_role(run_as, owner, 'MEMBER') THEN
      RAISE EXCEPTION 'role % is no limit: it may do all that the owner of jobs.tb_job_run may', quote_ident(run_as)
        USING ERRCODE = 'invalid_parameter_value';
    ELSIF has_schema_privilege(run_as, 'jobs', 'CREATE') THEN
      RAISE EXCEPTION 'role % may create functions in schema jobs, and so lift its own limits', quote_ident(run_as)
        USING ERRCODE = 'invalid_parameter_value', HINT = format('REVOKE CREATE ON SCHEMA jobs FROM %I;', run_as);
    END IF;
  END IF;
  UPDATE jobs.tb_callback_limit l
     SET run_as = nullif(coalesce(limit_callbacks.run_as::name, l.run_as), ''),
         timeout_ms = coalesce(limit_callbacks.timeout_ms, l.timeout_ms),
         max_attempts = coalesce(limit_callbacks.max_attempts, l.max_attempts)
  RETURNING l.* INTO limits;
  IF run_as IS NOT NULL THEN
    DROP FUNCTION IF EXISTS jobs.callback_gate(oid, boolean, uuid, jsonb, text);
  END IF;
  IF run_as <> '' THEN
    PERFORM jobs.checked_callback(c.function_name, c.outcome) FROM jobs.tb_callback c;
    EXECUTE format($make$
      CREATE FUNCTION jobs.callback_gate(target oid, failed boolean, job uuid, output jsonb, error text) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER AS $gate$
      DECLARE
        command text;
      BEGIN
        IF NOT pg_catalog.nameeq(current_user, %L) THEN
          RAISE EXCEPTION 'the gate of callbacks was changed: run jobs.limit_callbacks again';
        END IF;
        SELECT pg_catalog.format('SELECT %%I.%%I($1, $2)', n.nspname, p.proname) INTO STRICT command
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
         WHERE p.oid OPERATOR(pg_catalog.=) target;
        IF failed THEN
          EXECUTE command USING job, error;
        ELSE
          EXECUTE command USING job, output;
        END IF;
        SET CONSTRAINTS ALL IMMEDIATE;
      END
      $gate$ $make$, run_as);
    REVOKE ALL ON FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text) TO %I', owner);
    EXECUTE format('GRANT CREATE ON SCHEMA jobs TO %I', run_as);
    EXECUTE format('ALTER FUNCTION jobs.callback_gate(oid, boolean, uuid, jsonb, text) OWNER TO %I', run_as);
    EXECUTE format('REVOKE CREATE ON SCHEMA jobs FROM %I', run_as);
  END IF;
  RETURN limits;
END
$$;

-- ---- calling --------------------------------------------------------------------------------------------------------

-- Whether any callback is registered for such jobs: asked by the claim, of rows that have an entity.
CREATE FUNCTION jobs.has_callback(entity_type text, service text, operation text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
BEGIN
  RETURN EXISTS (SELECT FROM jobs.tb_callback c
                  WHERE c.entity_type = lower(entity_type) AND c.service_name = lower(service)
                    AND c.operation = lower(operation));
END
$$;

-- Through the gate, if it is still what limit_callbacks made.
CREATE FUNCTION jobs.call_as_role(role name, target oid, failed boolean, job uuid, output jsonb, error text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
                  WHERE p.oid = to_regprocedure('jobs.callback_gate(oid, boolean, uuid, jsonb, text)') AND p.prosecdef
                    AND pg_catalog.pg_get_userbyid(p.proowner) = role) THEN
    RAISE EXCEPTION 'the gate of callbacks was changed or is not there: run jobs.limit_callbacks again'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM jobs.callback_gate(target, failed, job, output, error);
END
$$;

-- Call what is registered for jobs that have ended and whose rows the transaction holds, each under a savepoint, and
-- write down what failed. Answers those that failed (state waiting or failed) and, with `alone`, the one that is done.
-- A cancelled statement (its timeout, or a person) ends it: the timer is spent. Among several the one that was running is
-- answered as interrupted and is to be called alone; alone, it is a failure like any other.
-- What is deferred is checked before the savepoint is released, where it can still be undone alone, and deferred again.
-- Nothing trusts search_path between a call and its restoration: the callback may have set it.
CREATE FUNCTION jobs.run_callbacks(ids uuid[], alone boolean)
RETURNS TABLE (job uuid, called text, state text, attempts integer, error text)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  path     text := pg_catalog.current_setting('search_path');
  limits   jobs.tb_callback_limit;
  deferred text;
  due      record;
  checked  text;
  target   oid;
  command  text;
  code     text;
BEGIN
  SELECT * INTO limits FROM jobs.tb_callback_limit;
  SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO deferred
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
   WHERE c.condeferred AND has_schema_privilege(n.oid, 'USAGE');
  FOR due IN SELECT * FROM jobs.v_job_callback v WHERE v.job_id = ANY (ids) ORDER BY v.function_name, v.job_id LOOP
    job := due.job_id;
    called := due.function_name;
    state := 'done';
    error := NULL;
    BEGIN
      IF called IS DISTINCT FROM checked THEN
        target := jobs.checked_callback(called, due.outcome);
        SELECT format('SELECT %I.%I($1, $2)', n.nspname, p.proname) INTO STRICT command
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = target;
        checked := called;
      END IF;
      IF limits.run_as IS NOT NULL THEN
        PERFORM jobs.call_as_role(limits.run_as, target, due.outcome = 'failure', job, due.output_data, due.error_message);
      ELSIF due.outcome = 'failure' THEN
        EXECUTE command USING job, due.error_message;
      ELSE
        EXECUTE command USING job, due.output_data;
      END IF;
      SET CONSTRAINTS ALL IMMEDIATE;
      PERFORM pg_catalog.set_config('search_path', path, true);
      IF deferred IS NOT NULL THEN
        EXECUTE pg_catalog.concat('SET CONSTRAINTS ', deferred, ' DEFERRED');
      END IF;
    EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
      GET STACKED DIAGNOSTICS error = MESSAGE_TEXT, code = RETURNED_SQLSTATE;
      state := NULL;
    END;
    IF state IS NULL AND code = '57014' AND NOT alone THEN
      state := 'interrupted';
      RETURN NEXT;
      RETURN;
    END IF;
    IF state IS NULL THEN
      error := left(coalesce(nullif(error, ''), 'failed without a message'), 4000);
      INSERT INTO jobs.tb_callback_run AS r
        (job_id, lease_seq, outcome, function_name, attempts, state, next_at, sql_state, error)
      VALUES (job, due.lease_seq, due.outcome, called, 1, CASE WHEN limits.max_attempts > 1 THEN 'waiting' ELSE 'failed' END,
              now() + (1 + random()) * interval '1 second', code, error)
      ON CONFLICT ON CONSTRAINT tb_callback_run_pkey DO UPDATE
         SET state = CASE WHEN r.attempts < limits.max_attempts THEN 'waiting' ELSE 'failed' END, error = excluded.error,
             sql_state = excluded.sql_state, outcome = excluded.outcome, function_name = excluded.function_name,
             next_at = now() + least(2 ^ r.attempts, 600) * (0.5 + random() / 2) * interval '1 second', updated_at = now()
      RETURNING r.state, r.attempts INTO state, attempts;
    END IF;
    IF state <> 'done' OR alone THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END
$$;

-- Take the one that is due longest. Counted and committed before it is called: one that ends its own connection must not
-- be tried for ever.
CREATE FUNCTION jobs.take_callback(OUT job uuid, OUT lease bigint, OUT timeout_ms integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  limits jobs.tb_callback_limit;
BEGIN
  SELECT * INTO limits FROM jobs.tb_callback_limit;
  UPDATE jobs.tb_callback_run r SET state = 'failed', updated_at = now()
   WHERE r.state = 'waiting' AND r.next_at <= now() AND r.attempts >= limits.max_attempts;
  UPDATE jobs.tb_callback_run r
     SET attempts = r.attempts + 1, updated_at = now(), sql_state = '08006',
         error = 'it was called, and its connection was lost before it came back',
         next_at = now() + limits.timeout_ms * interval '1 ms' + least(2 ^ r.attempts, 600) * interval '1 second'
   WHERE (r.job_id, r.lease_seq) = (
     SELECT d.job_id, d.lease_seq FROM jobs.tb_callback_run d WHERE d.state = 'waiting' AND d.next_at <= now()
      ORDER BY d.next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING r.job_id, r.lease_seq INTO job, lease;
  timeout_ms := limits.timeout_ms;
END
$$;

-- Call what was taken, if the job is still as it ended: a failure of an attempt before last must not be reported over the
-- success of the last.
CREATE FUNCTION jobs.rerun_callback(
  job uuid, lease bigint, OUT called text, OUT state text, OUT attempts integer, OUT error text
)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  SELECT r.function_name INTO called FROM jobs.tb_callback_run r
   WHERE r.job_id = job AND r.lease_seq = lease AND r.state = 'waiting' FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM FROM jobs.tb_job_run j
    WHERE j.id = job AND j.lease_seq = lease AND j.status IN ('completed', 'failed') FOR UPDATE;
  IF FOUND THEN
    SELECT c.state, c.error INTO state, error FROM jobs.run_callbacks(ARRAY[job], true) c;
    error := CASE WHEN state IS NULL THEN 'no callback is registered for it any more' ELSE error END;
  ELSE
    error := 'the job was run again meanwhile';
  END IF;
  state := coalesce(state, 'dropped');
  UPDATE jobs.tb_callback_run r
     SET state = rerun_callback.state, error = rerun_callback.error, updated_at = now(),
         sql_state = CASE WHEN rerun_callback.state IN ('waiting', 'failed') THEN r.sql_state END
   WHERE r.job_id = job AND r.lease_seq = lease RETURNING r.attempts INTO attempts;
END
$$;

-- By hand: the job's last callback is due now, with all its tries.
-- Answers retried | already_done, already_dropped | not_found
CREATE FUNCTION jobs.retry_callback(job uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  stood text;
BEGIN
  SELECT r.state INTO stood FROM jobs.tb_callback_run r WHERE r.job_id = job ORDER BY r.lease_seq DESC LIMIT 1 FOR UPDATE;
  IF stood IN ('waiting', 'failed') THEN
    UPDATE jobs.tb_callback_run r SET state = 'waiting', attempts = 0, next_at = now(), updated_at = now()
     WHERE r.job_id = job AND r.lease_seq = (SELECT max(l.lease_seq) FROM jobs.tb_callback_run l WHERE l.job_id = job);
    RETURN 'retried';
  END IF;
  RETURN coalesce('already_' || stood, 'not_found');
END
$$;
