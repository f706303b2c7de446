"""The open jobs of a queue as a registry is compared with them."""

from __future__ import annotations

import pytest
from psycopg import errors
from support.queue import queue

from specql_jobs.core.store import queued


async def test_the_session_may_only_read(dsn: str) -> None:
    """Once the groups were asked for, the connection refuses to write whatever follows."""
    async with queue(dsn) as jobs:
        await jobs.add()
        groups, whole = await queued.open_groups(jobs.connection)
        assert ([(each.service, each.operation, each.pending) for each in groups], whole) == ([("svc", "op", 1)], True)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            await jobs.rows("DELETE FROM jobs.tb_job_run")


async def test_groups_are_bounded(dsn: str) -> None:
    """Of more kinds of jobs than are looked at the largest are returned, and that there are more."""
    async with queue(dsn) as jobs:
        await jobs.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, input_data)"
            f" SELECT 's' || n, 'op', '{{}}' FROM generate_series(1, {queued.MOST_GROUPS + 5}) AS n"
        )
        await jobs.add_many(2)
        groups, whole = await queued.open_groups(jobs.connection)
        assert (len(groups), whole) == (queued.MOST_GROUPS, False)
        assert (groups[0].service, groups[0].jobs) == ("svc", 2)


async def test_a_sample_has_jobs_of_every_group(dsn: str) -> None:
    """Small groups are read whole and large ones in part, each job with its own group."""
    async with queue(dsn) as jobs:
        few = await jobs.add_many(3)
        await jobs.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, execution_type, input_data)"
            " SELECT 'big', 'op', 'HTTP', '{}' FROM generate_series(1, 2000)"
        )
        groups, _ = await queued.open_groups(jobs.connection)
        found = [(group, job.id) async for group, job, _ in queued.sampled_jobs(jobs.connection, groups)]
        assert {id_ for group, id_ in found if group.service == "svc"} == set(few)
        big = [group for group, _ in found if group.service == "big"]
        assert {(each.execution_type, each.jobs) for each in big} == {("http", 2000)}
        assert 100 <= len(big) <= 2 * queued.MOST_OF_GROUP
