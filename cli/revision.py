"""A registry's files as they stood at a commit, and the lines that changed since: read from git, never written.

The one place of the command line that starts a program, and it starts only git: a worker, and the library, need none.
Arguments are fixed and no shell reads them; paths are literal and stand behind `--`; what a repository or its user may
have configured to run (a pager, an external diff, a text conversion, a monitor of the file system) is switched off, and
variables that would lead to another repository are not handed on.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ..core.errors import Unavailable, UsageError

#: Far more than git needs on a disk that answers; a partial clone fetches what it lacks meanwhile.
SECONDS: Final = 60.0

_GIT: Final = ("git", "--no-pager", "--literal-pathspecs", "--no-optional-locks", "-c", "core.fsmonitor=false")
_DIFF: Final = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--text", "--ignore-submodules")
#: They would lead to another repository, index or context, as in a hook; those that configure git are kept.
_LEADS_ASTRAY: Final = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "COMMON_DIR"),
        *("NAMESPACE", "PREFIX", "SHALLOW_FILE", "GRAFT_FILE", "REPLACE_REF_BASE", "EXTERNAL_DIFF", "DIFF_OPTS"),
        *("GLOB_PATHSPECS", "NOGLOB_PATHSPECS", "ICASE_PATHSPECS"),
    )
)
_OURS: Final = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_HUNK: Final = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_TO_ITS_FORK: Final = "..."  # as in `git diff main...`: the commit where this branch left the other


@dataclass(frozen=True)
class Revision:
    """One commit of the repository around the registry."""

    ref: str  # as it was asked for
    commit: str
    root: Path
    variables: Mapping[str, str]

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        """Return what git says; raise UsageError with its own words when it fails."""
        done = _run(self.root, arguments, self.variables, given)
        if done.returncode:
            raise _refused(f"git cannot read {self.ref}: {_first_line(done.stderr)}", "look at it with: git status")
        return done.stdout

    def relative(self, path: Path) -> str:
        """Return a path from the repository's root, links resolved; raise UsageError when it lies outside."""
        try:
            return path.resolve().relative_to(self.root).as_posix()
        except ValueError:
            message = f"{path} is outside the repository {self.root}"
            raise _refused(message, "compare registries of one repository at a time") from None

    @cached_property
    def is_behind(self) -> bool:
        """Whether the commit has changes that HEAD lacks, which then look as if they were taken back here."""
        return _run(self.root, ("merge-base", "--is-ancestor", self.commit, "HEAD"), self.variables).returncode == 1

    @cached_property
    def is_shallow(self) -> bool:
        """Whether history was cut off, as CI services do unless they are told otherwise."""
        return self.git("rev-parse", "--is-shallow-repository").strip() == b"true"


def find_revision(ref: str, near: Path, variables: Mapping[str, str]) -> Revision:
    """Return the commit that `ref` names in the repository around `near`; `REF...` is where HEAD left REF.

    Raise UsageError where there is no repository or no such commit, Unavailable where there is no git.
    """
    name = ref.removesuffix(_TO_ITS_FORK)
    if not name or name.startswith("-") or any(ord(sign) < 32 for sign in ref):
        raise UsageError(f"--diff-base {ref[:80]!r} is no commit", hint="name one: origin/main, HEAD~1, v1.2.0")
    folder = near.resolve() if near.is_dir() else near.resolve().parent
    root = _root(folder, variables)
    found = _run(root, ("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"), variables)
    if found.returncode:
        raise _unknown(name, root)
    commit = found.stdout.decode("ascii").strip()
    return Revision(ref, _fork(commit, name, root, variables) if name != ref else commit, root, variables)


def _root(folder: Path, variables: Mapping[str, str]) -> Path:
    done = _run(folder, ("rev-parse", "--show-toplevel"), variables)
    if not done.returncode:
        return Path(done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")).resolve()
    words = _first_line(done.stderr)
    if "dubious ownership" in words:
        raise _refused(
            f"git does not trust {folder}: it belongs to another user",
            f"git config --global --add safe.directory {folder}",
        )
    hint = "run it inside the checkout, or compare two files: specql-jobs services diff OLD NEW"
    raise _refused(f"{folder} is not in a git work tree", hint)


def _fork(commit: str, name: str, root: Path, variables: Mapping[str, str]) -> str:
    done = _run(root, ("merge-base", commit, "HEAD"), variables)
    if done.returncode:
        message = f"{name} and HEAD have no commit in common here"
        raise _refused(message, "fetch the history: git fetch --unshallow (fetch-depth: 0 in GitHub Actions)")
    return done.stdout.decode("ascii").split()[0]


def _unknown(name: str, root: Path) -> UsageError:
    """A branch that was never fetched is what CI meets."""
    remote, slash, branch = name.partition("/")
    fetch = f"git fetch {remote} {branch}" if slash and branch else f"git fetch origin {name}"
    return UsageError(
        f"{name[:80]!r} names no commit in {root}",
        hint=f"fetch it: {fetch} (in GitHub Actions: actions/checkout with fetch-depth: 0)",
        code="E224",
        name="revision-unknown",
    )


def _run(
    folder: Path, arguments: Sequence[str], variables: Mapping[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    surroundings = {key: value for key, value in variables.items() if key not in _LEADS_ASTRAY} | _OURS
    try:
        return subprocess.run(  # noqa: S603 - fixed arguments, no shell; refs and paths cannot be options
            [*_GIT, *arguments],
            cwd=folder,
            env=surroundings,
            input=given,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        hint = "install git, or compare two files: specql-jobs services diff OLD NEW"
        raise Unavailable(
            "git is not installed here, and --diff-base reads the past from it", hint=hint, code="E505", name="no-git"
        ) from None
    except subprocess.TimeoutExpired:
        message = f"git {arguments[0]} did not end within {SECONDS:g} s"
        raise Unavailable(message, hint="fetch the commit first: git fetch", code="E506", name="git-stuck") from None


def _refused(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="E223", name="no-revision")


def _first_line(text: bytes) -> str:
    line = (text.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"])[0]
    return line.removeprefix("fatal: ")[:200]


# ---- files as they stood ---------------------------------------------------------------------------------------------


_ROOT: Final = "./"
_LINK: Final = "120000"  # a symbolic link's content is a path


@dataclass(frozen=True, slots=True)
class Blob:
    """One file at the commit: its path from the root, and git's name for its content."""

    path: str
    name: str


def listed(revision: Revision, paths: Iterable[str]) -> dict[str, Blob]:
    """Return the files at the commit by path: those named, and those right inside folders, which end with a `/`."""
    wanted = sorted(set(paths))
    below = [path for path in wanted if path != _ROOT]
    said = revision.git("ls-tree", "-z", revision.commit, "--", *below) if below else b""
    if _ROOT in wanted:
        said += revision.git("ls-tree", "-z", revision.commit)
    entries = (line.partition("\t") for line in said.decode("utf-8", "surrogateescape").split("\0") if line)
    kinds = ((*head.split(), path) for head, _, path in entries)
    return {path: Blob(path, name) for mode, kind, name, path in kinds if kind == "blob" and mode != _LINK}


def contents(revision: Revision, blobs: Sequence[Blob]) -> list[bytes]:
    """Return the content of each file, from one process."""
    said = revision.git("cat-file", "--batch", given="".join(f"{each.name}\n" for each in blobs).encode())
    return list(_batch(said))


def _batch(said: bytes) -> Iterator[bytes]:
    """`NAME blob SIZE`, the bytes, and a line feed, again and again."""
    place = 0
    while place < len(said):
        end = said.index(b"\n", place)
        size = int(said[place:end].split()[2])  # a commit's own files are all there, or git has failed
        yield said[end + 1 : end + 1 + size]
        place = end + size + 2


def renamed_from(revision: Revision) -> dict[str, str]:
    """Return the old path of each file of the repository that git sees as renamed since the commit."""
    said = revision.git(*_DIFF, "--find-renames", "--diff-filter=R", "--name-status", "-z", revision.commit, "--")
    words = said.decode("utf-8", "surrogateescape").split("\0")
    return {new: old for _, old, new in zip(words[0::3], words[1::3], words[2::3], strict=False)}


def changed_files(revision: Revision, paths: Sequence[str]) -> set[str]:
    """Return which of these files differ from the commit in the work tree."""
    said = revision.git(*_DIFF, "--no-renames", "--name-only", "-z", revision.commit, "--", *paths)
    return {path for path in said.decode("utf-8", "surrogateescape").split("\0") if path}


def changed_lines(revision: Revision, blob: Blob, path: str) -> frozenset[int]:
    """Return the lines of a file of the work tree that its old version does not have."""
    said = revision.git(*_DIFF, "--unified=0", blob.name, "--", path)
    hunks = ((int(match[1]), int(match[2] or 1)) for match in _HUNK.finditer(said))
    return frozenset(line for start, count in hunks for line in range(start, start + count))
