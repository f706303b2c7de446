"""What the end of a shell job means: the program's own end, or a sandbox that could not be built. Pure."""

from __future__ import annotations

from ..core.contract import Interrupted, Outcome, Refused, Violation
from .capture import Redact, cut
from .ending import LONGEST_LAST_LINE, Ending, Said
from .ending import outcome as ended
from .shell_plan import ShellPlan

RETRY_LAUNCH_SECONDS = 5.0


def outcome(plan: ShellPlan, ending: Ending, said: Said, stdout: bytes | None, redact: Redact) -> Outcome:
    """Return the one outcome of a job that has ended; `stdout` is its whole raw output, None where it was cut."""
    return ended(plan, ending, said, stdout, redact) or launch_failure(said.stderr)


# ---- a sandbox that could not be built -------------------------------------------------------------------------------

_PREFIX = "the sandbox could not be built, so nothing was run: "
_NAMESPACES = (
    "the kernel or the container's seccomp profile forbids user namespaces. In Docker run the worker with"
    " --security-opt seccomp=unconfined --security-opt systempaths=unconfined; on a host check sysctl"
    " user.max_user_namespaces and kernel.unprivileged_userns_clone"
)
_APPARMOR = (
    "AppArmor restricts unprivileged user namespaces (Ubuntu 24.04 and later). Install an AppArmor profile for"
    " /usr/bin/bwrap that has 'userns,'"
)
_MASKED = (
    "/proc is masked, by a container or by systemd's ProtectKernelTunables, ProtectProc or ProcSubset. Use"
    " systempaths=unconfined, or take those settings out of the worker's unit"
)

#: What bubblewrap says, and what it means to an operator.
_REASONS = (
    ("No permissions to creat", _NAMESPACES),
    ("ENOSPC", "user.max_user_namespaces is 0 or exhausted (sysctl user.max_user_namespaces)"),
    ("No space left on device", "user.max_user_namespaces is 0 or exhausted (sysctl user.max_user_namespaces)"),
    ("setting up uid map", _APPARMOR),
    ("RTM_NEWADDR", _APPARMOR),
    ("mount proc", _MASKED),
    ("Unknown option", "bubblewrap is too old: it needs --bind-fd (0.10, or a build with the fix for CVE-2024-42472)"),
)


def host_busy() -> Interrupted:
    """Return the outcome of a job that this host has no room for at the moment; the attempt is given back."""
    return Interrupted(f"{_PREFIX}the host is out of processes or descriptors", RETRY_LAUNCH_SECONDS)


def launch_failure(words: str) -> Outcome:
    """Return what becomes of a job whose sandbox could not be built, from what bubblewrap said."""
    if "Resource temporarily unavailable" in words:
        return host_busy()
    last = cut((words.strip().splitlines() or ["bubblewrap ended without a word"])[-1], LONGEST_LAST_LINE)
    return unavailable(next((reason for sign, reason in _REASONS if sign in words), last))


def unavailable(reason: str) -> Refused:
    """Return the refusal of a job that could only run weaker than its policy demands."""
    return Refused((Violation("sandbox_unavailable", _PREFIX + reason, "sandbox"),))
