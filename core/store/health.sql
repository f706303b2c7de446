-- How the queue's tables are doing, for `db status`: reads only, and nothing here scans a table of any size. Counts of open and
-- failed jobs come from their partial indexes and are bounded, everything else comes from the statistics.

-- name: pending
SELECT count(*) AS pending, count(*) FILTER (WHERE p.run_at <= now()) AS ready,
       extract(epoch FROM now() - min(p.run_at) FILTER (WHERE p.run_at <= now()))::float8 AS oldest_ready_seconds
  FROM (SELECT j.run_at FROM jobs.tb_job_run j WHERE j.status = 'pending' LIMIT %(most)s) AS p;

-- name: running
SELECT count(*) AS running FROM jobs.tb_job_run j WHERE j.status = 'running';

-- name: external
-- Started by another program, through SpecQL's functions or its own SQL, and not ended since.
SELECT count(*) AS long_external FROM jobs.tb_job_run j
 WHERE j.status = 'running' AND j.worker_id = 'external' AND j.started_at < now() - interval '1 hour';

-- name: failed
SELECT count(*) AS failed FROM (SELECT FROM jobs.tb_job_run j WHERE j.status = 'failed' LIMIT %(most)s) AS counted;

-- name: every_status
SELECT j.status, count(*) AS jobs FROM jobs.tb_job_run j GROUP BY j.status;

-- name: shares
-- What ANALYZE saw of the statuses: a value and its share of the rows.
SELECT c.reltuples::float8 AS rows, c.relpages AS pages, s.most_common_vals::text::text[] AS statuses,
       s.most_common_freqs::float8[] AS shares
  FROM pg_class c
  LEFT JOIN pg_stats s ON s.schemaname = 'jobs' AND s.tablename = 'tb_job_run' AND s.attname = 'status'
 WHERE c.oid = 'jobs.tb_job_run'::regclass;

-- name: workers
SELECT count(*) FILTER (WHERE w.state = 'running' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds') AS alive,
       count(*) FILTER (WHERE w.state = 'draining' AND w.heartbeat_at > clock_timestamp() - interval '15 seconds') AS draining,
       count(*) FILTER (WHERE w.state IN ('running', 'draining')
                          AND w.heartbeat_at <= clock_timestamp() - interval '15 seconds') AS silent,
       count(*) FILTER (WHERE w.state = 'lost') AS lost
  FROM jobs.tb_worker w;

-- name: tables
-- `expected`: bytes of the main fork if every row lay close to the next, from the columns' average widths; 28 bytes are a row's
-- header and its pointer, 24 a page's header. `rows`: what ANALYZE saw, before it ever ran what was counted in passing, else NULL.
SELECT c.relname AS name,
       CASE WHEN pg_relation_size(c.oid) = 0 THEN 0 WHEN c.reltuples >= 0 THEN c.reltuples
            WHEN t.n_live_tup > 0 THEN t.n_live_tup END::float8 AS rows, coalesce(t.n_dead_tup, 0) AS dead_rows,
       pg_relation_size(c.oid) AS heap_bytes, pg_table_size(c.oid) AS table_bytes, pg_indexes_size(c.oid) AS index_bytes,
       greatest(t.last_vacuum, t.last_autovacuum) AS last_vacuum,
       greatest(t.last_analyze, t.last_autoanalyze) AS last_analyze,
       coalesce(o.options ->> 'autovacuum_enabled', 'true')::boolean
         AND current_setting('autovacuum')::boolean AS autovacuum,
       coalesce((o.options ->> 'autovacuum_vacuum_threshold')::float8, current_setting('autovacuum_vacuum_threshold')::float8)
         + greatest(c.reltuples, 0)
         * coalesce((o.options ->> 'autovacuum_vacuum_scale_factor')::float8,
                    current_setting('autovacuum_vacuum_scale_factor')::float8) AS vacuum_at,
       coalesce(o.options, '{}') AS settings, now() AS database_now,
       CASE WHEN w.width IS NOT NULL AND c.reltuples > 0
            THEN ceil(c.reltuples * (w.width + 28) * 100.0 / coalesce((o.options ->> 'fillfactor')::float8, 100)
                      / (current_setting('block_size')::float8 - 24)) * current_setting('block_size')::float8 END AS expected
  FROM pg_class c
  LEFT JOIN pg_stat_user_tables t ON t.relid = c.oid
  LEFT JOIN LATERAL (SELECT jsonb_object_agg(option_name, option_value) AS options
                       FROM pg_options_to_table(c.reloptions)) AS o ON true
  LEFT JOIN LATERAL (SELECT sum((1 - s.null_frac) * s.avg_width)::float8 AS width
                       FROM pg_stats s WHERE s.schemaname = 'jobs' AND s.tablename = c.relname) AS w ON true
 WHERE c.relnamespace = 'jobs'::regnamespace AND c.relkind = 'r'
 ORDER BY pg_total_relation_size(c.oid) DESC, c.relname;

-- name: indexes
-- One that is not partial is written to by each claim and settle, whatever its columns: they change `status`, which predicates
-- of other indexes name, so that no update is a HOT one. An index that a constraint needs is nobody's to drop.
SELECT i.relname AS name, pg_relation_size(i.oid) AS bytes, greatest(i.reltuples, 0)::float8 AS entries, x.indisvalid AS valid,
       coalesce(s.idx_scan, 0) AS scans,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid) AS constrains,
       x.indpred IS NOT NULL AS partial
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.oid
 WHERE x.indrelid = 'jobs.tb_job_run'::regclass
 ORDER BY pg_relation_size(i.oid) DESC, i.relname;

-- name: snapshots
-- What keeps dead rows from being removed: sessions of this database with a snapshot or a transaction id, standbys that report
-- theirs, replication slots, prepared transactions. VACUUM's own snapshot keeps nothing.
SELECT 'session' AS kind, a.pid::text AS name, a.usename AS who, coalesce(a.application_name, '') AS application,
       coalesce(a.state, '') AS state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds,
       greatest(age(a.backend_xmin), age(a.backend_xid)) AS transactions
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
UNION ALL
SELECT 'standby', r.pid::text, r.usename, coalesce(r.application_name, ''), coalesce(r.state, ''), NULL, age(r.backend_xmin)
  FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
UNION ALL
SELECT 'slot', s.slot_name, NULL, coalesce(s.plugin, ''), CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, age(s.xmin)
  FROM pg_replication_slots s WHERE s.xmin IS NOT NULL
UNION ALL
SELECT 'prepared', p.gid, p.owner, '', 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)::float8, age(p.transaction)
  FROM pg_prepared_xacts p WHERE p.database = current_database()
 ORDER BY seconds DESC NULLS LAST, transactions DESC NULLS LAST;

-- name: server
SELECT age(c.relfrozenxid) AS transactions, current_setting('autovacuum_freeze_max_age')::bigint AS freeze_at,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
  FROM pg_class c WHERE c.oid = 'jobs.tb_job_run'::regclass;
