"""What people read beside history: each question goes to its rows by an index, and a number that is a guess says so.

The table has far more ended rows than open ones, over 60 days, and is analysed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from support.queue import Queue, queue

from specql_jobs.core.selector import Moment, Selector, Words
from specql_jobs.core.store import counting, failures, report, stats

ENDED = 60_000
OPEN = 600
HOUR = Moment(ago_seconds=3600)

FILL = f"""
INSERT INTO jobs.tb_job_run (service_name, operation, status, created_at, started_at, completed_at, worker_id,
                             lease_seq, error_category, error_message, fingerprint)
SELECT 'svc' || n % 7, 'op', CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, at, at, at, 'w' || n % 9, 1,
       CASE WHEN n % 100 = 0 THEN 'timeout' END, CASE WHEN n % 100 = 0 THEN 'late' END,
       CASE WHEN n % 100 = 0 THEN 'f' || n % 3 END
  FROM (SELECT n, now() - n * interval '90 s' AS at FROM generate_series(1, {ENDED}) AS n) AS t;
INSERT INTO jobs.tb_job_run (service_name, operation, blocked_by)
SELECT 'svc' || n % 7, 'op', n % 2 FROM generate_series(1, {OPEN}) AS n;
INSERT INTO jobs.tb_job_attempt (job_id, lease_seq, attempt, ended_at, error_category, error_message, fingerprint)
SELECT id, 1, 1, completed_at, error_category, error_message, fingerprint FROM jobs.tb_job_run WHERE status = 'failed';
"""


async def filled(it: Queue) -> None:
    """Fill the queue, vacuum and analyse it."""
    await it.connection.execute(FILL.encode())
    await it.rows("VACUUM (ANALYZE) jobs.tb_job_run")
    await it.rows("VACUUM (ANALYZE) jobs.tb_job_attempt")


async def scans(it: Queue) -> int:
    """How often this session has read the table of jobs, or of attempts, from end to end in the open transaction."""
    (row,) = await it.rows(
        "SELECT sum(seq_scan)::int AS scans FROM pg_stat_xact_user_tables"
        " WHERE relid IN ('jobs.tb_job_run'::regclass, 'jobs.tb_job_attempt'::regclass)"
    )
    return int(row["scans"])


Read = Callable[[Queue], Awaitable[object]]


def listed(**asked: object) -> Read:
    """`list` with a selector."""
    return lambda it: report.list_jobs(it.connection, Selector(**asked), 10)  # type: ignore[arg-type] # its fields


def counted(*fields: str, **asked: object) -> Read:
    """`count` with a selector."""
    return lambda it: counting.tally(it.connection, Selector(**asked), fields)  # type: ignore[arg-type] # as above


async def failing(it: Queue) -> object:
    """`errors`, of the last hour."""
    return await failures.groups(it.connection, Selector(), await failures.window(it.connection, HOUR, None), 10)


READS: dict[str, Read] = {
    "list --since": listed(since=HOUR),
    "list --status failed": listed(status=Words(("failed",))),
    "list --status pending": listed(status=Words(("pending",))),
    "list --status !completed": listed(status=Words((), ("completed", "cancelled"))),
    "list --fingerprint": listed(fingerprint=Words(("f1",))),
    "list --category": listed(category=Words(("timeout",))),
    "list --service --since": listed(service=Words(("svc1",)), since=HOUR),
    "count --since --group-by": counted("service", since=HOUR),
    "count --status failed": counted("fingerprint", status=Words(("failed",))),
    "show of a ready job": lambda it: report.ahead(it.connection, {-1}),
    "errors": failing,
    "stats": lambda it: stats.stats(it.connection, Selector(), HOUR, "service"),
}


async def test_reads_go_by_their_indexes(dsn: str) -> None:
    """None of these reads the table of jobs, or of attempts, from end to end; a scan would be noticed."""
    async with queue(dsn) as it:
        await filled(it)
        async with it.connection.transaction():
            for name, read in READS.items():
                before = await scans(it)
                await read(it)
                assert await scans(it) == before, name
            await it.rows("SELECT count(*) FROM jobs.tb_job_run WHERE attempts = 7")
            assert await scans(it) > before, "a scan would have been noticed"


@pytest.mark.parametrize("fields", [(), ("status",)])
async def test_an_estimate_says_so(dsn: str, fields: tuple[str, ...]) -> None:
    """What would cost too much is estimated, with open and failed jobs counted; without patience for less, exact."""
    async with queue(dsn) as it:
        await filled(it)
        found = await counting.tally(it.connection, Selector(), fields, None, counting.Patience(60.0, cost=10.0))
        exact = await counting.tally(it.connection, Selector(), fields, patience=None)
    assert (found.exact, exact.exact) == (False, True)
    assert exact.total == ENDED + OPEN
    assert abs(found.total - exact.total) < exact.total * 0.2
    assert [row for row in found.groups if row["status"] in ("pending", "failed")] == [
        row for row in exact.groups if row["status"] in ("pending", "failed")
    ]


async def test_an_exact_count_has_a_time_limit(dsn: str) -> None:
    """A count that takes longer than its patience becomes an estimate, and the connection goes on."""
    async with queue(dsn) as it:
        await filled(it)
        found = await counting.tally(
            it.connection, Selector(), ("hour", "service"), None, counting.Patience(0.001, cost=1e9)
        )
        assert not found.exact
        assert (await it.rows("SELECT 1 AS one"))[0]["one"] == 1
