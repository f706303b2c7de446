"""An HTTP service that answers, refuses, hangs and floods."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

from .threaded import Answers, Threaded, served


class Answering(Threaded):
    """`/ok` answers, `/no` refuses and repeats the credentials, `/hang` never answers, `/flood` never ends."""


class _Handler(Answers):
    def answer(self) -> None:
        self.body()
        match self.path:
            case "/hang":
                self.hang()
            case "/flood":
                self.flood()
            case path:
                said = {"ok": path == "/ok", "you_sent": self.headers["Authorization"]}
                self.say(200 if path == "/ok" else 402, json.dumps(said).encode(), Content_Type="application/json")


def answering_http() -> AbstractContextManager[Answering]:
    """Return a running service; it is ended with the block."""
    return served(Answering(_Handler))
