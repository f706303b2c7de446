"""What a DSN may show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.dsn import UNREADABLE, describe, passwords, scrub


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://me:pw@db:5432/app", "me@db:5432/app"),
        ("postgres://db/app?password=pw", "db/app"),
        ("postgresql://me:p%40w@[::1]:5432/app", "me@[::1]:5432/app"),
        ("host=db port=1 user=me password='p w' dbname=app", "me@db:1/app"),
        ("embedded:/x", "embedded:/x"),
        ("postgresql:/me:pw@db/app", UNREADABLE),
        ("postgresql://db/app?password=p@w", UNREADABLE),
        ("me pw", UNREADABLE),
        ("", "the PG* environment variables"),
    ],
)
def test_describe(dsn: str, shown: str) -> None:
    """Only user, host, port and database are shown; what cannot be read is not shown at all."""
    assert describe(dsn) == shown


PASSWORD = st.text(st.characters(codec="ascii", exclude_characters="'\\", categories=["L", "N", "P", "S"]), min_size=8)


@given(PASSWORD)
def test_describe_never_shows_a_password(password: str) -> None:
    """Whatever a password holds, encoded or not, the description is without it."""
    marked = f"zq{password}qz"
    for dsn in (
        f"postgresql://me:{marked}@db/app",
        f"postgresql://db/app?password={marked}",
        f"host=db password={marked}",
        f"host=db password='{marked}'",
    ):
        assert marked not in describe(dsn)


def test_passwords_are_found() -> None:
    """Every password of a DSN is known, as written and decoded, so that it can be masked elsewhere."""
    assert set(passwords("postgresql://me:p%40w@db/app")) == {"p%40w", "p@w"}
    assert passwords("host=db password='x y'") == ("x y",)
    assert passwords("postgresql://me@db/app") == ()
    assert passwords("embedded") == ()


@pytest.mark.parametrize(
    "text",
    [
        'missing "=" after "postgresql:/me:hunter2@db" in connection info',
        "postgresql://me:hunter2@db/app refused",
        "password=hunter2 host=x",
        "PASSWORD = 'hunter2 x'",
        "a?sslpassword=hunter2&b=1",
    ],
)
def test_scrub(text: str) -> None:
    """Texts of other programs that quote a DSN lose its password."""
    assert "hunter2" not in scrub(text)
    assert "•••" in scrub(text)
