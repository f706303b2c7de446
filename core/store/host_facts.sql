--- What `doctor` asks a database: the role's rights, the clock.

-- name: rights
-- The tables of the schema jobs on which the role lacks what a worker does with them; no row without the schema.
SELECT current_user AS role,
       has_schema_privilege(n.oid, 'USAGE') AS may_enter,
       array(SELECT t.relname::text FROM pg_class t
              WHERE t.relnamespace = n.oid AND t.relkind IN ('r', 'p') AND NOT has_table_privilege(t.oid, 'SELECT')
              ORDER BY 1) AS unreadable,
       array(SELECT t.relname::text FROM pg_class t
              WHERE t.relnamespace = n.oid AND t.relname IN ('tb_job_run', 'tb_worker', 'tb_job_attempt')
                AND NOT (has_table_privilege(t.oid, 'INSERT') AND has_table_privilege(t.oid, 'UPDATE'))
              ORDER BY 1) AS unwritable
  FROM pg_namespace n
 WHERE n.nspname = 'jobs';

-- name: database_now
SELECT clock_timestamp() AS at;
