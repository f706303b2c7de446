-- What `db migrate` would take over: the table that SpecQL made, before anything of ours is there. Reads only.

-- name: found
-- relkind r: a table. `mine`: whether this role may alter it.
SELECT c.relkind::text AS kind, pg_has_role(c.relowner, 'USAGE') AS mine, pg_get_userbyid(c.relowner) AS owner,
       has_table_privilege(c.oid, 'SELECT') AS readable,
       NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = c.oid AND i.indisunique AND i.indnatts = 1 AND a.attname = 'identifier') AS repeats,
       pg_total_relation_size(c.oid) AS bytes,
       ARRAY (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
         AS columns
  FROM pg_class c WHERE c.oid = to_regclass('jobs.tb_job_run');

-- name: rows
-- One pass over the table. The conditions are those by which 0001_jobs.sql fills rows in.
SELECT count(*) AS rows,
       count(*) FILTER (WHERE lower(j.status) = 'pending') AS pending,
       count(*) FILTER (WHERE lower(j.status) = 'running') AS running,
       count(*) FILTER (WHERE lower(j.status) = 'completed') AS completed,
       count(*) FILTER (WHERE lower(j.status) = 'failed') AS failed,
       count(*) FILTER (WHERE lower(j.status) = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE j.status <> lower(j.status)) AS status_case,
       count(*) FILTER (WHERE j.attempts IS NULL) AS attempts,
       count(*) FILTER (WHERE j.max_attempts < 1) AS max_attempts,
       count(*) FILTER (WHERE j.created_at IS NULL OR j.updated_at IS NULL) AS times,
       count(*) FILTER (WHERE lower(j.status) IN ('completed', 'failed', 'cancelled') AND j.completed_at IS NULL) AS completed_at,
       count(*) FILTER (WHERE lower(j.status) = 'running' AND j.started_at < now() - interval '1 hour') AS running_long,
       count(*) FILTER (WHERE lower(j.status) = 'failed' AND j.attempts < j.max_attempts) AS attempts_left,
       count(*) FILTER (WHERE j.attempts < 0) AS attempts_negative,
       count(*) FILTER (WHERE lower(j.status) NOT IN ('pending', 'running', 'completed', 'failed', 'cancelled')) AS status_unknown,
       min(j.status) FILTER (WHERE lower(j.status) NOT IN ('pending', 'running', 'completed', 'failed', 'cancelled'))
         AS status_example
  FROM jobs.tb_job_run j;

-- name: types
SELECT count(*) AS type_unknown, min(j.execution_type) AS type_example
  FROM jobs.tb_job_run j
 WHERE lower(j.execution_type) NOT IN ('http', 'shell', 'docker', 'serverless', 'api', 'local_process', 'process', 'script',
                                       'container', 'lambda', 'function');

-- name: objects
-- What goes (indexes, CHECKs, functions that are replaced) and what stays as it is.
SELECT 'index' AS kind, i.relname::text AS name FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
 WHERE x.indrelid = 'jobs.tb_job_run'::regclass
   AND i.relname IN ('idx_tb_job_run_pending', 'idx_tb_job_run_retry', 'idx_tb_job_run_execution_type',
                     'idx_tb_job_run_resource_usage', 'idx_tb_job_run_idempotency')
UNION ALL
SELECT 'check', c.conname::text FROM pg_constraint c
 WHERE c.conrelid = 'jobs.tb_job_run'::regclass AND c.contype = 'c'
   AND EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
                  AND a.attname IN ('status', 'execution_type', 'attempts', 'max_attempts', 'started_at', 'completed_at',
                                    'updated_at', 'output_data', 'error_message', 'resource_usage'))
UNION ALL
SELECT 'function', p.proname::text FROM pg_proc p
 WHERE p.oid IN (to_regprocedure('jobs.mark_job_started(uuid)'), to_regprocedure('jobs.complete_job_successfully(uuid, jsonb)'),
                 to_regprocedure('jobs.fail_job(uuid, text)'))
UNION ALL
SELECT DISTINCT 'view', v.oid::regclass::text
  FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
 WHERE d.refobjid = 'jobs.tb_job_run'::regclass AND d.classid = 'pg_rewrite'::regclass
UNION ALL
SELECT 'trigger', t.tgname::text FROM pg_trigger t WHERE t.tgrelid = 'jobs.tb_job_run'::regclass AND NOT t.tgisinternal
UNION ALL
SELECT 'foreign key', k.conrelid::regclass::text FROM pg_constraint k
 WHERE k.confrelid = 'jobs.tb_job_run'::regclass AND k.contype = 'f'
 ORDER BY 1, 2;

-- name: holders
-- Who has touched the table in a transaction that is still open: the migration waits for each of them, 5 s at most.
SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
  FROM pg_stat_activity a
 WHERE a.pid <> pg_backend_pid()
   AND EXISTS (SELECT FROM pg_locks l
                WHERE l.pid = a.pid AND l.granted AND l.relation = 'jobs.tb_job_run'::regclass
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
 ORDER BY a.xact_start;
