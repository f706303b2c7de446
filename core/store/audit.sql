-- The audit trail as people read and check it: reads only. It is written by the statements of store.sql that settle and
-- rescue, and linked by a trigger (schemas/migrations/0005_audit.sql).

-- name: chosen
    (%(ids)s::uuid[] IS NULL OR e.job_id = ANY (%(ids)s::uuid[]))
AND (%(service)s::text[] IS NULL OR lower(e.service_name) = ANY (%(service)s::text[]))
AND (%(not_service)s::text[] IS NULL OR lower(e.service_name) <> ALL (%(not_service)s::text[]))
AND (%(operation)s::text[] IS NULL OR lower(e.service_name || '.' || e.operation) = ANY (%(operation)s::text[]))
AND (%(not_operation)s::text[] IS NULL OR lower(e.service_name || '.' || e.operation) <> ALL (%(not_operation)s::text[]))
AND (%(outcome)s::text[] IS NULL OR e.outcome = ANY (%(outcome)s::text[]))
AND (%(not_outcome)s::text[] IS NULL OR e.outcome <> ALL (%(not_outcome)s::text[]))
AND (%(worker)s::text[] IS NULL OR e.worker_id = ANY (%(worker)s::text[]))
AND (%(not_worker)s::text[] IS NULL OR coalesce(e.worker_id, '') <> ALL (%(not_worker)s::text[]))
AND (%(since_at)s::timestamptz IS NULL OR e.at >= %(since_at)s)
AND (%(since_ago)s::float8 IS NULL OR e.at >= now() - %(since_ago)s::float8 * interval '1 second')
AND (%(until_at)s::timestamptz IS NULL OR e.at <= %(until_at)s)
AND (%(until_ago)s::float8 IS NULL OR e.at <= now() - %(until_ago)s::float8 * interval '1 second')

-- name: list_events
SELECT e.*, now() AS database_now FROM jobs.tb_audit_event e WHERE {chosen} ORDER BY e.id DESC LIMIT %(limit)s;

-- name: count_events
SELECT count(*) AS total FROM jobs.tb_audit_event e WHERE {chosen};

-- name: chains
-- Each chain with the first of its links that does not hold. A link holds when it follows the one before it, its events
-- are all there and no others, and the hash over them comes out the same.
WITH held AS (
  SELECT l.*, lag(l.seq) OVER w AS before_seq, lag(l.hash) OVER w AS before_hash,
         (SELECT count(*) FROM jobs.tb_audit_event e
           WHERE e.id BETWEEN l.first_id AND l.last_id AND e.chain = l.chain AND e.batch = l.batch) AS present,
         jobs.audit_link_hash(l.chain, l.seq, l.batch, l.first_id, l.last_id, l.anchors, l.previous_hash) AS found
    FROM jobs.tb_audit_link l
  WINDOW w AS (PARTITION BY l.chain ORDER BY l.seq)
), judged AS (
  SELECT h.*, CASE WHEN h.seq <> coalesce(h.before_seq, 0) + 1 THEN 'link_missing'
                   WHEN h.previous_hash <> coalesce(h.before_hash, '') THEN 'link_changed'
                   WHEN h.present < h.events THEN 'event_missing'
                   WHEN h.present > h.events THEN 'event_added'
                   WHEN h.found <> h.hash THEN 'event_changed' END AS broken
    FROM held h
), chains AS (
  SELECT j.chain, count(*) AS links, sum(j.events)::bigint AS events, max(j.seq) AS last_seq,
         (array_agg(j.seq ORDER BY j.seq) FILTER (WHERE j.broken IS NOT NULL))[1] AS broken_seq
    FROM judged j GROUP BY j.chain
)
SELECT coalesce(c.chain, k.chain) AS chain, coalesce(c.links, 0) AS links, coalesce(c.events, 0) AS events,
       encode(last.hash, 'hex') AS head, c.last_seq, k.seq AS kept_seq, encode(k.hash, 'hex') AS kept_hash,
       c.broken_seq, j.broken, j.first_id, j.last_id, j.events AS broken_events, j.present
  FROM chains c
  FULL JOIN jobs.tb_audit_chain k ON k.chain = c.chain
  LEFT JOIN judged j ON j.chain = c.chain AND j.seq = c.broken_seq
  LEFT JOIN judged last ON last.chain = c.chain AND last.seq = c.last_seq
 ORDER BY 1;

-- name: unlinked
-- Events that no link covers: written while the trigger was off, or into a batch of another chain.
SELECT e.chain, min(e.id) AS first_id, count(*) AS events
  FROM jobs.tb_audit_event e
 WHERE NOT EXISTS (SELECT FROM jobs.tb_audit_link l
                    WHERE l.chain = e.chain AND l.batch = e.batch AND e.id BETWEEN l.first_id AND l.last_id)
 GROUP BY e.chain ORDER BY 1;

-- name: lost_anchors
-- A new chain writes down where the others stood: what it saw must still be there.
SELECT DISTINCT ON (a.key) a.key AS chain, (a.value ->> 0)::bigint AS seq, l.chain AS seen_by
  FROM jobs.tb_audit_link l CROSS JOIN LATERAL jsonb_each(l.anchors) AS a
 WHERE l.anchors IS NOT NULL AND (a.value ->> 0)::bigint > 0
   AND NOT EXISTS (SELECT FROM jobs.tb_audit_link o
                    WHERE o.chain = a.key AND o.seq = (a.value ->> 0)::bigint
                      AND encode(o.hash, 'hex') = a.value ->> 1)
 ORDER BY a.key, 2;

-- name: known_heads
SELECT wanted.hash FROM unnest(%(hashes)s::text[]) AS wanted (hash)
 WHERE NOT EXISTS (SELECT FROM jobs.tb_audit_link l WHERE l.hash = decode(wanted.hash, 'hex'));
