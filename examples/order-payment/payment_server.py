"""A payment provider on 127.0.0.1: it charges cards, declines those that end in 0002, and charges a key only once.

    python3 payment_server.py 8402      (0 takes any free port; the first line printed is its URL)

POST /charges with amount_cents, currency and card_number answers 200 with the charge, 402 for a declined card and 422
for what is no charge. GET /charges lists what was charged, without cards. The same Idempotency-Key gets the same answer
again, with `Idempotent-Replayed: true`. Nothing is kept when it ends.
"""

from __future__ import annotations

import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final

DECLINED: Final = "0002"  # what the numbers of declined cards end in
LARGEST: Final = 65_536  # bytes of a request


class Provider:
    """The charges, and what each key was answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[HTTPStatus, dict[str, Any]]] = {}
        self._numbers = count(1)
        self.charges: list[dict[str, Any]] = []

    def charge(self, key: str, wanted: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any], bool]:
        """Answer one request, and whether its key was answered before."""
        with self._lock:
            if key in self._answers:
                return *self._answers[key], True
            answer = self._decide(wanted)
            if key:
                self._answers[key] = answer
            return *answer, False

    def _decide(self, wanted: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        amount, card = wanted.get("amount_cents"), str(wanted.get("card_number") or "")
        if not isinstance(amount, int) or amount <= 0 or not card:
            return HTTPStatus.UNPROCESSABLE_ENTITY, _refusal(
                "invalid_charge", "amount_cents and card_number are needed"
            )
        if card.endswith(DECLINED):
            return HTTPStatus.PAYMENT_REQUIRED, _refusal("card_declined", "the card was declined")
        made = {"charge_id": f"ch_{next(self._numbers):06}", "status": "succeeded", "amount_cents": amount}
        self.charges.append(made | {"order_number": wanted.get("order_number")})
        return HTTPStatus.OK, made


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


class Requests(BaseHTTPRequestHandler):
    """HTTP in front of the provider."""

    protocol_version = "HTTP/1.1"
    provider = Provider()

    def do_POST(self) -> None:
        """Charge a card."""
        wanted = self._sent()
        if self.path != "/charges" or not isinstance(wanted, dict):
            self._answer(HTTPStatus.NOT_FOUND, _refusal("unknown", "POST a JSON object to /charges"))
            return
        status, body, again = self.provider.charge(self.headers.get("Idempotency-Key", ""), wanted)
        self._answer(status, body, again=again)

    def do_GET(self) -> None:
        """List the charges."""
        self._answer(HTTPStatus.OK, {"charges": self.provider.charges})

    def _sent(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST:
            self.close_connection = True
            return None
        try:
            return json.loads(self.rfile.read(length))
        except ValueError:
            return None

    def _answer(self, status: HTTPStatus, body: dict[str, Any], *, again: bool = False) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if again:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - the library's signature
        """Say what was answered, never what was sent: it holds card numbers."""
        sys.stderr.write(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}\n")


def main() -> None:
    """Serve until Ctrl-C."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8402), Requests)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
