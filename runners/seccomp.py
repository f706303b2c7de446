"""The system calls that no job may make, as a classic-BPF program for bubblewrap's --seccomp. Pure.

A deny list of what reaches beyond a sandbox: namespaces, mounts, tracing, keyrings, loading code into the kernel,
io_uring (which passes by socket filters), and socket families other than the few a plan's network needs. Numbers are
those of Linux's unistd tables for x86_64 and aarch64; another machine gets no program, and so no sandbox.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from functools import lru_cache

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Offsets in struct seccomp_data: the low words of the first two arguments, on little-endian machines.
_NUMBER, _MACHINE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24

#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_NEW_TIME = 0x80  # CLONE_NEWTIME: a namespace for unshare, part of the exit signal for clone
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # push input into a terminal

#: name: (x86_64, aarch64); None where the machine has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "personality": (135, 92),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}

#: Answered as if the kernel were older, so that programs fall back: their arguments stand behind a pointer.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}

_LOCAL_FAMILIES = (int(socket.AF_UNIX), int(socket.AF_NETLINK))
_INTERNET_FAMILIES = (int(socket.AF_INET), int(socket.AF_INET6))


@dataclass(frozen=True, slots=True)
class _Machine:
    """One processor architecture: its AUDIT_ARCH word, its column above, the calls whose arguments count."""

    audit: int
    column: int
    clone: int
    unshare: int
    ioctl: int
    sockets: tuple[int, int]
    x32_from: int | None = None  # x86_64 has a second table of numbers for the x32 ABI


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 0, clone=56, unshare=272, ioctl=16, sockets=(41, 53), x32_from=0x40000000),
    "aarch64": _Machine(0xC00000B7, 1, clone=220, unshare=97, ioctl=29, sockets=(198, 199)),
}


@lru_cache(maxsize=8)
def program(machine: str, network: str) -> bytes | None:
    """Return the filter for `machine` (platform.machine()) and a plan's `network`; None for an unknown machine."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    families = _LOCAL_FAMILIES if network == "none" else (*_LOCAL_FAMILIES, *_INTERNET_FAMILIES)
    return b"".join(
        (
            _entry(known),
            _refusals(known),
            _flag_check(known.clone, _NEW_NAMESPACES),
            _flag_check(known.unshare, _NEW_NAMESPACES | _NEW_TIME),
            _terminal_check(known.ioctl),
            *(_family_check(number, families) for number in known.sockets),
            _give(_ALLOW),
        )
    )


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _give(verdict: int) -> bytes:
    return _instruction(_RETURN, verdict)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, offset)


def _entry(machine: _Machine) -> bytes:
    """Kill calls of another architecture, hide x32, and leave the call's number loaded."""
    start = _load(_MACHINE) + _instruction(_EQUAL, machine.audit, if_true=1) + _give(_KILL) + _load(_NUMBER)
    if machine.x32_from is None:
        return start
    return start + _instruction(_AT_LEAST, machine.x32_from, if_false=1) + _give(_ERRNO | errno.ENOSYS)


def _refusals(machine: _Machine) -> bytes:
    rules = [(row[machine.column], errno.EPERM) for row in _REFUSED.values()]
    rules += [(row[machine.column], errno.ENOSYS) for row in _ABSENT.values()]
    return b"".join(_when(number, _give(_ERRNO | error)) for number, error in rules if number is not None)


def _when(number: int, then: bytes) -> bytes:
    """Run `then` for the call `number`, else step over it; the number stays loaded."""
    return _instruction(_EQUAL, number, if_false=len(then) // 8) + then


def _flag_check(number: int, flags: int) -> bytes:
    refuse = _instruction(_ANY_BIT, flags, if_false=1) + _give(_ERRNO | errno.EPERM)
    return _when(number, _load(_ARGUMENT_0) + refuse + _give(_ALLOW))


def _terminal_check(number: int) -> bytes:
    refuse = b"".join(
        _instruction(_EQUAL, request, if_false=1) + _give(_ERRNO | errno.EPERM) for request in (_TIOCSTI, _TIOCLINUX)
    )
    return _when(number, _load(_ARGUMENT_1) + refuse + _give(_ALLOW))


def _family_check(number: int, families: tuple[int, ...]) -> bytes:
    admit = b"".join(_instruction(_EQUAL, family, if_false=1) + _give(_ALLOW) for family in families)
    return _when(number, _load(_ARGUMENT_0) + admit + _give(_ERRNO | errno.EAFNOSUPPORT))
