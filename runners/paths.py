"""Host paths as a job may meet them: who could swap a program, and what a mounted folder really is.

Names are never compared as text here and never resolved twice: a command is walked component by component, a mount is
opened once and bound by that descriptor. Everything here reads the file system: call it from a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from ..core.contract import Failed, Outcome, Refused, Violation
from ..core.job import Category

MOST_LINKS = 40  # as the kernel's own limit
MOST_ENTRIES = 10_000  # looked at in a mounted folder for sockets

#: Never mounted, nor anything below: kernel interfaces and the sockets of the host's services.
_FORBIDDEN_BELOW = ("/proc", "/sys", "/dev", "/run", "/var/run")
#: Never mounted whole, nor anything above them; a folder below may be.
_FORBIDDEN_AT = ("/root", "/home", "/etc", "/var/lib", "/tmp", "/var/tmp")  # noqa: S108 - refused, not used
#: Never mounted, wherever they stand: where command-line tools keep credentials.
_CREDENTIALS = frozenset({".ssh", ".aws", ".azure", ".kube", ".docker", ".gnupg", ".netrc", ".pgpass"})


class PathProblem(Exception):
    """A path cannot be used: `message` is one sentence for an operator; `absent` where it only is not there."""

    key: ClassVar[str] = "read_paths"  # of the policy, where it is mended

    def __init__(self, message: str, *, absent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.absent = absent


class ProgramProblem(PathProblem):
    """A program cannot be used."""

    key = "allowed_commands"


def path_outcome(problem: PathProblem) -> Outcome:
    """A path that is not there is the host's fault and may be another host's pride; a suspect one is refused."""
    if problem.absent:
        return Failed(Category.INFRASTRUCTURE, problem.message, retryable=True)
    return Refused((Violation("path_refused", problem.message, problem.key),))


@dataclass(frozen=True, slots=True)
class Program:
    """A checked program: `named` is what the plan says, `real` where it is, `descriptor` the very file, opened."""

    named: str
    real: str
    descriptor: int
    links: tuple[str, ...]  # symbolic links on the way


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may own programs (`trusted` user ids, besides root), and the user id that will execute them."""

    trusted: frozenset[int]
    job_uid: int


# ---- programs ------------------------------------------------------------------------------------------------------


def trusted_program(path: str, owner: Owner) -> Program:
    """Return a program that only root or a trusted owner could have put there; the caller closes its descriptor.

    Every folder and link on the way counts, since whoever may write one of them may swap the program.
    Raises PathProblem for anything else: absent, not a regular file, not executable, setuid, writable by others.
    """
    owners = owner.trusted | {0}
    links: list[str] = []
    real = _walk(path, owners, links)
    descriptor = _open_steps(real, owner.job_uid)
    try:
        found = os.fstat(descriptor)
        _check_step(real, found, owners, path)
        _check_program(found, path, owner.job_uid)
    except BaseException:
        os.close(descriptor)
        raise
    return Program(path, real, descriptor, tuple(links))


def _check_program(found: os.stat_result, path: str, job_uid: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ProgramProblem(f"command {path} is not a regular file")
    if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise ProgramProblem(f"command {path} is setuid or setgid, which is never run")
    if not allows(found, job_uid, stat.S_IXOTH):
        raise ProgramProblem(f"command {path} is not executable for the job user {job_uid} (chmod a+rx {path})")


def _walk(path: str, owners: frozenset[int], links: list[str]) -> str:
    """Follow `path` by single steps from the root, checking each; note links and return where it ends."""
    rest = list(reversed(PurePosixPath(path).parts[1:]))
    here = "/"
    while rest:
        step = os.path.normpath(os.path.join(here, rest.pop()))
        found = _look(step, path)
        _check_step(step, found, owners, path)
        if not stat.S_ISLNK(found.st_mode):
            here = step
            continue
        links.append(step)
        if len(links) > MOST_LINKS:
            raise ProgramProblem(f"command {path} has too many symbolic links")
        target = PurePosixPath(os.readlink(step))
        here = "/" if target.is_absolute() else here
        rest += reversed([part for part in target.parts if part != "/"])
    return here


def _look(step: str, path: str) -> os.stat_result:
    try:
        return os.lstat(step)
    except (FileNotFoundError, NotADirectoryError):
        raise ProgramProblem(f"command {path} does not exist on this host", absent=True) from None
    except OSError as error:
        raise ProgramProblem(f"command {path} cannot be looked at: {error.strerror}") from None


def _check_step(step: str, found: os.stat_result, owners: frozenset[int], path: str) -> None:
    if found.st_uid not in owners:
        raise ProgramProblem(f"command {path} could be swapped: {step} belongs to user {found.st_uid}")
    if stat.S_ISLNK(found.st_mode):
        return
    sticky_folder = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & 0o022 and not sticky_folder:
        raise ProgramProblem(f"command {path} could be swapped: others may write {step} (chmod go-w {step})")


# ---- mounts --------------------------------------------------------------------------------------------------------


def open_source(path: str, job_uid: int | None) -> int:
    """Return an O_PATH descriptor of a folder or file, opened without following any symbolic link.

    Raises PathProblem if it is absent, a link on the way, nothing that a job may be given, or closed to the job user.
    `job_uid` None: whoever mounts it need not pass through the folders above.
    """
    problem = _forbidden(path)
    if problem:
        raise PathProblem(problem)
    descriptor = _open_steps(path, job_uid)
    try:
        _check_source(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def normal(path: str) -> PurePosixPath:
    """Return an absolute path without `.`, `..` and the two slashes at its start that POSIX lets mean another root."""
    return PurePosixPath("/" + os.path.normpath(path).lstrip("/"))


def _forbidden(path: str) -> str:
    plain = normal(path)
    below = next((root for root in _FORBIDDEN_BELOW if plain.is_relative_to(root)), None)
    above = next(
        (root for root in (*_FORBIDDEN_AT, *_FORBIDDEN_BELOW) if PurePosixPath(root).is_relative_to(plain)), None
    )
    secret = next((part for part in plain.parts if part in _CREDENTIALS), None)
    reason = below or above or secret
    return f"path {path} is never given to a job, because of {reason}" if reason else ""


def _open_steps(path: str, job_uid: int | None) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open("/", flags)
    for name in normal(path).parts[1:]:
        try:
            below = os.open(name, flags, dir_fd=here)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError | NotADirectoryError)
            reason = "it does not exist" if absent else error.strerror
            raise PathProblem(f"path {path} cannot be used on this host: {reason}", absent=absent) from None
        finally:
            os.close(here)
        here = below
        try:
            _check_opened(os.fstat(here), name, path, job_uid)
        except PathProblem:
            os.close(here)
            raise
    return here


def _check_opened(found: os.stat_result, name: str, path: str, job_uid: int | None) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise PathProblem(f"path {path} has a symbolic link in it ({name}); name the real path")
    if job_uid is not None and stat.S_ISDIR(found.st_mode) and not allows(found, job_uid, stat.S_IXOTH):
        message = f"path {path} is closed to the job user {job_uid} at {name!r} (chmod o+x, or chown it)"
        raise PathProblem(message, absent=True)


def allows(found: os.stat_result, uid: int, wanted: int) -> bool:
    """Whether a user, whose group has the same number, has all permissions of `wanted` (bits of "others")."""
    shift = 6 if found.st_uid == uid else 3 if found.st_gid == uid else 0
    return (found.st_mode >> shift) & wanted == wanted


def _check_source(descriptor: int, path: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        socket = next(_sockets(descriptor), None)
        if socket is not None:
            raise PathProblem(f"path {path} holds the socket {socket}, which a read-only mount would not close")
    elif not stat.S_ISREG(mode):
        raise PathProblem(f"path {path} is neither a folder nor a regular file")


def _sockets(descriptor: int) -> Iterator[str]:
    """Yield the names of sockets directly in a folder: connecting needs no write permission on the mount."""
    try:
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
    except PermissionError:
        return
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST_ENTRIES:
                    return
                special = not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False))
                if special and stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode):
                    yield entry.name
    finally:
        os.close(folder)
