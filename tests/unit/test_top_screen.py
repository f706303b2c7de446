"""The keys of `top`: what each makes of a screen."""

from __future__ import annotations

import pytest

from specql_jobs.cli.output.keyboard import keys_of
from specql_jobs.cli.top_screen import Action, Line, Order, Pane, Screen, kept, press

MAIL = Line(("--service", "mail"), "mail")
PAY = Line(("--service", "pay"), "pay", paused=True)
JOB = Line(("0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",))
LINES = (MAIL, PAY)


def after(screen: Screen, *keys: str) -> Screen:
    """Return the screen after some keys."""
    for key in keys:
        screen, _ = press(screen, key, LINES)
    return screen


def test_bytes_of_a_terminal() -> None:
    """Arrows, enter, escape and backspace have names, letters are themselves, what is not used is nothing."""
    assert [*keys_of("a\x1b[A\x1bOB\r\x7fé\x1b[1;5C\x00")] == ["a", "up", "down", "enter", "backspace", "é"]
    assert [*keys_of("\x1b")] == ["escape"]


def test_moving_stays_on_the_lines() -> None:
    """The chosen line is never above the first nor below the last."""
    assert after(Screen(), "down", "j", "j").place == 1
    assert after(Screen(), "up", "k").place == 0
    assert press(Screen(), "down", ())[0].place == 0


def test_the_chosen_line_stays_chosen() -> None:
    """When the order of lines changes, the choice moves with its line; where that has gone, it stays."""
    assert kept(Screen(place=1), (MAIL, PAY), (PAY, MAIL)).place == 0
    assert kept(Screen(place=1), (MAIL, PAY), (MAIL,)).place == 1
    assert kept(Screen(), (), (MAIL,)).place == 0


@pytest.mark.parametrize(
    ("key", "place", "verb"), [("p", 0, "pause"), ("p", 1, "resume"), ("r", 0, "retry"), ("x", 1, "cancel")]
)
def test_actions_are_about_the_chosen_line(key: str, place: int, verb: str) -> None:
    """p, r and x act on the chosen line; a paused service is resumed."""
    _, action = press(Screen(place=place), key, LINES)
    assert action == Action(verb, LINES[place])


@pytest.mark.parametrize(("key", "agreed"), [("y", True), ("Y", True), ("n", False), ("enter", False), ("q", False)])
def test_only_y_is_a_yes(key: str, agreed: bool) -> None:
    """A question is answered by the next key, whatever it is; nothing but y does it."""
    screen, action = press(Screen().ask(Action("retry", MAIL), "?"), key, LINES)
    assert (screen.asked, screen.done) == (None, False)
    assert (action is not None and action.agreed) == agreed


def test_commands() -> None:
    """An action's command is what a person would type for it, quoted for a shell."""
    assert Action("retry", JOB, agreed=True).command == f"specql-jobs retry {JOB.words[0]} --reason 'from top' --yes"
    assert Action("show", JOB).command == f"specql-jobs show {JOB.words[0]}"
    odd = Line(("--service", "a; rm -rf"), "a; rm -rf")
    assert Action("pause", odd).command == "specql-jobs pause --service 'a; rm -rf' --for 30m --reason 'from top'"


def test_the_filter_takes_every_letter() -> None:
    """While a filter is typed no letter acts; enter keeps the filter, escape drops it."""
    assert after(Screen(), "/", "q", "x").filter == "qx"
    assert after(Screen(), "/", "q", "x", "backspace", "enter").filter == "q"
    assert after(Screen(), "/", "q", "enter", "q").done
    assert after(Screen(), "/", "q", "escape") == Screen()


def test_panes_lead_back() -> None:
    """e goes to the errors and back; from help and jobs escape leads to where one came from; s goes round."""
    assert after(Screen(), "e").pane is Pane.ERRORS
    assert after(Screen(), "e", "?", "escape").pane is Pane.ERRORS
    assert after(Screen(), "enter").pane is Pane.JOBS
    assert after(Screen(), "enter", "?", "escape").pane is Pane.SERVICES
    assert after(Screen(), *"sssss").order is Order.NAME
