"""`localhost_ports`: the ports of the host that policy names, and nothing else of its network."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from support.shelljobs import Job, execute, run, sandbox_here, script, stdout
from support.waiting import until_async

from specql_jobs.core.contract import ExecutionContext, StopReason
from specql_jobs.core.policy import Policy, judge
from specql_jobs.runners.shell import ShellScriptRunner
from specql_jobs.runners.shell_ports import MOST_CONNECTIONS

__all__ = ["sandbox_here"]


@dataclass(slots=True)
class Echo:
    """A server on this host's loopback that returns what it hears; `heard` is all of it, `open` its connections."""

    port: int
    heard: bytearray = field(default_factory=bytearray)
    open: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def _echo(address: str = "127.0.0.1") -> Iterator[Echo]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=200) as server:
        echo = Echo(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, echo), daemon=True)
        thread.start()
        yield echo
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _accept(server: socket.socket, echo: Echo) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_talk, args=(connection, echo), daemon=True).start()


def _talk(connection: socket.socket, echo: Echo) -> None:
    with echo.lock:
        echo.open += 1
        echo.most = max(echo.most, echo.open)
    with suppress(OSError), connection:
        while piece := connection.recv(65536):
            echo.heard += piece
            connection.sendall(piece)
    with echo.lock:
        echo.open -= 1


def _allowed(*ports: int, network: str = "localhost") -> dict[str, object]:
    return {"network_access": network, "localhost_ports": ports}


TALK = """
import socket
try:
    with socket.create_connection((ADDRESS, PORT), 3) as c:
        c.sendall(b'hello from inside')
        c.shutdown(socket.SHUT_WR)
        said = b''
        while piece := c.recv(65536):
            said += piece
        print('heard', said.decode())
except OSError as error:
    print('no', error.errno)
"""


def _talk_to(port: int, address: str = "127.0.0.1") -> str:
    return TALK.replace("ADDRESS", repr(address)).replace("PORT", str(port))


def test_a_named_port_answers() -> None:
    """A job talks to the server on the named port of the host's loopback, both ways and to the end."""
    with _echo() as echo:
        assert stdout(run(script(_talk_to(echo.port), policy=_allowed(echo.port)))) == "heard hello from inside\n"
        assert bytes(echo.heard) == b"hello from inside"


def test_a_port_beside_it_does_not() -> None:
    """The server next to the named one hears nothing."""
    with _echo() as named, _echo() as other:
        assert stdout(run(script(_talk_to(other.port), policy=_allowed(named.port)))).startswith("no")
        assert (bytes(named.heard), bytes(other.heard)) == (b"", b"")


@pytest.mark.parametrize("address", ["::1", "127.0.0.2"])
def test_only_this_address(address: str) -> None:
    """A server on the same port of another address of the loopback is not reached: only 127.0.0.1 is relayed."""
    with _echo(address) as echo:
        assert stdout(run(script(_talk_to(echo.port, address), policy=_allowed(echo.port)))).startswith("no")
        assert bytes(echo.heard) == b""


def test_without_a_name_no_port() -> None:
    """`network_access: localhost` alone reaches no port of the host."""
    with _echo() as echo:
        assert stdout(run(script(_talk_to(echo.port), policy=_allowed()))).startswith("no")


def test_a_job_cannot_take_the_port_first() -> None:
    """The port is taken before the job begins, so that it cannot put a server of its own in its place."""
    with _echo() as echo:
        take = f"socket.create_server(('127.0.0.1', {echo.port}))"
        code = f"import socket\ntry:\n    {take}\nexcept OSError as error:\n    print(error.errno)"
        assert stdout(run(script(code, policy=_allowed(echo.port)))) == "98\n"  # EADDRINUSE


def test_a_job_that_runs_beside_it_has_no_part_in_it() -> None:
    """The relay listens in one job's network; another job's loopback is its own."""
    with _echo() as echo:

        async def both() -> tuple[str, str]:
            with_port = script(_talk_to(echo.port), policy=_allowed(echo.port))
            without = script("import time; time.sleep(0.2)\n" + _talk_to(echo.port), policy=_allowed())
            return stdout(await execute(with_port)), stdout(await execute(without))

        one, other = asyncio.run(both())
    assert one.startswith("heard")
    assert other.startswith("no")


def test_connections_are_bounded() -> None:
    """A job that opens more connections than it may meets closed ones; the host's server never sees them."""
    code = f"""
import socket
kept, closed = [], 0
for n in range({MOST_CONNECTIONS} + 40):
    c = socket.create_connection(('127.0.0.1', PORT), 5)
    c.settimeout(5)
    try:
        c.sendall(b'x')
        closed += not c.recv(1)
    except ConnectionError:
        closed += 1
    kept.append(c)
print(closed)
"""
    with _echo() as echo:
        said = stdout(run(script(code.replace("PORT", str(echo.port)), policy=_allowed(echo.port))))
        assert said == "40\n"
        assert echo.most == MOST_CONNECTIONS


def test_nothing_is_relayed_after_the_end() -> None:
    """A job that is cancelled with a connection open: the host's server sees its end."""
    with _echo() as echo:

        async def meanwhile(context: ExecutionContext) -> None:
            async def heard() -> bool:
                return bytes(echo.heard) == b"hello from inside"

            await until_async(heard, "the server has heard the job")
            context.stop.request(StopReason.CANCELLED)

        code = _talk_to(echo.port).replace("c.shutdown(socket.SHUT_WR)", "import time; time.sleep(600)")
        run(script(code, policy=_allowed(echo.port)), meanwhile=meanwhile)

        async def closed() -> bool:
            return echo.open == 0

        asyncio.run(until_async(closed, "the connection is closed"))


def test_a_server_that_is_not_there() -> None:
    """A named port on which nothing listens ends the connection; the job goes on."""
    with _echo() as echo:
        port = echo.port
    said = stdout(run(script(_talk_to(port), policy=_allowed(port))))
    assert said == "heard \n" or said.startswith("no")


def test_the_footprint_names_the_ports() -> None:
    """The ports are in the plan's footprint, so that a narrower policy refuses them."""
    plan = Job(argv=("/bin/true",), policy=_allowed(8080, 9090)).plan(ShellScriptRunner())
    assert plan.footprint.localhost_ports == (8080, 9090)
    assert plan.describe()["localhost_ports"] == [8080, 9090]
    narrower = Policy(allowed_commands=("/bin/true",), network_access="localhost", localhost_ports=(8080,))
    assert [violation.code for violation in judge(plan.footprint, narrower)] == ["port_not_allowed"]
