-- Deleting ended jobs. `ended` is spliced into the queries that say {ended}: a job of a status with no retention, and one that
-- is pending or running, has no moment to be compared with, and stays.

-- name: ended
coalesce(j.completed_at, j.updated_at) < CASE j.status WHEN 'completed' THEN %(completed)s::timestamptz
                                                       WHEN 'failed' THEN %(failed)s::timestamptz
                                                       WHEN 'cancelled' THEN %(cancelled)s::timestamptz END

-- name: cutoffs
-- Which moment each status is compared with, on the database's clock.
SELECT now() AS now, now() - %(completed)s::float8 * interval '1 second' AS completed,
       now() - %(failed)s::float8 * interval '1 second' AS failed,
       now() - %(cancelled)s::float8 * interval '1 second' AS cancelled;

-- name: needed_parents
-- Ended jobs whose children have not ended: `show` of a child names its parent. Children are found by the partial indexes.
SELECT DISTINCT j.id
  FROM (SELECT c.parent_id FROM jobs.tb_job_run c WHERE c.status = 'pending' AND c.parent_id IS NOT NULL
        UNION SELECT c.parent_id FROM jobs.tb_job_run c WHERE c.status = 'running' AND c.parent_id IS NOT NULL) AS child
  JOIN jobs.tb_job_run j ON j.id = child.parent_id
 WHERE {ended};

-- name: preview
SELECT j.status, count(*) AS jobs, min(coalesce(j.completed_at, j.updated_at)) AS oldest
  FROM jobs.tb_job_run j
 WHERE {ended} AND j.id <> ALL (%(kept)s::uuid[])
 GROUP BY j.status;

-- name: page
-- The next rows of the walk along the primary key, and which of them are to go. Bounded by rows looked at, not by rows found.
SELECT count(*) AS looked_at, (array_agg(p.id ORDER BY p.id DESC))[1] AS last,
       coalesce(array_agg(p.id) FILTER (WHERE p.ended AND p.id <> ALL (%(kept)s::uuid[])), '{}') AS ids
  FROM (SELECT j.id, {ended} AS ended FROM jobs.tb_job_run j
         WHERE j.id > %(after)s::uuid AND j.id < %(until)s::uuid ORDER BY j.id LIMIT %(batch)s) AS p;

-- name: delete
-- Attempts and captured output go with their job by foreign key. A row that somebody holds, or that is no longer ended, stays.
WITH gone AS (
  DELETE FROM jobs.tb_job_run
   WHERE ctid = ANY (ARRAY(SELECT j.ctid FROM jobs.tb_job_run j
                            WHERE j.id = ANY (%(ids)s::uuid[]) AND {ended} FOR UPDATE SKIP LOCKED))
  RETURNING id, status
), unlinked AS (
  DELETE FROM jobs.tb_change_job m WHERE m.job_id = ANY (ARRAY(SELECT id FROM gone))
)
SELECT status, count(*) AS jobs FROM gone GROUP BY status;

-- name: forget_changes
-- Ledger entries of which no job is left, as old as the jobs that went. Only of changes of single jobs: a pause, a breaker's
-- reset and a prune never list any, and say for ever who did them.
DELETE FROM jobs.tb_change c
 WHERE c.id IN (SELECT o.id FROM jobs.tb_change o
                 WHERE o.created_at < least(%(completed)s::timestamptz, %(failed)s::timestamptz, %(cancelled)s::timestamptz)
                   AND o.kind IN ('retry', 'cancel', 'discard', 'rescue')
                   AND NOT EXISTS (SELECT FROM jobs.tb_change_job m WHERE m.change_id = o.id)
                 ORDER BY o.id LIMIT %(batch)s);

-- name: turn
-- One worker prunes at a time: whoever gets this session lock first, until its connection ends.
SELECT pg_try_advisory_lock(%(key)s, %(turn)s) AS mine;

-- name: open_ledger
INSERT INTO jobs.tb_change (kind, actor, reason, details) VALUES ('prune', %(actor)s, %(reason)s, %(details)s) RETURNING id;

-- name: note
UPDATE jobs.tb_change SET details = details || %(details)s WHERE id = %(entry)s;
