"""`report`: what happened in a time window, as one page with plots, or as data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from ...core.errors import Conflict, UsageError
from ..context import database, settings_for
from ..leaf import command, group
from ..options import Selection, Target
from ..output.console import Console
from ..selectors import read_selector
from ..whole_file import put

app = group("What happened in a time window, with plots.")

_Words = list[str] | None


@dataclass(frozen=True, slots=True)
class Page:
    """Where the page goes."""

    html: Annotated[str, Option("--html", metavar="FILE", help="Write one self-contained page; - is stdout")] = ""
    force: Annotated[bool, Option("--force", help="Replace FILE if it exists")] = False
    title: Annotated[str, Option("--title", metavar="TEXT", help="The page's heading")] = "Job report"


@dataclass(frozen=True, slots=True)
class Told:
    """Which jobs, and which time."""

    since: Annotated[str, Option("--since", metavar="T", help="From T on: 15m, 3d, today, 09:30, 2026-11-23")] = "24h"
    until: Annotated[str | None, Option("--until", metavar="T", help="Up to T; without it up to now")] = None
    service: Annotated[_Words, Option("--service", metavar="S", help="Service name; a,b or !a")] = None
    operation: Annotated[_Words, Option("--operation", metavar="S.O", help="service.operation")] = None
    type: Annotated[_Words, Option("--type", metavar="T", help="http, shell, docker, serverless")] = None
    tenant: Annotated[_Words, Option("--tenant", metavar="ID", help="Tenant id")] = None

    def scope(self) -> str:
        """Return in words what is selected."""
        flags = (("service", self.service), ("operation", self.operation), ("type", self.type), ("tenant", self.tenant))
        said = [f"{name} {', '.join(words)}" for name, words in flags if words]
        return "; ".join(said) or "all jobs"


@command(
    app,
    "report --html outage.html --since 3h",
    "report --html outage.html --since 2026-11-23T09:00Z --until 2026-11-23T11:00Z --service payments --force",
    "report --html - --since 1d --title INC-412 > inc-412.html",
    "report --since 1h -o json",
)
async def report(console: Console, told: Told, page: Page, target: Target) -> None:
    """Tell what happened to jobs: throughput, run times, failures by fingerprint, usage, and what people did.

    Jobs count where they ended in the window. Failures are compared with the window of equal length before. The page
    needs no network and no script: mail it, attach it, print it.
    """
    _require_sense(console, page)
    selector = read_selector(Selection(**{name: getattr(told, name) for name in Told.__slots__}))
    settings = settings_for(console, target)
    from ...core.store.post_mortem import post_mortem  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output import report_json, report_text  # noqa: PLC0415 - only this command needs them

    async with database(console, settings) as connection:
        found = await post_mortem(connection, selector)
    data = report_json.report_json(found)
    if page.html:
        _write(console, page, data, told.scope())
    if page.html != "-":
        data["file"] = page.html or None
        console.answer(data, lambda: report_text.summary(data))


def _require_sense(console: Console, page: Page) -> None:
    """Refuse what cannot be answered before the database is asked."""
    if page.html == "-" and console.is_json:
        raise UsageError("--html - and -o json cannot both go to stdout", hint="report --html FILE -o json")
    if page.html not in ("", "-") and not page.force and os.path.lexists(page.html):
        raise _exists(page.html)


def _exists(path: str) -> Conflict:
    return Conflict(
        f"{path} exists and was kept", code="E603", name="file-exists", hint="name another file, or add --force"
    )


def _write(console: Console, page: Page, data: dict[str, Any], scope: str) -> None:
    from ..output.report_page import report_page  # noqa: PLC0415 - only with --html

    text = report_page(data, page.title, scope)
    if page.html == "-":
        console.data(text.rstrip("\n"))
        return
    path = Path(page.html)
    try:
        put(path, text.encode("utf-8"), replace=page.force)
    except FileExistsError:
        raise _exists(page.html) from None
    except OSError as error:
        reason = (error.strerror or "unwritable").lower()
        raise UsageError(f"{path} cannot be written: {reason}", hint="check the folder and its permissions") from None
    console.say(f"written: {path}")
