"""Shell jobs that try to leave the sandbox, reach a network, or run another program than the one that was allowed."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.shelljobs import JOB_UID, SHELL, Job, failed, folder, refused, run, sandbox_here, script, stdout, succeeded

from specql_jobs.core.contract import Outcome, PlanError
from specql_jobs.core.job import Category
from specql_jobs.runners.shell import ShellScriptRunner
from specql_jobs.runners.shell_attempt import Admitted
from specql_jobs.runners.shell_plan import ShellPlan

__all__ = ["folder", "sandbox_here"]  # fixtures, imported for their names


# ---- network -------------------------------------------------------------------------------------------------------


@contextmanager
def _listening(family: int, address: tuple[str, int] | str) -> Iterator[tuple[socket.socket, list[bytes]]]:
    """A server of this host that notes what reaches it."""
    heard: list[bytes] = []
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()
        thread = threading.Thread(target=_note, args=(server, heard), daemon=True)
        thread.start()
        yield server, heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _note(server: socket.socket, heard: list[bytes]) -> None:
    try:
        while True:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(16))
    except OSError:
        return  # shut down: the test is over


CONNECT = """
import socket
try:
    s = socket.socket(FAMILY)
    s.connect(ADDRESS)
    s.sendall(b'hello')
    print('reached')
except OSError as error:
    print('no', error.errno)
"""


@pytest.mark.parametrize(("network", "reached"), [("none", False), ("localhost", False), ("all", True)])
def test_loopback_of_the_host(network: str, reached: bool) -> None:
    """Only `network_access: all` reaches a server on the host's loopback: `localhost` is one of the job's own."""
    with _listening(socket.AF_INET, ("127.0.0.1", 0)) as (server, heard):
        code = CONNECT.replace("FAMILY", "socket.AF_INET").replace("ADDRESS", repr(server.getsockname()))
        said = stdout(run(script(code, policy={"network_access": network})))
    assert (said == "reached\n") is reached
    assert heard == ([b"hello"] if reached else [])


def test_abstract_socket_of_the_host() -> None:
    """A unix socket without a path, which no mount hides, is out of reach without `network_access: all`."""
    name = f"\0sqj-{os.getpid()}"
    with _listening(socket.AF_UNIX, name) as (_, heard):
        code = CONNECT.replace("FAMILY", "socket.AF_UNIX").replace("ADDRESS", repr(name))
        assert stdout(run(script(code))).startswith("no")
    assert heard == []


def test_private_loopback_serves_the_job_itself() -> None:
    """Under `network_access: localhost` a job can listen and connect to itself."""
    code = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nc = socket.create_connection(s.getsockname())\n"
        "print('talks')"
    )
    assert stdout(run(script(code, policy={"network_access": "localhost"}))) == "talks\n"


@pytest.mark.parametrize("number", [2, 10, 17, 29, 31, 38, 40])  # inet, inet6, packet, can, bluetooth, alg, vsock
def test_socket_families_are_closed(number: int) -> None:
    """Without network no socket beyond unix and netlink can be made; vsock would reach the hypervisor."""
    code = f"import socket\ntry:\n  socket.socket({number}, 3)\n  print('open')\nexcept OSError as e:\n  print(e.errno)"
    assert stdout(run(script(code))) == "97\n"


def test_localhost_ports_without_network_is_refused_not_ignored() -> None:
    """A policy that grants ports of the host but no network contradicts itself, so no plan is made."""
    with pytest.raises(PlanError, match="localhost_ports") as caught:
        Job(argv=("/bin/true",), policy={"localhost_ports": (8080,)}).plan(ShellScriptRunner())
    assert caught.value.category is Category.POLICY_VIOLATION


# ---- the kernel ----------------------------------------------------------------------------------------------------

SYSCALLS = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == 'x86_64' else 1
for name, numbers, arguments in CALLS:
    ctypes.set_errno(0)
    result = libc.syscall(numbers[column], *arguments)
    print(name, result, ctypes.get_errno())
"""

CALLS = [
    ("unshare user", (272, 97), (0x10000000, 0, 0, 0, 0)),
    ("clone user", (56, 220), (0x10000000 | 17, 0, 0, 0, 0)),
    ("setns", (308, 268), (0, 0, 0, 0, 0)),
    ("mount", (165, 40), (0, 0, 0, 0, 0)),
    ("fsopen", (430, 430), (0, 0, 0, 0, 0)),
    ("ptrace", (101, 117), (0, 0, 0, 0, 0)),
    ("process_vm_readv", (310, 270), (1, 0, 0, 0, 0)),
    ("keyctl", (250, 219), (0, 0, 0, 0, 0)),
    ("add_key", (248, 217), (0, 0, 0, 0, 0)),
    ("bpf", (321, 280), (0, 0, 0, 0, 0)),
    ("perf_event_open", (298, 241), (0, 0, 0, 0, 0)),
    ("userfaultfd", (323, 282), (0, 0, 0, 0, 0)),
    ("personality", (135, 92), (0x0040000, 0, 0, 0, 0)),
    ("TIOCSTI", (16, 29), (0, 0x5412, 0, 0, 0)),
    ("TIOCSTI, high bits set", (16, 29), (0, 0x100005412, 0, 0, 0)),
    ("open_by_handle_at", (304, 265), (0, 0, 0, 0, 0)),
]


def test_refused_system_calls() -> None:
    """Calls that reach beyond the sandbox answer EPERM, and those hidden behind pointers ENOSYS."""
    said = stdout(run(script(SYSCALLS.replace("CALLS", repr(CALLS)))))
    assert said.splitlines() == [f"{name} -1 1" for name, _, _ in CALLS]
    absent = [("clone3", (435, 435), (0,)), ("io_uring_setup", (425, 425), (0,))]
    said = stdout(run(script(SYSCALLS.replace("CALLS", repr(absent)))))
    assert said.splitlines() == ["clone3 -1 38", "io_uring_setup -1 38"]


def test_job_has_no_privileges_to_gain() -> None:
    """The job runs as its own user, without capabilities, and setuid programs give it none."""
    status = stdout(run(Job(argv=(SHELL, "-c", "cat /proc/self/status; /usr/bin/su -c id 2>&1; true"))))
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(JOB_UID)] * 4
    assert fields["Groups"].split() == []
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert "uid=0" not in status


def test_job_sees_only_its_own_processes() -> None:
    """A job's process list is its own: it has nobody to signal."""
    said = stdout(run(script("import os\nprint(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")))
    assert said == "[1, 2]\n"


# ---- the program ---------------------------------------------------------------------------------------------------


def test_relative_command_is_refused() -> None:
    """A command without a full path is found by nobody: it is refused, even where it is listed."""
    assert "command_not_absolute" in refused(run(Job(argv=("true",))))


@pytest.mark.parametrize("command", ["/bin/sh", "/usr/bin/../bin/true", "/usr/bin/true ", "/usr/bin/TRUE", "/usr/bin"])
def test_input_chooses_only_listed_commands(command: str) -> None:
    """With the default mapping the input names the command, and only the listed text is accepted."""
    job = Job(argv=None, input={"command": command}, policy={"allowed_commands": ("/usr/bin/true",)})
    assert "command_not_allowed" in refused(run(job))


@pytest.mark.parametrize("name", ["LD_PRELOAD", "ld_preload", "PYTHONPATH", "PATH", "SPECQL_JOB_ID", "HTTPS_PROXY"])
def test_input_cannot_set_dangerous_variables(name: str) -> None:
    """Variables that change which code runs are refused from input, even where the policy lists them."""
    job = Job(
        argv=None,
        input={"command": "/usr/bin/true", "env_vars": {name: "/tmp/evil.so"}},
        policy={"allowed_commands": ("/usr/bin/true",), "allowed_env": (name,)},
    )
    assert "env_dangerous" in refused(run(job))


def test_input_sets_only_listed_variables() -> None:
    """A variable from input reaches the job if policy lists it, and is refused if not."""
    base = {"command": "/usr/bin/env", "env_vars": {"COLOUR": "green"}}
    policy = {"allowed_commands": ("/usr/bin/env",)}
    assert "env_not_allowed" in refused(run(Job(argv=None, input=base, policy=policy)))
    result = run(Job(argv=None, input=base, policy={**policy, "allowed_env": ("COLOUR",)}))
    assert "COLOUR=green\n" in stdout(result)


def test_input_cannot_become_an_option() -> None:
    """A value that would turn an argument into an option has no plan."""
    job = Job(argv=("/usr/bin/sort", "{file}"), input={"file": "--compress-program=/bin/sh"})
    with pytest.raises(PlanError, match="option"):
        job.plan(ShellScriptRunner())


def test_input_is_one_argument_whatever_it_holds() -> None:
    """Blanks, quotes, newlines and shell syntax in a value stay inside one argument; nothing expands them."""
    value = "a b; touch /work/x $(id) `id` 'q' \"d\"\n* ~ {other} %s \\"
    job = Job(argv=("/usr/bin/printf", "<%s>", "{text}", "end"), input={"text": value})
    assert succeeded(run(job))["stdout"] == f"<{value}><end>"


def test_options_of_the_wrappers_cannot_be_injected() -> None:
    """Arguments that look like options of bubblewrap or prlimit reach the job as they are."""
    words = ("--bind", "/", "/", "--nproc=1000", "--", "--args", "3")
    job = Job(argv=None, input={"command": "/usr/bin/printf", "args": ["%s ", *words]})
    result = run(Job(argv=None, input=job.input, policy={"allowed_commands": ("/usr/bin/printf",)}))
    assert succeeded(result)["stdout"].split() == list(words)


def test_setuid_command_is_refused(folder: Path) -> None:
    """A setuid program is never run, even where it is listed."""
    program = folder / "tool"
    shutil.copy("/usr/bin/true", program)
    program.chmod(0o4755)
    assert "setuid" in refused(run(Job(argv=(str(program),))))["path_refused"]


@pytest.mark.parametrize("loose", ["file", "folder"])
def test_command_that_others_could_swap_is_refused(folder: Path, loose: str) -> None:
    """A program that other users may write, itself or its folder, is refused."""
    program = folder / "tool"
    shutil.copy("/usr/bin/true", program)
    program.chmod(0o757 if loose == "file" else 0o755)
    folder.chmod(0o757 if loose == "folder" else 0o755)
    assert "could be swapped" in refused(run(Job(argv=(str(program),))))["path_refused"]


def test_command_of_another_user_is_refused(folder: Path) -> None:
    """A program that belongs to neither root nor the worker is refused."""
    program = folder / "tool"
    shutil.copy("/usr/bin/true", program)
    os.chown(program, 12345, 12345)
    assert "belongs to user 12345" in refused(run(Job(argv=(str(program),))))["path_refused"]


def test_program_swapped_before_the_start_is_not_run(folder: Path) -> None:
    """A program whose name was given to another file between check and start does not run: nothing runs."""
    program, evil = folder / "tool", folder / "evil"
    for path in (program, evil):
        path.write_text(f"#!/bin/sh\necho {path.name} ran\n")
        path.chmod(0o755)
    assert stdout(run(Job(argv=(str(program),)))) == "tool ran\n"
    result = run(Job(argv=(str(program),)), runner=_SwappingRunner(evil, program))
    assert "sandbox_unavailable" in refused(result)
    assert stdout(result) == ""


class _SwappingRunner(ShellScriptRunner):
    """Swaps the program at the worst moment: after every check, before the start."""

    def __init__(self, evil: Path, program: Path) -> None:
        super().__init__(job_uid=JOB_UID)
        self._swap = (evil, program)

    def _admit(self, plan: ShellPlan) -> Admitted | Outcome:
        admitted = super()._admit(plan)
        self._swap[0].rename(self._swap[1])
        return admitted


def test_absent_command_fails_with_its_name() -> None:
    """A listed command that this host does not have is a failure of the host, told plainly and retried elsewhere."""
    outcome = failed(run(Job(argv=("/opt/absent/tool",))), Category.INFRASTRUCTURE)
    assert outcome.message == "command /opt/absent/tool does not exist on this host"
    assert outcome.retryable
