-- breaking: no
-- why: the ledger of changes names prunes, rescues and drains beside retries and cancellations.
-- locks: ACCESS EXCLUSIVE on jobs.tb_change for a moment; nothing on jobs.tb_job_run.

-- The words are the program's; a list of them here would have to be changed by every migration that knows one more.
ALTER TABLE jobs.tb_change DROP CONSTRAINT IF EXISTS ck_kind_known;
ALTER TABLE jobs.tb_change ADD CONSTRAINT ck_kind_is_a_word CHECK (kind ~ '^[a-z_]{1,40}$');
-- What came of a change that has no list of jobs: a prune's retention, and how many it deleted.
ALTER TABLE jobs.tb_change ADD COLUMN details jsonb;
