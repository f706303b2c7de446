"""`config`: every setting that holds here, and where it comes from."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from ..context import settings_for
from ..leaf import command, group
from ..options import Sources, Target
from ..output.console import Console

app = group("Every setting that holds here.")


@app.callback()
def config() -> None:
    """Every setting that holds here, and where it comes from."""


@command(
    app,
    "config show",
    "config show --origin",
    "config show --profile prod --origin",
    "config show -o json",
    name="show",
)
def show(
    console: Console,
    target: Target,
    sources: Sources,
    origin: Annotated[
        bool, Option("--origin", help="Which flag, variable, file with its line, or default decided it")
    ] = False,
) -> None:
    """Show every setting as a command called here would have it. A password is never shown, only where it is from.

    Nothing is connected: libpq fills in its own variables, the password file and the service file, as it would
    for a connection. With -o json the origin is always there.
    """
    from .. import effective_settings as settings_now  # noqa: PLC0415 - only this command
    from ..output import config_text  # noqa: PLC0415 - with it

    settings = settings_for(console, target)
    found, profiles = settings_now.effective(settings, sources), settings_now.profiles(settings)
    data = config_text.as_json(found, profiles)
    console.answer(data, lambda: config_text.page(found, profiles, console, origin=origin))
