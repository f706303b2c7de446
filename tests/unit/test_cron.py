"""When cron expressions fire, and which ticks are due: pure values, clock changes of real zones included."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.cron import BadCron, Cron, NeverFires, UnknownZone, clock_changes, zone
from specql_jobs.core.ticks import LATE, due_ticks, next_ticks, read_tick_key, tick_key

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression: str, after: str, count: int = 3, timezone: str = BERLIN) -> list[str]:
    """The next ticks as the zone's wall clock shows them, with its offset."""
    cron = Cron(expression, timezone)
    return [f"{tick.astimezone(cron.zone):%m-%d %H:%M%z}" for tick in next_ticks(cron, utc(after), count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/15 8-18 * * MON-FRI", ["01-01 08:00+0000", "01-01 08:15+0000"]),
        ("0 0 29 2 *", ["02-29 00:00+0000", "02-29 00:00+0000"]),
        ("@daily", ["01-02 00:00+0000", "01-03 00:00+0000"]),
        ("0 0 L * *", ["01-31 00:00+0000", "02-28 00:00+0000"]),
        ("0 12 * * 1#1", ["01-05 12:00+0000", "02-02 12:00+0000"]),
        ("0 0 13 * FRI", ["01-02 00:00+0000", "01-09 00:00+0000"]),
        ("0 30 4 1 1 *", ["01-01 04:30+0000", "01-01 04:30+0000"]),
    ],
)
def test_expressions_mean_what_crontab_says(expression: str, expected: list[str]) -> None:
    """Ranges, steps, names, nicknames, last days, and the OR of two day fields are read as Debian's cron reads them."""
    assert fires(expression, "2026-01-01T00:00:00", 2, "UTC") == expected


def test_a_sixth_field_in_front_is_seconds() -> None:
    """Six fields fire within the minute."""
    found = next_ticks(Cron("*/20 * * * * *"), utc("2026-01-01T00:00:01"), 3)
    assert [each.second for each in found] == [20, 40, 0]


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("61 * * * *", "minute '61'"),
        ("0 25 * * *", "hour '25'"),
        ("0 0 32 * *", "day-of-month '32'"),
        ("0 0 1 13 *", "month '13'"),
        ("0 0 * * FUNDAY", "day-of-week 'FUNDAY'"),
        ("99 0 0 1 1 *", "second '99'"),
        ("0 0 32 2 *", "day-of-month '32'"),
        ("* * *", "3 fields"),
        ("", "1 fields"),
        ("@reboot", "@hourly"),
        ("CRON_TZ=UTC 0 3 * * *", "timezone"),
    ],
)
def test_a_bad_expression_says_which_field(expression: str, word: str) -> None:
    """The message names the field that is wrong and what stands in it."""
    with pytest.raises(BadCron, match=word):
        Cron(expression)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */30 2 1#5"])
def test_a_day_that_no_year_has_is_told_apart(expression: str) -> None:
    """What can be read and never fires is another mistake than what cannot be read."""
    with pytest.raises(NeverFires):
        Cron(expression)


@pytest.mark.parametrize(
    "name", ["Europe/Berln", "europe/berlin", "localtime", "posix/UTC", "../etc/passwd", "Europe", "\0"]
)
def test_only_zones_that_every_host_reads_alike_are_known(name: str) -> None:
    """Misspelt names, folders, and names that mean another thing on each host are refused."""
    with pytest.raises(UnknownZone):
        zone(name)


# ---- clock changes ---------------------------------------------------------------------------------------------------


def test_in_spring_a_skipped_time_fires_once_when_the_clocks_have_moved() -> None:
    """02:30 does not exist on 29 March: the tick is at 03:00, and the next day at 02:30 again."""
    expected = ["03-28 02:30+0100", "03-29 03:00+0200", "03-30 02:30+0200"]
    assert fires("30 2 * * *", "2026-03-27T12:00:00") == expected


def test_in_autumn_a_repeated_time_fires_once() -> None:
    """02:30 comes twice on 25 October: the tick is the first of the two."""
    expected = ["10-24 02:30+0200", "10-25 02:30+0200", "10-26 02:30+0100"]
    assert fires("30 2 * * *", "2026-10-23T12:00:00") == expected


def test_in_autumn_asking_between_the_two_gives_the_next_day() -> None:
    """From within the repeated hour, after its tick, the next tick is not the same time again."""
    assert fires("30 2 * * *", "2026-10-25T01:10:00", 1) == ["10-26 02:30+0100"]


def test_what_repeats_goes_by_elapsed_time() -> None:
    """Every half hour is every half hour on both days, with 23 and 25 hours of ticks."""
    cron = Cron("*/30 * * * *", BERLIN)
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        start = datetime.fromisoformat(day).replace(tzinfo=cron.zone)
        end = (start + timedelta(days=1)).astimezone(UTC)
        assert (
            len(list(cron.ticks(start.astimezone(UTC) - timedelta(seconds=1), end - timedelta(seconds=1)))) == 2 * hours
        )


def test_clock_changes_are_found_where_they_matter() -> None:
    """A time of day within the change is told, one beside it and what repeats are not."""
    told = [(each.at.hour, each.at.minute, each.skipped) for each in clock_changes(Cron("30 2 * * *", BERLIN), 2026)]
    assert told == [(2, 30, True), (2, 30, False)]
    for quiet in (
        Cron("0 3 * * *", BERLIN),
        Cron("*/30 * * * *", BERLIN),
        Cron("30 2 * * *"),
        Cron("30 2 * * *", "Asia/Tokyo"),
    ):
        assert list(clock_changes(quiet, 2026)) == []


@given(
    st.sampled_from(["30 2 * * *", "0,30 2,3 * * *", "*/7 * * * *", "15 */3 * * *", "0 0 1 * *", "*/20 30 2 * * *"]),
    st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/New_York", "Africa/Casablanca"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_forward_and_back_agree_everywhere(expression: str, timezone: str, moment: datetime) -> None:
    """Ticks only rise, none is before it was asked for, and the latest one is the one before the next."""
    cron, now = Cron(expression, timezone), moment.replace(tzinfo=UTC)
    ahead = next_ticks(cron, now, 4)
    assert list(ahead) == sorted(set(ahead))
    assert ahead[0] > now
    assert cron.latest(ahead[2]) == ahead[2]
    assert cron.latest(ahead[2] - timedelta(microseconds=1)) == ahead[1]


@given(st.text("0123456789*/,-LW#?@MONJAFEB =", max_size=40))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    """Whatever is written is a schedule or a BadCron, and nothing else."""
    with suppress(BadCron):
        tick = Cron(text).after(utc("2026-01-01T00:00:00"))
        assert tick is not None
        assert tick > utc("2026-01-01T00:00:00")


# ---- what is due -----------------------------------------------------------------------------------------------------

NOW = utc("2026-11-23T03:00:00")
HOURLY = Cron("0 * * * *")


@pytest.mark.parametrize("run_missed", [True, False])
def test_a_tick_that_has_just_passed_is_due(run_missed: bool) -> None:
    """On time or at most LATE behind, a tick is due whatever is said of missed ones."""
    for late in (timedelta(), LATE):
        assert due_ticks(HOURLY, NOW - timedelta(minutes=30), NOW + late, run_missed=run_missed) == (NOW,)


def test_nothing_is_due_before_its_time() -> None:
    """A second before the tick, and right after it was done, nothing is due."""
    assert due_ticks(HOURLY, NOW - timedelta(minutes=30), NOW - timedelta(seconds=1), run_missed=True) == ()
    assert due_ticks(HOURLY, NOW, NOW + timedelta(minutes=59), run_missed=True) == ()


def test_after_a_gap_the_latest_missed_tick_runs_and_never_a_flood() -> None:
    """A month without workers makes one job of an hourly schedule, for the latest tick."""
    now = NOW + timedelta(minutes=20)
    assert due_ticks(HOURLY, NOW - timedelta(days=30), now, run_missed=True) == (NOW,)
    assert due_ticks(Cron("* * * * * *"), NOW - timedelta(days=30), NOW, run_missed=True) == (NOW,)


def test_missed_ticks_can_be_left_out() -> None:
    """With on_missed: skip, what is late stays undone; a tick that is due this moment runs."""
    after = NOW - timedelta(days=30)
    assert due_ticks(HOURLY, after, NOW + timedelta(minutes=20), run_missed=False) == ()
    assert due_ticks(HOURLY, after, NOW + timedelta(seconds=5), run_missed=False) == (NOW,)


def test_a_frequent_schedule_loses_no_tick_to_a_short_stall() -> None:
    """Within LATE every tick runs, oldest first: a worker that stood still for five seconds makes up for them."""
    due = due_ticks(Cron("* * * * * *"), NOW - timedelta(seconds=5), NOW, run_missed=True)
    assert due == tuple(NOW - timedelta(seconds=left) for left in (4, 3, 2, 1, 0))


def test_the_key_of_a_tick_tells_which_it_was() -> None:
    """A job's idempotency key names schedule and tick, and only such keys are read so."""
    key = tick_key("pay.settle", "nightly", NOW.astimezone(zone(BERLIN)))
    assert key == "schedule:pay.settle:nightly:2026-11-23T03:00:00Z"
    found = read_tick_key(key)
    assert found is not None
    assert (found.schedule, found.tick) == ("nightly", NOW)
    for other in (None, "", "order-42", key + "x", "schedule:a.b:c:2026-99-23T03:00:00Z"):
        assert read_tick_key(other) is None


def test_what_has_no_schedule_imports_no_cron_library() -> None:
    """--help, and validate of a registry without schedules, pay nothing for them."""
    program = (
        "import sys; from specql_jobs.core.registry.load import load_text; "
        "found = load_text('services: {a: {operations: {b: {input_schema: {}}}}}', variables={}); "
        "assert found.registry; import specql_jobs.core.worker.worker; "
        "sys.exit('cronsim' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
