"""A real PgBouncer in front of the tests' server, on 127.0.0.1, ended with the block."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .relay import Relay
from .require import require
from .waiting import until

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
"""


@asynccontextmanager
async def pgbouncer(dsn: str, mode: str) -> AsyncIterator[str]:
    """Yield a DSN that leads to the same database through a pooler in that mode (session, transaction)."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    require("pgbouncer", program is not None, "it is not installed (apt-get install pgbouncer)")
    with tempfile.TemporaryDirectory(prefix="sqj-") as folder:
        async with Relay(dsn) as relay:  # the server's own socket is closed to the user that a pooler must run as
            port = _free_port()
            file = _configure(Path(folder), mode, port, relay.dsn)
            process = _started(str(program), file)
            try:
                await asyncio.to_thread(until, lambda: _listens(port), "the pooler listens")
                yield make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait)


def _started(program: str, file: Path) -> subprocess.Popen[bytes]:
    """Root may not run it: another user does."""
    identity = ["-u", "nobody"] if os.geteuid() == 0 else []
    return subprocess.Popen([program, *identity, str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _configure(folder: Path, mode: str, port: int, server: str) -> Path:
    folder.chmod(0o755)
    given = conninfo_to_dict(server)
    (folder / "users").write_text(f'"{given["user"]}" "{given.get("password") or ""}"\n')
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(server=given["port"], port=port, folder=folder, mode=mode))
    return file


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
