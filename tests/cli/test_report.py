"""`report`: numbers that are the database's, and a page that is whole, alone, and holds no markup of a job's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.board import Board
from support.cli import specql_jobs

from specql_jobs.cli.output.report_json import trend
from specql_jobs.core.store.post_mortem import MOST_STEPS, step_of

HOSTILE = '</title><script>alert(1)</script><img src="https://evil.example/x" onerror="a()"> \x1b[31m & "\'\u202e'
_VOID = {"meta", "link", "br", "hr", "img", "input"}


class _Reader(HTMLParser):
    """Reads a page strictly: every element that is opened is closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _ago(**given: float) -> datetime:
    return datetime.now(UTC) - timedelta(**given)


@pytest.fixture
def busy(board: Board) -> Board:
    """Six jobs that ended in the last hour, one before, a pause; one message is hostile."""
    for seconds in (1, 2, 3):
        done = _ago(minutes=10)
        started = done - timedelta(seconds=seconds)
        usage = f'{{"cpu_seconds": {seconds}, "peak_memory_mb": {seconds * 10}}}'
        board.add("pay", "ok", "completed", started_at=started, completed_at=done, resource_usage=usage)
    for minutes, fingerprint, message in (
        (20, "aa11", HOSTILE),
        (20, "aa11", HOSTILE),
        (5, "bb22", "402"),
        (90, "bb22", "402"),
    ):
        done = _ago(minutes=minutes)
        began = done - timedelta(seconds=minutes)
        found = {"fingerprint": fingerprint, "error_message": message, "error_category": "target_error"}
        board.add(
            "thumbs" if fingerprint == "aa11" else "pay", "no", "failed", started_at=began, completed_at=done, **found
        )
    board.add("pay", "ok", "cancelled", completed_at=_ago(minutes=30))
    assert board("pause", "--service", "pay", "--reason", HOSTILE.replace("\x1b", "")).code == 0
    return board


def test_the_numbers_are_the_databases(busy: Board) -> None:
    """Totals, steps, groups and usage of -o json are what SQL counts in the same window."""
    data = busy("report", "--since", "1h", "-o", "json").data
    assert {name: data["totals"][name] for name in ("completed", "failed", "cancelled")} == {
        "completed": 3, "failed": 3, "cancelled": 1,
    }  # fmt: skip
    assert [sum(step[name] for step in data["throughput"]) for name in ("completed", "failed", "cancelled")] == [
        3,
        3,
        1,
    ]
    groups = {each["fingerprint"]: (each["jobs"], each["jobs_before"], each["trend"]) for each in data["failures"]}
    assert groups == {"aa11": (2, 0, "new"), "bb22": (1, 1, "steady")}
    ((median,),) = busy.sql(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at))"
        " FROM jobs.tb_job_run WHERE status IN ('completed', 'failed') AND completed_at > now() - interval '1 hour'"
    )
    assert data["totals"]["p50_ms"] == pytest.approx(float(median) * 1000, abs=0.01)
    (usage,) = (each for each in data["usage"] if each["cpu_seconds"])
    assert (usage["cpu_seconds"], usage["peak_memory_mb"]) == (6, 30)
    assert [each["kind"] for each in data["events"]] == ["pause"]


def test_lost_workers_and_open_breakers_stand_out(board: Board) -> None:
    """A worker that was lost counts its jobs; it and a breaker that opened are said in a sentence of the page."""
    for number in (1, 2):
        board.sql(
            "INSERT INTO jobs.tb_audit_event (chain, outcome, job_id, lease_seq, attempt, service_name, operation,"
            " status, worker_id) VALUES ('w', 'worker_lost', gen_random_uuid(), %s, 1, 'pay', 'ok', 'pending', 'app')",
            number,
        )
    board.sql("INSERT INTO jobs.tb_service_state (service_name, opened_at) VALUES ('pay', now())")
    events = board("report", "-o", "json").data["events"]
    assert {(each["kind"], each["subject"], each["jobs"]) for each in events} == {
        ("worker_lost", "app", 2), ("breaker_open", "pay", 0),
    }  # fmt: skip
    page = board("report", "--html", "-").out
    assert "1 worker was lost: app." in page
    assert "Circuit breakers opened: pay." in page


def test_selectors_and_until_narrow_it(busy: Board) -> None:
    """--service, --type and --until leave out what they do not name; what they leave is counted alone."""
    assert busy("report", "--since", "1h", "--service", "thumbs", "-o", "json").data["totals"]["failed"] == 2
    assert busy("report", "--since", "1h", "--operation", "!pay.ok", "-o", "json").data["totals"]["completed"] == 0
    before = busy("report", "--since", "2h", "--until", "1h", "-o", "json").data
    assert (before["totals"]["failed"], before["totals"]["completed"]) == (1, 0)


def test_the_page_is_whole_alone_and_has_the_same_numbers(busy: Board, tmp_path: Path) -> None:
    """Every element is closed, nothing is fetched, and the totals of -o json stand in its text."""
    file = tmp_path / "page.html"
    data = busy("report", "--html", str(file), "--since", "1h", "-o", "json").data
    assert data["file"] == str(file)
    read = _Reader(file.read_text("utf-8"))
    assert {"script", "img", "link", "iframe", "object"}.isdisjoint(read.names)
    fetched = [value for name, value in read.attributes if name in ("src", "href", "xlink:href", "onerror", "data")]
    assert fetched == []
    tiles = " ".join(read.texts)
    assert all(f"{data['totals'][name]:,}" in tiles for name in ("completed", "failed", "cancelled", "created"))
    assert "aa11" in tiles
    assert read.names.count("svg") == 2 * 5  # five plots, each for wide and narrow screens


def test_every_plot_is_well_formed_and_counts_the_same(busy: Board) -> None:
    """Each drawing is XML by itself; the bars' titles add up to the jobs that ended."""
    page = busy("report", "--html", "-", "--since", "1h").out
    drawings = [f"<svg{part.partition('</svg>')[0]}</svg>" for part in page.split("<svg")[1:]]
    plots = [ET.fromstring(each) for each in drawings]
    titles = [title.text or "" for title in plots[0].iter("title")]
    assert sum(int(text.split()[-2]) for text in titles) == 7


def test_a_jobs_text_is_never_markup(busy: Board) -> None:
    """A hostile message and reason are shown, escaped; control characters are written out."""
    page = busy("report", "--html", "-", "--since", "1h", "--title", "<b>&amp;").out
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not any(character in page for character in "\x1b\u202e")
    assert "&lt;b&gt;&amp;amp;" in page


def test_an_empty_window_is_a_page_too(board: Board) -> None:
    """With no job at all every section says so."""
    said = board("report", "--html", "-")
    assert said.code == 0
    assert _Reader(said.out).names.count("svg") == 0
    assert "No job failed for good" in said.out
    assert board("report", "-o", "json").data["totals"]["failed_ratio"] is None


def test_a_file_is_never_overwritten_without_force(busy: Board, tmp_path: Path) -> None:
    """A file, or a link that leads nowhere, is kept: exit 6; --force replaces the name, not what a link leads to."""
    file, link, other = tmp_path / "a.html", tmp_path / "link.html", tmp_path / "other"
    file.write_text("mine")
    link.symlink_to(other)
    for path in (file, link):
        said = busy("report", "--html", str(path), "-o", "json")
        assert (said.code, said.error["code"]) == (6, "E603")
    assert (file.read_text(), other.exists()) == ("mine", False)
    assert busy("report", "--html", str(file), "--force").code == 0
    assert busy("report", "--html", str(link), "--force").code == 0
    assert (file.read_text().startswith("<!DOCTYPE html>"), other.exists()) == (True, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "link.html"]


def test_for_people_it_is_a_few_lines(busy: Board) -> None:
    """Without --html the totals and the largest groups are said; control characters are not."""
    said = busy("report", "--since", "1h")
    assert (said.code, "3 completed, 3 failed, 1 cancelled" in said.out, "aa11" in said.out) == (0, True, True)
    assert "\x1b" not in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--html", "-"],
        ["--html", "/no/such/folder/x.html"],
        ["--since", "1h", "--until", "2h"],
        ["--since", "soon"],
        ["--tenant", "acme"],
    ],
)
def test_what_makes_no_sense_is_exit_2(board: Board, arguments: list[str]) -> None:
    """Two documents for one stdout, a folder that is not there, an empty window, words that are no time or tenant."""
    said = board("report", *arguments, "-o", "json")
    assert (said.code, said.document["data"]) == (2, None)


def test_without_a_database_it_is_exit_5(tmp_path: Path) -> None:
    """Nobody answers at the address: nothing is written."""
    file = tmp_path / "page.html"
    said = specql_jobs("report", "--html", str(file), "--dsn", "postgresql://x@127.0.0.1:9/x", "-o", "json")
    assert (said.code, file.exists()) == (5, False)


@pytest.mark.parametrize("seconds", [1, 60, 3600, 86400, 604800, 31536000, 3_155_760_000])
def test_a_window_of_any_length_has_few_steps(seconds: int) -> None:
    """A minute or a hundred years: never more steps than can be told apart."""
    assert seconds / step_of(seconds) <= MOST_STEPS


def test_trends_compare_with_the_window_before() -> None:
    """New, growing and shrinking are what their words say; everything between is steady."""
    assert [trend(*each) for each in ((1, 0), (4, 2), (3, 2), (1, 2))] == ["new", "growing", "steady", "shrinking"]
