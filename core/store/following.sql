-- Following jobs: reads only, each of them by the primary keys of the jobs that are meant.

-- name: now
SELECT now() AS at;

-- name: open_jobs
SELECT j.id FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)s::uuid[]) AND j.status IN ('pending', 'running');

-- name: first_pending
SELECT j.id FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
  JOIN jobs.tb_job_run j ON j.id = wanted.id AND j.status = 'pending'
 ORDER BY wanted.place LIMIT 1;

-- name: standings
SELECT j.id, j.status, j.service_name, j.operation, j.attempts, j.max_attempts, j.lease_seq, j.started_at, j.completed_at,
       j.error_category, j.error_message
  FROM jobs.tb_job_run j WHERE j.id = ANY (%(ids)s::uuid[]);

-- name: logged_attempts
-- An attempt that was given back or cancelled has no row of its own, so its number is not known.
SELECT l.job_id, l.lease_seq,
       coalesce(max(a.attempt), max(CASE WHEN j.lease_seq = l.lease_seq THEN j.attempts END)) AS attempt
  FROM jobs.tb_job_log l
  JOIN jobs.tb_job_run j ON j.id = l.job_id
  LEFT JOIN jobs.tb_job_attempt a ON a.job_id = l.job_id AND a.lease_seq = l.lease_seq
 WHERE l.job_id = ANY (%(ids)s::uuid[])
 GROUP BY l.job_id, l.lease_seq
 ORDER BY l.job_id, l.lease_seq;

-- name: output_after
SELECT l.job_id, l.lease_seq, l.chunk, l.stream, l.content, l.truncated, l.created_at AS at,
       coalesce(a.attempt, CASE WHEN j.lease_seq = l.lease_seq THEN j.attempts END) AS attempt
  FROM unnest(%(ids)s::uuid[], %(leases)s::int8[], %(chunks)s::int4[])
         WITH ORDINALITY AS seen (id, lease, chunk, place)
  JOIN jobs.tb_job_log l ON l.job_id = seen.id AND (l.lease_seq, l.chunk) > (seen.lease, seen.chunk)
  JOIN jobs.tb_job_run j ON j.id = l.job_id
  LEFT JOIN jobs.tb_job_attempt a ON a.job_id = l.job_id AND a.lease_seq = l.lease_seq
 ORDER BY seen.place, l.lease_seq, l.chunk
 LIMIT %(limit)s;
