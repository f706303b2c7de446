"""A program, not imported: `PID SOCKET PORT…` listens inside the network of a process and hands the sockets over.

Only a process with one thread may enter a user namespace, and a worker has more: hence a program of its own.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_BACKLOG = 16


def main() -> None:
    """Enter, listen on each port of 127.0.0.1, and send the descriptors over the given socket."""
    pid, channel, *ports = map(int, sys.argv[1:])
    if os.geteuid() != 0:  # root may enter any network; others only one whose owner they become
        _enter(pid, "user", _NEW_USER)
    _enter(pid, "net", _NEW_NET)
    listeners = [_listening(port) for port in ports]
    with socket.socket(fileno=channel) as out:
        socket.send_fds(out, [b"x"], [listener.fileno() for listener in listeners])


def _enter(pid: int, name: str, kind: int) -> None:
    descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, kind) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter the {name} namespace")
    os.close(descriptor)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


if __name__ == "__main__":
    main()
