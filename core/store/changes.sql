-- The ledger of changes: a bulk change written down before it is made, made batch by batch, and looked at afterwards.

-- name: second
-- The moment that relative times of a selector count from, so that a plan can name it.
SELECT date_trunc('second', now()) AS second;

-- name: open
INSERT INTO jobs.tb_change (kind, actor, reason, selector, plan, matched, rate, canary, canary_percent, state, updated_at)
VALUES (%(kind)s, %(actor)s, %(reason)s, %(selector)s, %(plan)s, %(matched)s, %(rate)s, %(canary)s, %(canary_percent)s,
        CASE WHEN %(canary)s::integer IS NULL THEN 'running' ELSE 'canary' END, clock_timestamp())
RETURNING id;

-- name: record
INSERT INTO jobs.tb_change_job (change_id, job_id, outcome, position)
SELECT %(change)s, w.id, 'planned', w.n FROM unnest(%(ids)b::uuid[]) WITH ORDINALITY AS w (id, n);

-- name: advance
SELECT a.reached, a.jobs, a.locked FROM jobs.advance_change(%(change)s, %(after)s, %(until)s, %(most)s) AS a;

-- name: give_up
UPDATE jobs.tb_change_job m SET outcome = 'locked'
 WHERE m.change_id = %(change)s AND m.outcome = 'planned' AND m.position <= %(until)s;

-- name: watched
-- Somebody waits for the jobs that went first: the change is not interrupted.
UPDATE jobs.tb_change c SET updated_at = clock_timestamp() WHERE c.id = %(change)s;

-- name: canaries
-- How the jobs that went first stand now; `cancelled` and `failed` have ended, and not well.
SELECT count(*) AS jobs, count(*) FILTER (WHERE j.status = 'completed') AS completed,
       count(*) FILTER (WHERE j.status IN ('completed', 'failed', 'cancelled') OR j.id IS NULL) AS ended
  FROM jobs.tb_change_job m LEFT JOIN jobs.tb_job_run j ON j.id = m.job_id
 WHERE m.change_id = %(change)s AND m.outcome = 'retried'
   AND m.job_id = ANY (ARRAY(SELECT p.job_id FROM jobs.tb_change_job p
                              WHERE p.change_id = %(change)s AND p.position <= %(canary)s));

-- name: waiting
-- The first of the jobs that went first that has not started, or not again.
SELECT j.id FROM jobs.tb_change_job m JOIN jobs.tb_job_run j ON j.id = m.job_id
 WHERE m.change_id = %(change)s AND m.outcome = 'retried' AND m.position <= %(canary)s AND j.status = 'pending'
 ORDER BY m.position LIMIT 1;

-- name: turn
UPDATE jobs.tb_change c
   SET state = %(state)s, updated_at = clock_timestamp(),
       ended_at = CASE WHEN %(state)s IN ('done', 'stopped') THEN clock_timestamp() END,
       counts = CASE WHEN %(state)s = 'done' THEN (
         SELECT jsonb_object_agg(o.outcome, o.jobs) FROM (
           SELECT m.outcome, count(*) AS jobs FROM jobs.tb_change_job m WHERE m.change_id = c.id GROUP BY 1) AS o) END
 WHERE c.id = %(change)s;

-- name: tally
-- Outcomes of a change; `own` false: of dependents that were brought back on the way.
SELECT m.outcome, m.position IS NOT NULL OR c.matched IS NULL AS own, count(*) AS jobs
  FROM jobs.tb_change_job m JOIN jobs.tb_change c ON c.id = m.change_id
 WHERE m.change_id = %(change)s GROUP BY 1, 2;

-- name: members
SELECT m.job_id AS id, m.outcome FROM jobs.tb_change_job m
 WHERE m.change_id = %(change)s ORDER BY m.position, m.job_id LIMIT %(limit)s;

-- name: requested
SELECT m.job_id AS id FROM jobs.tb_change_job m WHERE m.change_id = %(change)s AND m.outcome = 'requested';

-- name: discarded
-- How many of these jobs are as a discard left them: nobody has changed them by hand since.
SELECT count(*) AS jobs
  FROM unnest(%(ids)b::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (SELECT m.outcome FROM jobs.tb_change_job m WHERE m.job_id = wanted.id
                      ORDER BY m.change_id DESC LIMIT 1) AS latest
 WHERE latest.outcome = 'discarded';

-- name: statuses
SELECT j.id, j.status FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)b::uuid[]);

-- name: entries
-- Of a change that is not done, or was made before outcomes were counted, they are counted now.
SELECT c.id, c.kind, c.state, c.actor, c.reason, c.scope, c.selector, c.plan, c.matched, c.rate, c.next_at, c.canary,
       c.canary_percent, c.details, c.created_at, c.updated_at, c.ended_at,
       extract(epoch FROM clock_timestamp() - c.updated_at)::float8 AS silent_seconds,
       extract(epoch FROM now() - c.created_at)::float8 AS age_seconds,
       coalesce(c.counts, (
         SELECT jsonb_object_agg(o.outcome, o.jobs) FROM (
           SELECT m.outcome, count(*) AS jobs FROM jobs.tb_change_job m WHERE m.change_id = c.id GROUP BY 1) AS o), '{}')
         AS counts
  FROM jobs.tb_change c
 WHERE (%(id)s::bigint IS NULL OR c.id = %(id)s)
   AND (%(kind)s::text IS NULL OR c.kind = %(kind)s)
   AND (%(actor)s::text IS NULL OR c.actor = %(actor)s)
   AND (NOT %(open)s OR c.state <> 'done')
   AND (%(since_at)s::timestamptz IS NULL OR c.created_at >= %(since_at)s)
   AND (%(since_ago)s::float8 IS NULL OR c.created_at >= now() - %(since_ago)s::float8 * interval '1 second')
 ORDER BY c.id DESC LIMIT %(limit)s;

-- name: how_many
SELECT count(*) AS total FROM jobs.tb_change c
 WHERE (%(kind)s::text IS NULL OR c.kind = %(kind)s)
   AND (%(actor)s::text IS NULL OR c.actor = %(actor)s)
   AND (NOT %(open)s OR c.state <> 'done')
   AND (%(since_at)s::timestamptz IS NULL OR c.created_at >= %(since_at)s)
   AND (%(since_ago)s::float8 IS NULL OR c.created_at >= now() - %(since_ago)s::float8 * interval '1 second');

-- name: standing
-- What the jobs that were changed are now.
SELECT j.status, count(*) AS jobs
  FROM jobs.tb_change_job m JOIN jobs.tb_job_run j ON j.id = m.job_id
 WHERE m.change_id = %(change)s AND m.outcome <> 'planned' GROUP BY 1;
