"""Where an HTTP job can go: only to what policy names, by addresses that were checked, whatever DNS and targets say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.builders import make_call, make_context, make_service
from support.http_calls import LOCAL, failure, local_service, perform
from support.http_target import HttpTarget, reply

from specql_jobs.core.contract import PlanError, Refused, Succeeded
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category
from specql_jobs.core.policy import Policy, judge
from specql_jobs.runners.http import HTTPRunner

NAMED = Policy(allowed_domains=("api.test", "*.api.test"), allow_private_networks=True, allow_http=True)


class Names:
    """A resolver whose answers the test decides; it counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        """Return the next answer; the last one stays."""
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user@api.test/",
        "http://user:pw@api.test/",
        "http://@api.test/",
        "http://api.test@127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://0/",
        "http://127.0.0.1./",
        "http://api.test./",
        "http://127。0。0。1/",
        "http://api.test:0/",
        "http://api.test:80:80/",
        "http://api.test:99999/",
        "http://api.test:-1/",
        "http://[::1%25eth0]/",
        "http://[::1/",
        "http://ffff::1/",
        "http://%61pi.test/",
        "http://api..test/",
        "http://-api.test/",
        "http://a b/",
        "http://api.test\\@evil.test/",
        "http:///path",
        "http://",
        "file:///etc/passwd",
        "ftp://api.test/",
        "gopher://api.test/",
        "javascript://api.test/",
        "http://api.test/\r\nHost: evil",
        "http://api.test/\x00",
        "http://api.test/ü",
        "http://api.test/" + "a" * 9000,
        "//evil.test/x",
        "/a/../../admin",
        "/a/%2e%2e/admin",
        "/a/..%2fadmin",
        "/a\\..\\b",
        7,
    ],
)
def test_a_doubtful_url_is_refused_before_anything_is_resolved(endpoint: object) -> None:
    """What two parsers may read differently, and every legacy form of an IP address, makes no plan."""
    service = make_service(runner_config={"base_url": "http://api.test/v1"}, policy=NAMED)
    runner = HTTPRunner()
    with pytest.raises(PlanError):
        runner.plan(runner.validate_config(service), make_call(service, {"endpoint": endpoint}))


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("https://evil.test/", "domain_not_allowed"),
        ("https://api.test.evil.test/", "domain_not_allowed"),
        ("https://evilapi.test/", "domain_not_allowed"),
        ("https://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("https://[::ffff:169.254.169.254]/", "address_forbidden"),
        ("https://10.0.0.1/", "private_address"),
        ("http://api.test/", "scheme_not_allowed"),
    ],
)
def test_policy_judges_the_very_url_that_would_be_sent(endpoint: str, code: str) -> None:
    """The footprint of a plan has the endpoint, so the judge refuses it before execution."""
    policy = Policy(allowed_domains=("api.test", "169.254.169.254", "::ffff:169.254.169.254", "10.0.0.1"))
    service = make_service(policy=policy)
    runner = HTTPRunner()
    plan = runner.plan(runner.validate_config(service), make_call(service, {"endpoint": endpoint}))
    assert code in {violation.code for violation in judge(plan.footprint, policy)}


@pytest.mark.parametrize(
    "answers",
    [
        ["169.254.169.254"],
        ["127.0.0.1", "169.254.169.254"],
        ["169.254.169.254", "127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["fd00:ec2::254"],
        ["0.0.0.0"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%lo"],
    ],
)
async def test_every_address_of_a_name_is_judged_before_a_connection(answers: list[str]) -> None:
    """One forbidden address among the answers refuses the job; nothing is connected, even where another is allowed."""
    async with HttpTarget() as target:
        service = make_service(runner_config={"base_url": f"http://api.test:{target.port}"}, policy=NAMED)
        runner = HTTPRunner(Names(answers))
        result = await perform(service, runner=runner)
        await runner.aclose()
    assert isinstance(result.outcome, Refused)
    assert {violation.code for violation in result.outcome.violations} == {"address_forbidden"}
    assert target.connections == 0


async def test_rebinding_between_check_and_connection_is_impossible() -> None:
    """The name is resolved once per connection, and the connection goes to the address that was judged."""
    async with HttpTarget() as target:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        runner = HTTPRunner(names)
        service = make_service(runner_config={"base_url": f"http://api.test:{target.port}"}, policy=NAMED)
        first = await perform(service, runner=runner)
        assert (names.asked, first.outcome) == (1, Succeeded({"ok": True}))
        await runner.aclose()
        second = await perform(service, runner=runner)
        await runner.aclose()
    assert isinstance(second.outcome, Refused)
    assert target.requests[0].header("host") == f"api.test:{target.port}"


async def test_a_kept_connection_is_judged_again_for_each_job() -> None:
    """A job under a narrower policy cannot use a connection that a wider job opened."""
    async with HttpTarget() as target:
        runner = HTTPRunner(Names(["127.0.0.1"]))
        service = make_service(runner_config={"base_url": f"http://api.test:{target.port}"}, policy=NAMED)
        assert (await perform(service, runner=runner)).outcome == Succeeded({"ok": True})
        narrower = replace(service, policy=replace(NAMED, allow_private_networks=False))
        result = await perform(narrower, runner=runner)
        await runner.aclose()
    assert isinstance(result.outcome, Refused)
    assert (len(target.requests), target.connections) == (1, 1)


async def test_the_next_address_is_tried_where_one_is_dead() -> None:
    """A name with several allowed addresses works as long as one of them answers."""
    async with HttpTarget() as target:
        runner = HTTPRunner(Names(["127.0.0.2", "127.0.0.1"]))
        service = make_service(runner_config={"base_url": f"http://api.test:{target.port}"}, policy=NAMED)
        result = await perform(service, runner=runner)
        await runner.aclose()
    assert result.outcome == Succeeded({"ok": True})


@pytest.mark.parametrize("answers", [[], ["not an address"]])
async def test_a_name_without_a_usable_address_is_unavailable(answers: list[str]) -> None:
    """Nothing that is not an IP address is ever connected to."""
    runner = HTTPRunner(Names(answers))
    service = make_service(runner_config={"base_url": "http://api.test"}, policy=NAMED)
    failed = failure(await perform(service, runner=runner))
    await runner.aclose()
    assert (failed.category, failed.retryable) == (Category.TARGET_UNAVAILABLE, True)


async def test_a_hanging_resolver_ends_at_the_deadline() -> None:
    """The deadline holds for name resolution too."""

    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    runner = HTTPRunner(never)
    service = make_service(runner_config={"base_url": "http://api.test"}, policy=NAMED)
    failed = failure(await perform(service, runner=runner, seconds=0.1))
    await runner.aclose()
    assert failed.category is Category.TIMEOUT


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "domain_not_allowed"),
        ("http://metadata.api.test/", "address_forbidden"),
        ("https://evil.test/", "domain_not_allowed"),
    ],
)
async def test_a_redirect_is_judged_like_a_first_request(location: str, code: str) -> None:
    """A target cannot send the worker where policy does not: neither by host nor by address."""
    async with HttpTarget() as target:
        target.script("/op", reply(307, location=location))
        runner = HTTPRunner(Names(["127.0.0.1"], ["169.254.169.254"]))
        policy = replace(NAMED, max_redirects=3)
        service = make_service(runner_config={"base_url": f"http://api.test:{target.port}"}, policy=policy)
        result = await perform(service, runner=runner)
        await runner.aclose()
    assert isinstance(result.outcome, Refused)
    assert code in {violation.code for violation in result.outcome.violations}
    assert len(target.requests) == 1


@pytest.mark.parametrize(
    "location", ["http://u:p@127.0.0.1/", "http://2130706433/", "file:///etc/passwd", "http://[::1/"]
)
async def test_a_doubtful_location_is_not_followed(location: str) -> None:
    """A redirect's URL meets the same rules as any other."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(307, location=location))
        failed = failure(await perform(local_service(target, replace(LOCAL, max_redirects=3))))
    assert failed.category is Category.TARGET_ERROR
    assert len(target.requests) == 1


async def test_credentials_stay_with_their_origin() -> None:
    """After a redirect to another port the target sees no credential; not even when sent back home."""
    async with HttpTarget() as home, HttpTarget() as away:
        home.script("/v1/op", reply(307, location=f"{away.url}/x"))
        away.script("/x", reply(307, location=f"{home.url}/back"))
        service = local_service(
            home,
            replace(LOCAL, max_redirects=3),
            auth_type="bearer",
            auth_config={"token_env_var": "T"},
            headers={"X-Api-Key": "inline", "Cookie": "a=b", "X-Plain": "1"},
        )
        await perform(service, secrets={"T": "sk-very-secret"})
    first, back = home.requests
    (abroad,) = away.requests
    assert first.header("authorization") == "Bearer sk-very-secret"
    for seen in (abroad, back):
        assert [seen.header(name) for name in ("authorization", "x-api-key", "cookie")] == ["", "", ""]
        assert seen.header("x-plain") == "1"


async def test_credentials_do_not_go_to_an_endpoint_of_another_origin() -> None:
    """An input that names another allowed host gets no credential of the service."""
    async with HttpTarget() as home, HttpTarget() as away:
        auth = {"token_env_var": "T"}
        service = local_service(home, auth_type="bearer", auth_config=auth, headers={"X-Api-Key": "inline"})
        await perform(service, {"endpoint": f"{away.url}/x"}, secrets={"T": "sk-very-secret"})
    (seen,) = away.requests
    assert (seen.header("authorization"), seen.header("x-api-key")) == ("", "")


async def test_cookies_and_proxies_are_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie that is set is not sent back, and proxy variables change nothing."""
    async with HttpTarget() as proxy, HttpTarget() as target:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        target.script("/v1/op", reply(200, {}, set_cookie="session=1; Path=/"))
        runner = HTTPRunner()
        await perform(local_service(target), runner=runner)
        await perform(local_service(target), runner=runner)
        await runner.aclose()
    assert [seen.header("cookie") for seen in target.requests] == ["", ""]
    assert proxy.connections == 0


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Connection", "Transfer-Encoding", "Content-Length", "Upgrade", "Expect", "Proxy-Authorization"),
        *("Authorization", "Cookie", "X-Job-Id", "X-Job-Lease", "Idempotency-Key", "Accept-Encoding"),
        *("X-Forwarded-For", "X-HTTP-Method-Override", "a b"),
    ],
)
def test_a_jobs_input_sets_no_header_outside_the_allowlist(name: str) -> None:
    """Framing, identity and credentials are not a job's to write."""
    service = make_service(runner_config={"base_url": "https://api.test"}, policy=NAMED)
    runner = HTTPRunner()
    call = make_call(service, {"endpoint": "/x", "headers": {name: "1"}})
    with pytest.raises(PlanError) as refused:
        runner.plan(runner.validate_config(service), call)
    assert refused.value.category is Category.POLICY_VIOLATION


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "ü", None])
def test_a_header_value_cannot_end_its_line(value: object) -> None:
    """Neither the input's own headers nor a filled template can inject a line."""
    service = make_service(runner_config={"base_url": "https://api.test"}, policy=NAMED)
    runner = HTTPRunner()
    spec = runner.validate_config(service)
    with pytest.raises(PlanError):
        runner.plan(spec, make_call(service, {"endpoint": "/x", "headers": {"Prefer": value}}))
    with pytest.raises(PlanError):
        runner.plan(spec, make_call(service, {"v": value}, mapping={"request": {"headers": {"X-V": "a {v}"}}}))


async def test_a_key_from_the_row_cannot_inject_a_header() -> None:
    """Idempotency keys and correlation ids are encoded, and shortened the same way each time."""
    async with HttpTarget() as target:
        await perform(local_service(target), idempotency_key="a\r\nX-Evil: 1", correlation_id="é\n")
        await perform(local_service(target), idempotency_key="k" * 5000)
        await perform(local_service(target), idempotency_key="k" * 5000)
    one, two, three = target.requests
    assert one.header("idempotency-key") == "a%0D%0AX-Evil:%201"
    assert (one.header("x-evil"), one.header("x-correlation-id")) == ("", "%C3%A9%0A")
    assert two.header("idempotency-key") == three.header("idempotency-key")
    assert len(two.header("idempotency-key")) == 64


@pytest.mark.parametrize(
    "config",
    [
        {"base_url": "https://user:pw@api.test"},
        {"base_url": "https://api.test?x=1"},
        {"base_url": "api.test"},
        {"base_url": "https://127.1"},
        {"headers": {"Host": "evil"}},
        {"headers": {"X-Job-Lease": "9"}},
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"A b": "c"}},
        {"headers": ["A: b"]},
        {"auth_type": "magic"},
        {"auth_config": {"token_env_var": "T"}},
        {"auth_type": "bearer", "auth_config": {"token": "sk-inline-secret"}},
        {"auth_type": "bearer", "auth_config": {"token_env_var": "sk-inline-secret"}},
        {"auth_type": "bearer"},
        {"auth_type": "api_key", "auth_config": {"api_key_env_var": "K", "header_name": "Host"}},
        {"auth_type": "oauth2", "auth_config": {"token_url": "http://0/", "client_id": "a"}},
        {"verify": "no"},
        {"client_cert": 7},
        {"timeout": -1},
        {"timeout": True},
        {"retry_config": {"retry_status_codes": [5]}},
    ],
)
def test_a_wrong_configuration_says_what_to_write_and_shows_no_secret(config: dict[str, object]) -> None:
    """Each configuration error has a hint, and never repeats a secret."""
    with pytest.raises(ConfigError) as error:
        HTTPRunner().validate_config(make_service(runner_config=config))
    assert error.value.hint
    assert "sk-inline-secret" not in f"{error.value.message} {error.value.hint}"


@pytest.mark.parametrize(
    "request_node",
    [
        {"method": "CONNECT"},
        {"path": "//evil.test"},
        {"path": "https://evil.test/"},
        {"path": "/a/../b"},
        {"path": "/a#b"},
        {"body": "jsn"},
        {"headers": {"Content-Length": "1"}},
        {"query": "a=b"},
        "GET /",
    ],
)
def test_a_wrong_mapping_is_found_when_the_registry_is_loaded(request_node: object) -> None:
    """A mapping that leaves base_url or frames the message itself is a configuration error, not a failing job."""
    call = make_call(make_service(), mapping={"request": request_node})
    service = make_service(runner_config={"base_url": "https://api.test"}, operations={"op": call.operation})
    with pytest.raises(ConfigError):
        HTTPRunner().validate_config(service)


def test_a_service_without_base_url_plans_only_a_full_endpoint() -> None:
    """The message says what is missing and where to put it."""
    runner, service = HTTPRunner(), make_service(policy=NAMED)
    for values in ({}, {"endpoint": "/x"}):
        with pytest.raises(PlanError, match="base_url"):
            runner.plan(runner.validate_config(service), make_call(service, values))


async def test_execution_asks_the_judge_even_if_the_caller_did_not() -> None:
    """A plan whose host is not allowed is refused by execute as well."""
    async with HttpTarget() as target:
        service = local_service(target)
        runner = HTTPRunner()
        plan = runner.plan(runner.validate_config(service), make_call(service))
        result = await runner.execute(plan, make_context(policy=Policy()))
        await runner.aclose()
    assert isinstance(result.outcome, Refused)
    assert target.connections == 0
