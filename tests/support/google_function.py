"""Functions that Google's own framework serves in the tests, in a process of its own."""

from __future__ import annotations

from typing import Any

import flask
import functions_framework


@functions_framework.http
def hello(request: flask.Request) -> Any:
    """Return what arrived."""
    return {"sent": request.get_json(), "who": request.headers.get("Authorization", "")}


@functions_framework.cloud_event
def happened(event: Any) -> None:
    """Print a CloudEvent, as parsed by the framework."""
    flask.current_app.logger.error("happened %s %s %s", event["id"], event["type"], event.data)
