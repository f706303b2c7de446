-- breaking: yes
-- why: an append-only, hash-chained event for every execution and every refusal; a worker that does not know it would execute unaudited.
-- locks: none on jobs.tb_job_run; creates tables of its own.

-- One chain per worker, so that workers do not wait for each other (measured: one chain for all halves the inserts/s).
CREATE TABLE jobs.tb_audit_chain (
  chain      text PRIMARY KEY,
  seq        bigint NOT NULL,
  hash       bytea NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- No payload, no message and no secret is kept here: who ran what, when, under which registry and policy, and the verdict.
CREATE TABLE jobs.tb_audit_event (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain           text NOT NULL,
  batch           bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  at              timestamptz NOT NULL DEFAULT now(),
  outcome         text NOT NULL,
  job_id          uuid NOT NULL,
  lease_seq       bigint NOT NULL,
  attempt         integer NOT NULL,
  service_name    text NOT NULL,
  operation       text NOT NULL,
  execution_type  text,
  tenant_id       uuid,
  status          text NOT NULL,
  error_category  text,
  worker_id       text,
  runner_version  text,
  registry_digest text,
  policy_digest   text,
  sandbox         text,
  duration_ms     bigint,
  violations      jsonb,
  CONSTRAINT ck_outcome_known CHECK (
    outcome IN ('succeeded', 'failed', 'refused', 'cancelled', 'interrupted', 'worker_lost'))
);
-- Times and ids (UUIDv7) rise with the table, so that a block range index finds them and costs an insert nothing.
CREATE INDEX ix_tb_audit_event_place ON jobs.tb_audit_event USING brin (at, job_id) WITH (autosummarize = on);

-- One link per chain and statement that wrote events: its hash covers them, the link before, and (the first link of a
-- chain) the heads of the chains that were there, so that a whole chain cannot vanish unseen.
CREATE TABLE jobs.tb_audit_link (
  chain         text NOT NULL,
  seq           bigint NOT NULL,
  batch         bigint NOT NULL,
  first_id      bigint NOT NULL,
  last_id       bigint NOT NULL,
  events        bigint NOT NULL,
  anchors       jsonb,
  previous_hash bytea NOT NULL,
  hash          bytea NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- The text that is hashed has to be the same in every session that looks, hence the settings. Names come from rows, so
-- their lengths are hashed too: no two lists of events read the same. concat_ws, because a record's text costs three times
-- as much (measured: 2.8 and 1.0 us an event). Events are read by their
-- range of ids: a plan made while the table was empty must not become a scan of all of it.
CREATE FUNCTION jobs.audit_link_hash(
  chain text, seq bigint, batch bigint, first_id bigint, last_id bigint, anchors jsonb, previous_hash bytea
) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
  covered text;
BEGIN
  SELECT string_agg(
           concat_ws(E'\x1f', e.id, e.at, e.outcome, e.job_id, e.lease_seq, e.attempt, octet_length(e.service_name),
             octet_length(e.operation), e.service_name, e.operation, coalesce(e.execution_type, '-'),
             coalesce(e.tenant_id::text, '-'), e.status, coalesce(e.error_category, '-'), coalesce(e.worker_id, '-'),
             coalesce(e.runner_version, '-'), coalesce(e.registry_digest, '-'), coalesce(e.policy_digest, '-'),
             coalesce(e.sandbox, '-'), coalesce(e.duration_ms, -1), e.violations), E'\x1e' ORDER BY e.id)
    INTO covered
    FROM jobs.tb_audit_event e
   WHERE e.id BETWEEN first_id AND last_id AND e.chain = chain AND e.batch = batch;
  RETURN sha256(convert_to(
    ROW(chain, seq, batch, first_id, last_id, encode(previous_hash, 'hex'), anchors)::text || E'\n' || coalesce(covered, ''),
    'UTF8'));
END
$$;

CREATE FUNCTION jobs.link_audit_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part  record;
  head  jobs.tb_audit_chain;
  heads jsonb;
  mark  bytea;
BEGIN
  FOR part IN
    SELECT n.chain, n.batch, min(n.id) AS first_id, max(n.id) AS last_id, count(*) AS events
      FROM new_events n GROUP BY n.chain, n.batch ORDER BY n.chain, n.batch
  LOOP
    heads := NULL;
    SELECT * INTO head FROM jobs.tb_audit_chain c WHERE c.chain = part.chain FOR UPDATE;
    IF NOT FOUND THEN
      SELECT jsonb_object_agg(latest.chain, jsonb_build_array(latest.seq, encode(latest.hash, 'hex'))) INTO heads
        FROM (SELECT * FROM jobs.tb_audit_chain c ORDER BY c.updated_at DESC LIMIT 20) AS latest;
      INSERT INTO jobs.tb_audit_chain (chain, seq, hash) VALUES (part.chain, 0, '') RETURNING * INTO head;
    END IF;
    mark := jobs.audit_link_hash(
      part.chain, head.seq + 1, part.batch, part.first_id, part.last_id, heads, head.hash);
    INSERT INTO jobs.tb_audit_link (chain, seq, batch, first_id, last_id, events, anchors, previous_hash, hash)
    VALUES (part.chain, head.seq + 1, part.batch, part.first_id, part.last_id, part.events, heads, head.hash, mark);
    UPDATE jobs.tb_audit_chain c SET seq = head.seq + 1, hash = mark, updated_at = now() WHERE c.chain = part.chain;
  END LOOP;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION jobs.link_audit_events() FROM PUBLIC;

CREATE TRIGGER tg_link_audit_events AFTER INSERT ON jobs.tb_audit_event
  REFERENCING NEW TABLE AS new_events
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.link_audit_events();

CREATE FUNCTION jobs.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'jobs.%: the audit trail is append-only; % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END
$$;

-- A head moves to the link that follows it, and nowhere else.
CREATE FUNCTION jobs.check_audit_head() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.chain <> OLD.chain OR NEW.seq <> OLD.seq + 1 OR NOT EXISTS (
    SELECT FROM jobs.tb_audit_link l
     WHERE l.chain = NEW.chain AND l.seq = NEW.seq AND l.previous_hash = OLD.hash AND l.hash = NEW.hash)
  THEN
    RAISE EXCEPTION 'jobs.tb_audit_chain: a head moves only to the link that follows it'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;

-- Per statement, so that even one that would match nothing is refused; ALWAYS, so that session_replication_role is no way round.
CREATE TRIGGER tg_audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs.tb_audit_event
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.refuse_audit_change();
CREATE TRIGGER tg_audit_link_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs.tb_audit_link
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.refuse_audit_change();
CREATE TRIGGER tg_audit_chain_kept BEFORE DELETE OR TRUNCATE ON jobs.tb_audit_chain
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.refuse_audit_change();
CREATE TRIGGER tg_audit_chain_forward BEFORE UPDATE ON jobs.tb_audit_chain
  FOR EACH ROW EXECUTE FUNCTION jobs.check_audit_head();
ALTER TABLE jobs.tb_audit_event ENABLE ALWAYS TRIGGER tg_audit_event_append_only;
ALTER TABLE jobs.tb_audit_link ENABLE ALWAYS TRIGGER tg_audit_link_append_only;
ALTER TABLE jobs.tb_audit_chain ENABLE ALWAYS TRIGGER tg_audit_chain_kept;
ALTER TABLE jobs.tb_audit_chain ENABLE ALWAYS TRIGGER tg_audit_chain_forward;
