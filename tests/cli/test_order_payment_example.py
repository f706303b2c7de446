"""The parts of examples/order-payment: its registry and entity fit, and its payment server does what its page says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.cli import Said, specql_jobs
from support.processes import started
from support.waiting import until

EXAMPLE = Path(__file__).parents[2] / "examples" / "order-payment"
ORDER = {"order_number": "A-1", "amount_cents": 4200, "currency": "EUR", "card_number": "4242424242424242"}
DECLINED = ORDER | {"card_number": "4000000000000002"}


@pytest.fixture
def provider() -> Iterator[str]:
    """The payment server's URL."""
    with started(sys.executable, str(EXAMPLE / "payment_server.py"), "0") as server:
        until(lambda: server.stdout, "the payment server says where it is")
        yield server.stdout[0].strip()


def _charge(url: str, order: dict[str, object], key: str) -> tuple[int, dict[str, object], bool]:
    request = Request(f"{url}/charges", json.dumps(order).encode(), {"Idempotency-Key": key})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer), answer.headers["Idempotent-Replayed"] == "true"
    except HTTPError as error:
        return error.code, json.load(error), error.headers["Idempotent-Replayed"] == "true"


def _run(url: str, order: dict[str, object]) -> Said:
    port = re.search(r":(\d+)$", url)
    assert port
    words = ("run", "payments.charge", "--registry", "services.yaml", "--input", json.dumps(order), "-o", "json")
    return specql_jobs(*words, env={"PAYMENT_PORT": port[1]}, folder=EXAMPLE)


def test_registry_and_entity_fit() -> None:
    """Both are without an error and a warning, held against each other."""
    said = specql_jobs("validate", "services.yaml", "--entities", "entity.yaml", "--strict", folder=EXAMPLE)
    assert said.code == 0, said.out + said.err


def test_a_key_is_charged_once(provider: str) -> None:
    """The same Idempotency-Key gets the same charge again; another key gets another one."""
    first = _charge(provider, ORDER, "one")
    assert first[0] == 200
    assert _charge(provider, ORDER, "one") == (200, first[1], True)
    assert _charge(provider, ORDER, "two")[1]["charge_id"] != first[1]["charge_id"]
    with urlopen(f"{provider}/charges", timeout=10) as answer:
        charges = json.load(answer)["charges"]
    assert [charge["order_number"] for charge in charges] == ["A-1", "A-1"]


def test_the_registry_calls_the_server(provider: str) -> None:
    """A charge is the job's output; a declined card fails the job, and is the target's no."""
    paid = _run(provider, ORDER)
    assert (paid.code, paid.data["output"]["status"]) == (0, "succeeded")
    declined = _run(provider, DECLINED)
    assert (declined.code, declined.data["status"]) == (1, "failed")
    assert "402" in declined.data["error"]["message"]
