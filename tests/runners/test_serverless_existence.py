"""Whether a function exists: asked without invoking it, with the service's own rights, where a job could go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import pytest
from support.http_target import reply, reset
from support.lambda_host import ACCOUNT, LambdaHost, arn
from support.lambda_host import ENVIRONMENT as OF_FUNCTION
from support.serverless_calls import ENVIRONMENT, GRANTED, POLICY, SECRET, aws_service, web_service

from specql_jobs.core.errors import Unavailable
from specql_jobs.core.policy import judge
from specql_jobs.core.registry.model import Service
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.http import HTTPRunner
from specql_jobs.runners.serverless_existence import Functions

NO_ROLE = reply(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", content_type="text/xml")
ASKED = "/2015-03-31/functions/echo/configuration"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host that may use AWS has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def lambda_host() -> AsyncIterator[LambdaHost]:
    """Yield a host that has the function `echo`, in version `prod` too."""
    async with LambdaHost() as host:
        host.holds("echo", "prod")
        yield host


async def exists(service: Service, secrets: Secrets | None = None) -> bool:
    """Ask once, under the real judge."""
    http = HTTPRunner()
    try:
        async with Functions(http, secrets or Secrets()) as functions:
            return await functions.has(service, partial(judge, policy=service.policy))
    finally:
        await http.aclose()


async def unavailable(service: Service, secrets: Secrets | None = None) -> str:
    """Ask once, and return why there is no answer."""
    with pytest.raises(Unavailable) as caught:
        await exists(service, secrets)
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("echo", {}, True),
        (arn("echo"), {}, True),
        ("echo", {"qualifier": "prod"}, True),
        ("echo:prod", {}, True),
        ("echo", {"qualifier": "old"}, False),
        ("ecco", {}, False),
    ],
)
async def test_a_function_exists_in_the_version_that_is_named(
    name: str, config: Mapping[str, Any], expected: bool
) -> None:
    """Names, ARNs, versions and aliases are those that AWS has; its own no is a no."""
    async with lambda_host() as host:
        assert await exists(aws_service(host.url, name, **config)) is expected
    (seen,) = host.front.requests
    assert (seen.method, seen.body) == ("GET", b"")


async def test_what_the_answer_holds_goes_nowhere() -> None:
    """The function's environment, which its configuration has, is neither returned nor kept."""
    async with lambda_host() as host:
        secrets = Secrets()
        assert await exists(aws_service(host.url), secrets) is True
    value = OF_FUNCTION["Variables"]["API_KEY"]
    assert secrets.redact(f"{SECRET} {value}") == f"••• {value}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply(403, {}, x_amzn_errortype="AccessDeniedException"),
            "not allowed to look (GetFunctionConfiguration: Acc",
        ),
        (reply(403, {}, x_amzn_errortype="ExpiredTokenException"), "ExpiredTokenException"),
        (reply(401, {}), "not allowed to look"),
        (reply(429, {}, x_amzn_errortype="TooManyRequestsException"), "TooManyRequestsException"),
        (reply(500, {}, x_amzn_errortype="ServiceException"), "does not say"),
        (reply(200, "x" * 300_000), "max_response_size"),
        (reset, "127.0.0.1"),
    ],
)
async def test_no_answer_is_not_no(answer: Any, words: str) -> None:
    """Refused, throttled, broken or too long: nobody has said that the function is not there."""
    async with lambda_host() as host:
        host.front.script(ASKED, answer)
        assert words in await unavailable(aws_service(host.url))
    assert len(host.front.requests) == 1


async def test_without_credentials_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has none says so."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    async with lambda_host() as host:
        assert "no AWS credentials" in await unavailable(aws_service(host.url))
        stated = aws_service(host.url, auth_config={"credentials_file": "/nonexistent/credentials"})
        assert "file:/nonexistent/credentials" in await unavailable(stated)
    assert host.front.requests == []


@pytest.mark.parametrize("provider", ["gcp", "azure", "http"])
async def test_a_url_is_never_asked(provider: str) -> None:
    """What is behind a URL could only be called, and calling is executing."""
    async with lambda_host() as host:
        assert f"provider {provider} has no harmless question" in await unavailable(web_service(host.url, provider))
    assert host.front.requests == []


@pytest.mark.parametrize(
    "narrower",
    [{"allowed_functions": ("other",)}, {"allowed_domains": ()}, {"allow_private_networks": False}],
)
async def test_where_no_job_may_go_nobody_is_asked(narrower: Mapping[str, Any]) -> None:
    """The policy that judges jobs judges the question: no request, no signature."""
    async with lambda_host() as host:
        policy = replace(POLICY, **{"allowed_functions": ("echo",), **narrower})
        assert "policy" in await unavailable(aws_service(host.url, policy=policy))
    assert host.front.requests == []


async def test_a_role_is_narrowed_to_looking() -> None:
    """The service's role is assumed with the right to read this function's configuration, and not to invoke it."""
    auth = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs"}
    async with lambda_host() as host:
        host.front.script("/", reply(200, GRANTED, content_type="text/xml"), reply(403, "{}"), NO_ROLE)
        assert await exists(aws_service(host.url, auth_config=auth)) is True
        for words in ("ResponseParserError", "not allowed to look (AssumeRole: AccessDenied)"):
            assert words in await unavailable(aws_service(host.url, auth_config=auth))
    form = parse_qs(host.front.requests[0].body.decode())
    assert '"lambda:GetFunctionConfiguration"' in form["Policy"][0]
    assert "InvokeFunction" not in form["Policy"][0]
    assert host.front.requests[1].header("x-amz-security-token") == "role-token-0123456789"
