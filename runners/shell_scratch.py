"""The private folder of a job that runs without a sandbox, and what is left of it when its worker is killed.

A job in a sandbox has its scratch inside it, which the kernel removes with the last process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: A folder is born under the first name, and its maker's, and held before it gets the second: a sweep takes what nobody
#: holds, of newborn ones those whose maker is dead.
NEWBORN = "specql-new-"
HELD = "specql-job-"
#: What a person asked to keep; nobody removes it but they.
KEPT = "specql-kept-"

#: Seconds after which a folder that was never held is a dead worker's, if its maker cannot be seen from here, or its
#: number is another's now; holding one takes milliseconds at most.
NEWBORN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scratch:
    """One folder that this process holds for as long as it lives; the kernel lets go when it dies, however it dies."""

    path: str
    lock: int


def make_scratch(uid: int | None) -> Scratch:
    """Return a new folder that only the job user may enter; None: jobs run as this user."""
    prefix = _newborn()
    born = tempfile.mkdtemp(prefix=prefix)
    lock = os.open(born, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = born.replace(prefix, HELD)
    os.rename(born, folder)
    if uid is not None:
        os.chown(folder, uid, uid)
    return Scratch(folder, lock)


def make_kept(uid: int | None) -> str:
    """Return a new folder that only the job user may enter, and that no sweep takes."""
    folder = tempfile.mkdtemp(prefix=KEPT)
    if uid is not None:
        os.chown(folder, uid, uid)
    return folder


def remove_scratch(scratch: Scratch) -> None:
    """Remove a job's folder whatever it made of it; links in it are not followed."""
    shutil.rmtree(scratch.path, ignore_errors=True)
    os.close(scratch.lock)


def sweep_scratch(uid: int | None) -> list[str]:
    """Remove the folders of workers that were killed; return their paths. Others' folders of such names are left."""
    owner = os.geteuid() if uid is None else uid
    places = Path(tempfile.gettempdir())
    held = [path for path in places.glob(f"{HELD}*") if _is_ours(path, owner) and _take(path)]
    unborn = [
        path
        for path in places.glob(f"{NEWBORN}*")
        if _is_ours(path, os.geteuid()) and (_is_orphan(path) or _is_old(path)) and _take(path)
    ]
    return [str(path) for path in (*held, *unborn)]


def _is_ours(path: Path, owner: int) -> bool:
    """Whoever may write to the temporary folder may make a folder of this name; it then belongs to somebody else."""
    try:
        return path.lstat().st_uid in (owner, os.geteuid()) and path.is_dir() and not path.is_symlink()
    except OSError:
        return False


def _newborn() -> str:
    """Return how names of folders begin that this process makes: with its number, and where that number counts."""
    return f"{NEWBORN}{_namespace()}-{os.getpid()}-"


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _is_orphan(path: Path) -> bool:
    """Whether the process that made it, in this very process namespace, is gone."""
    namespace, _, rest = path.name.removeprefix(NEWBORN).partition("-")
    number = rest.partition("-")[0]
    return namespace == str(_namespace()) and number.isdigit() and not Path("/proc", number).exists()


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.lstat().st_ctime > NEWBORN_SECONDS
    return False


def _take(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return not path.exists()
