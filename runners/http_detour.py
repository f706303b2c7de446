"""A planned request led to another origin, so that a local far end can answer it: same method, path, headers, body."""

from __future__ import annotations

from dataclasses import replace

import httpx

from .http import HttpPlan
from .http_auth import Auth, OAuth2Auth
from .http_transport import Tls


def detoured(plan: HttpPlan, origin: str, token_path: str) -> HttpPlan:
    """Return the plan with `origin` (http://127.0.0.1:PORT) in place of the target's own.

    An access token is asked of `token_path` there: nothing is left in the plan that leads anywhere else.
    """
    target = httpx.URL(origin)
    spec = replace(plan.spec, auth=_auth(plan.spec.auth, target.join(token_path)), tls=Tls())
    return replace(plan, spec=spec, request=replace(plan.request, url=_moved(plan.request.url, target)))


def _moved(url: httpx.URL, target: httpx.URL) -> httpx.URL:
    return target.copy_with(raw_path=url.raw_path)


def _auth(auth: Auth | None, token_url: httpx.URL) -> Auth | None:
    return replace(auth, token_url=token_url) if isinstance(auth, OAuth2Auth) else auth
