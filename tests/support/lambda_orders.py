"""A Lambda API that does what the payload orders: answer, refuse, hang, flood."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

from .threaded import Answers, Threaded, served


class OrderedLambda(Threaded):
    """`repeats` is said in every answer, as a function that knows a secret would."""

    def __init__(self, repeats: str) -> None:
        super().__init__(_Handler)
        self.repeats = repeats


class _Handler(Answers):
    server: OrderedLambda

    def answer(self) -> None:
        order = json.loads(self.body()).get("order")
        match order:
            case "hang":
                self.hang()
            case "flood":
                self.flood()
            case _:
                self._refuse("Handled" if order == "no" else "")

    def _refuse(self, error: str) -> None:
        said = {"errorType": "Refusal", "errorMessage": self.server.repeats, "sent": self.headers["Authorization"]}
        headers = {"X_Amz_Function_Error": error} if error else {}
        self.say(200, json.dumps(said).encode(), **headers)


def ordered_lambda(repeats: str) -> AbstractContextManager[OrderedLambda]:
    """Return a running API; it is ended with the block."""
    return served(OrderedLambda(repeats))
