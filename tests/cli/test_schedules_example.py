"""The script of examples/schedules, run as its page says."""

from __future__ import annotations

from pathlib import Path

from support.board import Board
from support.processes import COMMAND, started

EXAMPLE = Path(__file__).parents[2] / "examples" / "schedules"


def test_the_example_does_as_its_page_says(board: Board) -> None:
    """The script ends with 0 once a job has completed, lists each schedule where it stands, and ends its worker."""
    path = f"{COMMAND.parent}:/usr/bin:/bin"
    with started("/bin/sh", str(EXAMPLE / "watch.sh"), env={"PATH": path, "SPECQL_JOBS_DSN": board.dsn}) as script:
        assert script.finish(60) == 0, script.said()
        listed = "".join(script.stdout).split("SCHEDULE")[-1].splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["text.count:often", "text.count:nightly", "text.count:monthly"]
    assert ["active" in line for line in listed] == [True, True, False]
    assert board.sql("SELECT count(*) > 0 FROM jobs.tb_job_run WHERE status = 'completed'") == [(True,)]
    assert board.sql("SELECT DISTINCT state FROM jobs.tb_worker") == [("stopped",)]
