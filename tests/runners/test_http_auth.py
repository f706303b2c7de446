"""Authentication and TLS of the HTTP runner, each against a real server that checks what arrived."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_call, make_service
from support.http_calls import LOCAL, failure, local_service, perform
from support.http_target import HttpTarget, authority, reply, reset

from specql_jobs.core.contract import Refused, Succeeded
from specql_jobs.core.job import Category
from specql_jobs.core.policy import Policy
from specql_jobs.runners.http import HTTPRunner

SECRETS = {"TOKEN": "sk-very-secret", "USER_NAME": "ann", "PASS_WORD": "pass-word-1"}


@pytest.mark.parametrize(
    ("kind", "settings", "header", "value"),
    [
        ("bearer", {"token_env_var": "TOKEN"}, "authorization", "Bearer sk-very-secret"),
        (
            "basic",
            {"username_env_var": "USER_NAME", "password_env_var": "PASS_WORD"},
            "authorization",
            "Basic " + base64.b64encode(b"ann:pass-word-1").decode(),
        ),
        ("api_key", {"api_key_env_var": "TOKEN"}, "x-api-key", "sk-very-secret"),
        (
            "api_key",
            {"api_key_env_var": "TOKEN", "header_name": "X-Token", "prefix": "v1 "},
            "x-token",
            "v1 sk-very-secret",
        ),
        ("none", {}, "authorization", ""),
    ],
)
async def test_each_way_to_authenticate(kind: str, settings: dict[str, str], header: str, value: str) -> None:
    """The credential arrives in the header that the service expects, and nowhere in what is kept."""
    async with HttpTarget() as target:
        target.script("/v1/op", reply(400, "no"))
        result = await perform(local_service(target, auth_type=kind, auth_config=settings), secrets=SECRETS)
    assert target.requests[0].header(header) == value
    kept = f"{result.outcome}{result.logs}"
    assert not any(
        secret in kept for secret in ("sk-very-secret", "pass-word-1", base64.b64encode(b"ann:pass").decode())
    )


async def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """`token_file` is read when the request is made, without its line end."""
    path = tmp_path / "token"
    path.write_text("sk-from-file\n")
    async with HttpTarget() as target:
        await perform(local_service(target, auth_type="bearer", auth_config={"token_file": str(path)}))
    assert target.requests[0].header("authorization") == "Bearer sk-from-file"


async def test_a_secret_that_would_break_the_header_is_not_sent() -> None:
    """A line break inside a secret fails the job, naming the reference and not the value."""
    async with HttpTarget() as target:
        service = local_service(target, auth_type="bearer", auth_config={"token_env_var": "TOKEN"})
        failed = failure(await perform(service, secrets={"TOKEN": "sk-very\r\nsecret"}))
    assert target.requests == []
    assert "env:TOKEN" in failed.message
    assert "sk-very" not in failed.message


async def test_an_hmac_signature_covers_method_target_and_body() -> None:
    """The receiver can recompute the signature from what it got."""
    async with HttpTarget() as target:
        service = local_service(target, auth_type="hmac", auth_config={"secret_env_var": "TOKEN"})
        await perform(service, {"a": "é"}, secrets=SECRETS)
    (seen,) = target.requests
    signed = f"{seen.header('x-signature-timestamp')}\nPOST\n{seen.target}\n".encode() + seen.body
    assert seen.header("x-signature") == "sha256=" + hmac.new(b"sk-very-secret", signed, hashlib.sha256).hexdigest()


def oauth2(target: HttpTarget) -> dict[str, Any]:
    """Return the configuration of a service that gets its tokens from the target."""
    settings = {
        "token_url": f"{target.url}/token",
        "client_id_env_var": "USER_NAME",
        "client_secret_env_var": "PASS_WORD",
        "scope": "charges:write",
    }
    return {"auth_type": "oauth2", "auth_config": settings}


async def test_an_oauth2_token_is_fetched_once_for_many_jobs() -> None:
    """Jobs at the same time share one token request; later ones the kept token."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/token", reply(200, {"access_token": "at-secret-1", "expires_in": 3600}))
        service = local_service(target, **oauth2(target))
        await asyncio.gather(*(perform(service, runner=runner, secrets=SECRETS) for _ in range(8)))
        result = await perform(service, runner=runner, secrets=SECRETS)
        await runner.aclose()
    asked = [seen for seen in target.requests if seen.target == "/token"]
    assert len(asked) == 1
    assert asked[0].header("authorization") == "Basic " + base64.b64encode(b"ann:pass-word-1").decode()
    assert asked[0].body == b"grant_type=client_credentials&scope=charges%3Awrite"
    sent = {seen.header("authorization") for seen in target.requests if seen.target == "/v1/op"}
    assert sent == {"Bearer at-secret-1"}
    assert "at-secret" not in str(result)


async def test_a_token_that_is_no_longer_accepted_is_fetched_anew() -> None:
    """After a 401 the attempt is retryable, and the next one asks for a new token."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/token", *(reply(200, {"access_token": f"at-secret-{n}", "expires_in": 3600}) for n in (1, 2)))
        target.script("/v1/op", reply(401), reply(200, {}))
        service = local_service(target, **oauth2(target))
        first = failure(await perform(service, runner=runner, secrets=SECRETS))
        second = await perform(service, runner=runner, secrets=SECRETS)
        await runner.aclose()
    assert (first.category, first.retryable) == (Category.TARGET_ERROR, True)
    assert second.outcome == Succeeded({})
    assert target.requests[-1].header("authorization") == "Bearer at-secret-2"


async def test_a_short_lived_token_is_not_kept() -> None:
    """A token about to expire serves the request it was fetched for, and no other."""
    runner = HTTPRunner()
    async with HttpTarget() as target:
        target.script("/token", reply(200, {"access_token": "at-secret-1", "expires_in": 5}))
        service = local_service(target, **oauth2(target))
        for _ in range(2):
            assert (await perform(service, runner=runner, secrets=SECRETS)).outcome == Succeeded({"ok": True})
        await runner.aclose()
    assert [seen.target for seen in target.requests] == ["/token", "/v1/op"] * 2


@pytest.mark.parametrize(
    ("script", "category", "retryable"),
    [
        (reply(401, "bad client"), Category.TARGET_ERROR, False),
        (reply(503), Category.TARGET_UNAVAILABLE, True),
        (reset, Category.TARGET_UNAVAILABLE, True),
        (reply(200, "<html>"), Category.INVALID_OUTPUT, False),
        (reply(200, {"token": "x"}), Category.INVALID_OUTPUT, False),
        (reply(200, {"access_token": "a\r\nb"}), Category.INVALID_OUTPUT, False),
        (reply(200, "x" * 70_000), Category.RESOURCE_EXHAUSTED, False),
        (reply(307, location="/other"), Category.TARGET_ERROR, False),
    ],
)
async def test_no_token_no_request(script: Any, category: Category, retryable: bool) -> None:
    """Where the token endpoint fails, the job fails for that reason and the target is not called."""
    async with HttpTarget() as target:
        target.script("/token", script)
        failed = failure(await perform(local_service(target, **oauth2(target)), secrets=SECRETS))
    assert (failed.category, failed.retryable) == (category, retryable)
    assert "/token" in failed.message
    assert {seen.target for seen in target.requests} == {"/token"}


def test_the_token_endpoint_is_in_the_footprint() -> None:
    """Policy judges where tokens come from as it judges the target."""
    settings = {"token_url": "https://id.test/token", "client_id": "me", "client_secret_env_var": "S"}
    service = make_service(
        runner_config={"base_url": "https://api.test", "auth_type": "oauth2", "auth_config": settings}
    )
    runner = HTTPRunner()
    footprint = runner.plan(runner.validate_config(service), make_call(service)).footprint
    assert [endpoint.host for endpoint in footprint.endpoints] == ["api.test", "id.test"]
    assert footprint.secrets == ("env:S",)


# ---- TLS ------------------------------------------------------------------------------------------------------------


async def test_tls_is_verified_against_the_named_authority(tmp_path: Path) -> None:
    """An unknown authority is refused in a sentence; with `ca_file` it is trusted; the name must match."""
    context, ca_file = authority(tmp_path)
    policy = replace(LOCAL, allowed_domains=("localhost", "wrong.test"))

    async def here(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async with HttpTarget(tls=context) as target:
        base = {"base_url": f"https://localhost:{target.port}"}
        unknown = failure(await perform(make_service(runner_config=base, policy=policy)))
        trusted = await perform(make_service(runner_config=base | {"ca_file": ca_file}, policy=policy))
        off = await perform(make_service(runner_config=base | {"verify": False}, policy=policy))
        misnamed = make_service(
            runner_config={"base_url": f"https://wrong.test:{target.port}", "ca_file": ca_file}, policy=policy
        )
        runner = HTTPRunner(here)
        wrong = failure(await perform(misnamed, runner=runner))
        await runner.aclose()
    assert (unknown.category, unknown.retryable) == (Category.TARGET_UNAVAILABLE, True)
    assert "the certificate of localhost is not trusted (self-signed certificate)" in unknown.message
    assert trusted.outcome == off.outcome == Succeeded({"ok": True})
    assert "the certificate of wrong.test is not trusted" in wrong.message
    assert len(target.requests) == 2


async def test_a_client_certificate_is_shown_where_it_is_wanted(tmp_path: Path) -> None:
    """A server that wants a certificate gets the configured one, in one file or two, and serves nobody without."""
    context, ca_file = authority(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca_file)
    (tmp_path / "client.pem").write_text((tmp_path / "ca.pem").read_text() + (tmp_path / "key.pem").read_text())
    pair = {"cert": ca_file, "key": str(tmp_path / "key.pem")}
    async with HttpTarget(tls=context) as target:
        base = {"base_url": f"https://localhost:{target.port}", "ca_file": ca_file}
        policy = replace(LOCAL, allowed_domains=("localhost",))
        without = failure(await perform(make_service(runner_config=base, policy=policy)))
        for cert in (str(tmp_path / "client.pem"), pair):
            shown = await perform(make_service(runner_config=base | {"client_cert": cert}, policy=policy))
            assert shown.outcome == Succeeded({"ok": True})
        missing = base | {"client_cert": str(tmp_path / "gone.pem")}
        unreadable = failure(await perform(make_service(runner_config=missing, policy=policy)))
    assert without.category is Category.TARGET_UNAVAILABLE
    assert "client_cert" in unreadable.message
    assert len(target.requests) == 2


async def test_one_tls_connection_serves_many_jobs(tmp_path: Path) -> None:
    """The handshake is paid once, and every job is still judged."""
    context, ca_file = authority(tmp_path)
    runner = HTTPRunner()
    async with HttpTarget(tls=context) as target:
        config = {"base_url": f"https://localhost:{target.port}", "ca_file": ca_file}
        service = make_service(runner_config=config, policy=LOCAL)
        for _ in range(5):
            assert (await perform(service, runner=runner)).outcome == Succeeded({"ok": True})
        narrower = replace(service, policy=replace(LOCAL, allow_private_networks=False))
        refused = await perform(narrower, runner=runner)
        await runner.aclose()
    assert isinstance(refused.outcome, Refused)
    assert (len(target.requests), target.connections) == (5, 1)


async def test_https_is_never_left_for_http(tmp_path: Path) -> None:
    """A redirect from https to http is not followed, even where plain http is allowed."""
    context, ca_file = authority(tmp_path)
    policy = replace(LOCAL, max_redirects=3, allow_http=True)
    async with HttpTarget(tls=context) as target, HttpTarget() as plain:
        target.script("/op", reply(307, location=f"{plain.url}/x"))
        config = {"base_url": f"https://localhost:{target.port}", "ca_file": ca_file}
        failed = failure(await perform(make_service(runner_config=config, policy=policy)))
    assert failed.category is Category.TARGET_ERROR
    assert "from https to http" in failed.message
    assert plain.connections == 0


async def test_an_unreadable_ca_file_fails_the_job_in_a_sentence(tmp_path: Path) -> None:
    """A TLS file that is missing or no PEM is this host's fault, not the target's."""
    garbage = tmp_path / "ca.pem"
    garbage.write_text("no certificate")
    for path in (tmp_path / "absent.pem", garbage):
        service = make_service(runner_config={"base_url": "https://127.0.0.1", "ca_file": str(path)}, policy=LOCAL)
        failed = failure(await perform(service))
        assert (failed.category, failed.retryable) == (Category.INFRASTRUCTURE, False)
        assert "ca_file" in failed.message


async def test_plain_http_needs_permission() -> None:
    """Plain http to a public name is refused unless allow_http says otherwise."""
    service = make_service(runner_config={"base_url": "http://api.test"}, policy=Policy(allowed_domains=("api.test",)))
    outcome = (await perform(service)).outcome
    assert isinstance(outcome, Refused)
    assert outcome.violations[0].code == "scheme_not_allowed"


async def test_doctor_names_the_trust_store() -> None:
    """The check says which certificates are trusted, and that proxies are never used."""
    checks = {check.name: check for check in await HTTPRunner().check()}
    assert checks["http trust store"].status == "ok"
    assert "never" in checks["http proxies"].detail
