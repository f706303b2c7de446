"""The serverless runner held to the rules that every runner is held to, at a Lambda API on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from tempfile import NamedTemporaryFile

from support.lambda_orders import OrderedLambda, ordered_lambda
from support.serverless_calls import KEY, POLICY, SECRET, aws_service

from specql_jobs.core.conformance import RunnerConformance, Subject, Try
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.serverless import ServerlessRunner


class TestServerless(RunnerConformance):
    """Lambda through boto3: its secret is the key that signs, which the function repeats where it can."""

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """Yield the runner and its far end."""
        with ordered_lambda(SECRET) as target, NamedTemporaryFile("w", suffix=".credentials") as file:
            file.write(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
            file.flush()
            yield _lambda(target, file.name)


def _lambda(target: OrderedLambda, credentials: str) -> Subject:
    policy = replace(POLICY, allowed_functions=("echo",), max_response_size=100_000)
    return Subject(
        runner=ServerlessRunner(),
        service=aws_service(target.url, policy=policy, auth_config={"credentials_file": credentials}),
        succeeds=Try("op", {"order": "ok"}),
        fails=Try("op", {"order": "no"}),
        waits=Try("op", {"order": "hang"}),
        floods=Try("op", {"order": "flood"}),
        secrets=Secrets(),
        secret=SECRET,
        begun=lambda: target.hanging > 0,
        left=lambda: ["an invocation that hangs"] * target.hanging,
    )
