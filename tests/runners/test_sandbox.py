"""The sandbox's command line and system-call filter as values, with no process started."""

from __future__ import annotations

import os
import select
from contextlib import ExitStack

import pytest

from specql_jobs.core.contract import ResourceRequirements
from specql_jobs.runners import seccomp
from specql_jobs.runners.sandbox import HostLayout, Sandbox, Source, limit_words, options
from specql_jobs.runners.shell_launch import Lending

LAYOUT = HostLayout(links=(("usr/bin", "/bin"),), folders=("/lib64",))


def _sandbox(**more: object) -> Sandbox:
    values: dict[str, object] = {
        "layout": LAYOUT,
        "network": "none",
        "scratch_mib": 8,
        "working_directory": "/work",
        "environment": {"A": "1"},
        "passwd": 11,
        "seccomp": 12,
        "block": 13,
        "status": 14,
        **more,
    }
    return Sandbox(**values)  # type: ignore[arg-type]  # built from a mapping for brevity


def _has(words: list[str], *wanted: str) -> bool:
    """Whether `wanted` stands in `words` as one run."""
    return any(tuple(words[at : at + len(wanted)]) == wanted for at in range(len(words)))


@pytest.mark.parametrize(
    "wanted",
    [
        ("--unshare-user",),
        ("--unshare-pid",),
        ("--unshare-ipc",),
        ("--die-with-parent",),
        ("--new-session",),
        ("--clearenv",),
        ("--cap-drop", "ALL"),
        ("--ro-bind", "/usr", "/usr"),
        ("--symlink", "usr/bin", "/bin"),
        ("--ro-bind", "/lib64", "/lib64"),
        ("--size", "1048576", "--tmpfs", "/dev/shm"),
        ("--size", "8388608", "--perms", "1777", "--tmpfs", "/tmp"),
        ("--size", "8388608", "--perms", "0700", "--tmpfs", "/work"),
        ("--remount-ro", "/dev", "--remount-ro", "/"),
        ("--chdir", "/work"),
        ("--setenv", "A", "1"),
        ("--seccomp", "12"),
        ("--block-fd", "13"),
        ("--json-status-fd", "14"),
    ],
)
def test_every_sandbox_has(wanted: tuple[str, ...]) -> None:
    """Each isolation is on the command line of every sandbox, whatever the plan."""
    for network in ("none", "localhost", "all"):
        assert _has(options(_sandbox(network=network)), *wanted)


@pytest.mark.parametrize(("network", "own"), [("none", True), ("localhost", True), ("all", False)])
def test_only_network_all_shares_the_network(network: str, own: bool) -> None:
    """Every network mode but `all` has a network of its own; only `all` sees the host's resolver."""
    words = options(_sandbox(network=network))
    assert ("--unshare-net" in words) is own
    assert ("/etc/resolv.conf" in words) is not own


def test_sources_are_mounted_in_order_by_descriptor() -> None:
    """Host paths are mounted by their opened descriptors, parents first, writable only where said."""
    sources = (Source(20, "/data", writable=False), Source(21, "/data/out", writable=True))
    words = options(_sandbox(sources=sources))
    assert _has(words, "--ro-bind-fd", "20", "/data", "--bind-fd", "21", "/data/out")
    assert words.index("--remount-ro") > words.index("--bind-fd")
    assert _sandbox(sources=sources).descriptors == (11, 12, 13, 14, 20, 21)


def test_single_process_limits() -> None:
    """Limits of one process stand before the command, and `--` keeps its own options apart."""
    resources = ResourceRequirements(memory_mb=64, pids=8, open_files=32, disk_mb=4, cpu_seconds=1.5)
    words = limit_words(resources, weak=False)
    assert words[0] == "/usr/bin/prlimit"
    assert words[-1] == "--"
    assert {"--core=0:0", "--nofile=32:32", "--fsize=4194304:4194304", "--cpu=2:3"} <= set(words)
    assert not any(word.startswith(("--data", "--nproc", "--as")) for word in words)


def test_weak_limits_add_what_control_groups_would_have_held() -> None:
    """Without control groups memory and processes are limited per process and user, never by address space."""
    words = limit_words(ResourceRequirements(memory_mb=64, pids=8), weak=True)
    assert {"--data=67108864:67108864", "--nproc=9:9"} <= set(words)
    assert not any(word.startswith("--as") for word in words)


def test_gate_never_comes_to_its_end() -> None:
    """A worker that dies before it opened the gate leaves it closed: the end of the pipe is not a release."""
    with ExitStack() as lent, ExitStack() as kept:
        read, _ = Lending(lent, kept).gate()
        kept.close()
        ready, _, _ = select.select([read], [], [], 0)
        assert ready == []


def test_lent_descriptors_are_closed_with_their_stacks() -> None:
    """Whatever was opened for a sandbox is closed again, whether it started or not."""
    before = sorted(os.listdir("/proc/self/fd"))
    with ExitStack() as lent, ExitStack() as kept:
        lending = Lending(lent, kept)
        lending.gate()
        lending.pipe()
        assert os.pread(lending.memory(b"abc"), 9, 0) == b"abc"
    assert sorted(os.listdir("/proc/self/fd")) == before


# ---- the system-call filter, interpreted here as the kernel would ---------------------------------------------------

ALLOW, EPERM, ENOSYS, EAFNOSUPPORT, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x50061, 0x80000000
X86, ARM = ("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)


def _verdict(machine: tuple[str, int], network: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the program over one call and return what it answers."""
    code = seccomp.program(machine[0], network)
    assert code is not None
    words = {0: number, 4: machine[1] if audit is None else audit}
    words |= {16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate(arguments)}
    at, loaded = 0, 0
    while True:
        kind, yes, no, value = (
            int.from_bytes(code[at * 8 + start : at * 8 + end], "little")
            for start, end in ((0, 2), (2, 3), (3, 4), (4, 8))
        )
        at += 1
        if kind == 0x06:
            return value
        if kind == 0x20:
            loaded = words.get(value, 0)
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[kind]
        at += yes if holds else no


@pytest.mark.parametrize(
    ("machine", "call", "answer"),
    [
        (X86, (0,), ALLOW),  # read
        (X86, (59,), ALLOW),  # execve
        (X86, (101,), EPERM),  # ptrace
        (X86, (435,), ENOSYS),  # clone3
        (X86, (425,), ENOSYS),  # io_uring_setup
        (X86, (56, 0x01200011), ALLOW),  # clone as fork does it
        (X86, (56, 0x003D0F00), ALLOW),  # clone as a thread library does it
        (X86, (56, 0x10000011), EPERM),  # clone with a user namespace
        (X86, (272, 0x80), EPERM),  # unshare of the time namespace
        (X86, (272, 0x400), ALLOW),  # unshare of open files
        (X86, (16, 1, 0x5401), ALLOW),  # isatty
        (X86, (16, 1, 0x5412), EPERM),  # TIOCSTI
        (X86, (16, 1, 0x1_0000_5412), EPERM),  # the kernel looks at 32 bits of the request
        (X86, (0x40000000,), ENOSYS),  # x32
        (ARM, (63,), ALLOW),  # read
        (ARM, (117,), EPERM),  # ptrace
        (ARM, (220, 0x10000011), EPERM),  # clone with a user namespace
        (ARM, (29, 1, 0x5412), EPERM),  # TIOCSTI
    ],
)
def test_filter_answers(machine: tuple[str, int], call: tuple[int, ...], answer: int) -> None:
    """Each call gets its answer: ordinary ones pass, reaching beyond the sandbox does not."""
    assert _verdict(machine, "none", *call) == answer


@pytest.mark.parametrize(("machine", "number"), [(X86, 41), (X86, 53), (ARM, 198), (ARM, 199)])
@pytest.mark.parametrize(
    ("family", "network", "answer"),
    [
        (1, "none", ALLOW),
        (16, "none", ALLOW),
        (2, "none", EAFNOSUPPORT),
        (10, "none", EAFNOSUPPORT),
        (2, "localhost", ALLOW),
        (10, "all", ALLOW),
        (40, "all", EAFNOSUPPORT),
        (38, "all", EAFNOSUPPORT),
    ],
)
def test_filter_of_socket_families(
    machine: tuple[str, int], number: int, family: int, network: str, answer: int
) -> None:
    """Sockets exist only in the families that the plan's network needs."""
    assert _verdict(machine, network, number, family) == answer


def test_filter_kills_another_architectures_calls() -> None:
    """A call through another architecture's table, whose numbers mean other things, ends the process."""
    assert _verdict(X86, "none", 0, audit=0x40000003) == KILL


def test_unknown_machine_has_no_filter() -> None:
    """A machine without a table gets no program, and so no sandbox."""
    assert seccomp.program("riscv64", "none") is None
