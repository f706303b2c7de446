"""One plain request of another runner, over this runner's pinned connections and under its bounds."""

from __future__ import annotations

from ..core.contract import Failed, Refused
from ..core.job import Category
from ..core.secrets import Secrets
from .http_exchange import Broken, Exchange, Record
from .http_request import PlannedRequest
from .http_token import TokenCache
from .http_transport import DestinationRefused, Gate, Pools, Tls, TlsUnusable, current_gate
from .http_url import UrlRefused, parse_url
from .wire import Judge, WireAnswer, WireBroken, WireRequest

_VERIFIED = Tls()
#: Written by the exchange itself, from what is really sent.
_FRAMING = frozenset(("host", "content-length", "accept-encoding", "connection", "transfer-encoding", "expect"))


async def send(pools: Pools, request: WireRequest, judge: Judge, most_bytes: int) -> WireAnswer:
    """Return the answer to `request`; raise WireBroken. Redirects are answers like any other: none is followed."""
    record = Record(Gate(judge))
    current_gate.set(record.gate)
    headers = tuple(item for item in request.headers if item[0].lower() not in _FRAMING)
    try:
        planned = PlannedRequest(request.method, parse_url(request.url), headers, request.body, at_home=True)
        pool = await pools.pool(request.pool, _VERIFIED)
        answer = await Exchange(pool, record, Secrets(), TokenCache(), None).ask(planned, (), most_bytes)
    except UrlRefused as refused:
        raise WireBroken(Failed(Category.INFRASTRUCTURE, f"the URL {refused}")) from None
    except DestinationRefused as refused:
        raise WireBroken(Refused(refused.violations)) from None
    except (Broken, TlsUnusable) as broken:
        failure = broken.failure if isinstance(broken, Broken) else Failed(Category.INFRASTRUCTURE, str(broken))
        raise WireBroken(failure, sent=record.gate.bytes_sent > 0) from None
    return WireAnswer(answer.status, answer.headers, answer.body)
