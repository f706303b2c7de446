"""The questions of `--online`: what is asked, how often, and what no answer means."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from specql_jobs.core.errors import Unavailable
from specql_jobs.core.online.check import AT_A_TIME, Online, Sources, check
from specql_jobs.core.online.subjects import Kind, subjects
from specql_jobs.core.registry.load import Loaded, load_text


def registry(*hosts: str) -> Loaded:
    services = {
        f"s{number}": {
            "runner_config": {"base_url": f"https://{host}/", "timeout": 9},
            "security_policy": {"allowed_domains": [host.partition(":")[0]]},
            "operations": {"a": {"input_schema": {}}},
        }
        for number, host in enumerate(hosts)
    }
    return load_text(str({"services": services}), variables={})


class World:
    """Name servers that know what they are told, and remember what they were asked."""

    def __init__(self, addresses: Sequence[str] = (), error: Exception | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.most = 0
        self._now = 0
        self._addresses = addresses
        self._error = error

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Answer as told, and count who asks at the same time."""
        self.asked.append((host, port))
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        if self._error is not None:
            raise self._error
        return self._addresses


async def nobody(*_question: object) -> bool:
    raise Unavailable("nobody knows")


async def ask(loaded: Loaded, world: World) -> Online:
    return await check(loaded, {Kind.DNS}, Sources(world.resolve, nobody, lambda _ref: False, nobody))


async def test_a_host_is_asked_about_once() -> None:
    """However many services call a host, its name is looked up once, and each service gets the answer."""
    world = World(["10.0.0.1"])
    online = await ask(registry("a.example", "a.example", "a.example"), world)
    assert world.asked == [("a.example", 443)]
    assert [each.service for each in online.findings] == ["s0", "s1", "s2"]


async def test_the_port_of_the_url_is_asked_for() -> None:
    """A URL's own port is what is looked up."""
    world = World(["9.9.9.9"])
    assert (await ask(registry("a.example:8443"), world)).findings == ()
    assert world.asked == [("a.example", 8443)]


async def test_questions_under_way_are_bounded() -> None:
    """A hundred hosts are not a hundred threads."""
    world = World(["9.9.9.9"])
    await ask(registry(*(f"h{number}.example" for number in range(100))), world)
    assert len(world.asked) == 100
    assert 1 < world.most <= AT_A_TIME


async def test_one_refused_address_of_many_is_enough() -> None:
    """A name with a public and a private address is refused, as the runner would refuse it."""
    online = await ask(registry("a.example"), World(["9.9.9.9", "169.254.169.254"]))
    assert [each.code for each in online.findings] == ["SQJ902"]
    assert "169.254.169.254" in online.findings[0].message


@pytest.mark.parametrize(
    ("error", "findings", "skipped"),
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "unknown"), ["SQJ901"], [], id="unknown-name"),
        pytest.param(UnicodeError("label too long"), ["SQJ901"], [], id="no-name-at-all"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "again"), [], ["SQJ901"], id="no-name-server"),
        pytest.param(TimeoutError(), [], ["SQJ901"], id="no-answer"),
    ],
)
async def test_no_answer_is_not_no(error: Exception, findings: list[str], skipped: list[str]) -> None:
    """A server that knows no such name says no; servers that cannot be reached say nothing."""
    online = await ask(registry("a.example"), World(error=error))
    assert [each.code for each in online.findings] == findings
    assert [each.code for each in online.skipped] == skipped
    assert all(each.reason for each in online.skipped)


async def test_names_that_cannot_exist_are_not_asked() -> None:
    """No name ends with .invalid: the answer is known without a question."""
    world = World(["9.9.9.9"])
    assert [each.code for each in (await ask(registry("a.invalid"), world)).findings] == ["SQJ901"]
    assert world.asked == []


def test_addresses_are_no_subjects() -> None:
    """An address in a URL needs no look-up: the rules that need no network judge it."""
    assert list(subjects(registry("9.9.9.9").defined)) == []


def test_every_secret_of_a_service_is_a_subject() -> None:
    """Keys that end with _env_var or _file are secrets at any depth, with the place of their value."""
    config: dict[str, Any] = {
        "base_url": "https://9.9.9.9",
        "ca_file": "/ca.pem",
        "auth_type": "basic",
        "auth_config": {"username": "me", "password_env_var": "PW"},
    }
    loaded = load_text(str({"services": {"a": {"runner_config": config, "operations": {"b": {}}}}}), variables={})
    found = {str(each.what): each.position.column for each in subjects(loaded.defined) if each.kind is Kind.SECRETS}
    assert set(found) == {"file:/ca.pem", "env:PW"}
    assert all(found.values())
