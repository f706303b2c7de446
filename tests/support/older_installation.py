"""An installation as SpecQL builds it: one of its two tables, and an application with entity, action and callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

FOLDER: Final = Path(__file__).parents[1] / "fixtures" / "sql"
TABLES: Final = ("older_table.sql", "later_table.sql")


def table_sql(name: str) -> str:
    """Return the SQL of one of the TABLES; the later one is built on the older."""
    return (FOLDER / name).read_text().replace("\\i older_table.sql", (FOLDER / "older_table.sql").read_text())


def build(dsn: str, name: str, rows: str = "") -> None:
    """Make one of the tables, and `rows` in it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(table_sql(name).encode())
        connection.execute(rows.encode())


@contextmanager
def commerce(dsn: str) -> Iterator[str]:
    """Make the later table and an application on it; yield the application's role, which is dropped afterwards."""
    role = f"sqj_shop_{uuid4().hex[:8]}"
    application = (FOLDER / "commerce.sql").read_text().replace("application_role", role)
    build(dsn, "later_table.sql", application)
    try:
        yield role
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


def place_order(dsn: str, role: str, number: str) -> str:
    """Call the compiled action as the application does; return the job's id."""
    with psycopg.connect(dsn) as connection:
        connection.execute(SQL("SET ROLE {}").format(Identifier(role)))
        ((job,),) = connection.execute("SELECT commerce.place_order(%s, 5)", (number,)).fetchall()
    return str(job)
