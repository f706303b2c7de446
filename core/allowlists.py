"""How one name, path or image is compared with an entry of an allowlist. Pure text: nothing is looked up."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable

from .addresses import parse_address
from .functions import parse_function

Covers = Callable[[str, str], bool]


def domain_covers(pattern: str, host: str) -> bool:
    """Whether an `allowed_domains` entry admits `host`: exact, or `*.x` for any name below x (not x itself).

    `*` alone admits nothing: a list that allows everything is not a list.
    """
    pattern, host = pattern.lower().rstrip(".").strip("[]"), host.lower().strip("[]")
    if pattern.startswith("*."):
        if parse_address(host) is not None:
            return False  # an address has no names below or above it
        suffix = pattern[1:]
        return host.endswith(suffix) and len(host) > len(suffix)
    return pattern == host


def path_covers(root: str, path: str) -> bool:
    """Whether absolute `path` is `root` or below it, by whole components after removing `.` and `..`."""
    if not (root.startswith("/") and path.startswith("/")):
        return False
    return posixpath.commonpath((_plain(root), _plain(path))) == _plain(root)


def _plain(path: str) -> str:
    """Normalise, and fold the double leading slash that POSIX lets mean something else."""
    return "/" + posixpath.normpath(path).lstrip("/")


def image_covers(pattern: str, image: str) -> bool:
    """Whether an `allowed_images` entry admits `image`: exact reference or digest, or `repo:*` for any tag of it."""
    if pattern.endswith(":*"):
        return image.startswith(pattern[:-1]) and "/" not in image[len(pattern) - 1 :] and "@" not in image
    return pattern == image


def function_covers(entry: str, name: str) -> bool:
    """Whether an `allowed_functions` entry admits a function, however either of them spells an AWS name.

    An entry without a qualifier admits every version and alias, one without a region every region; but one without an
    account admits no name that has one. A plan states its qualifier always: `name` alone is all of its versions.
    """
    allowed, asked = parse_function(entry), parse_function(name)
    if allowed is None or asked is None:
        return entry == name
    same = (allowed.account, allowed.name) == (asked.account, asked.name)
    return same and allowed.region in ("", asked.region) and allowed.qualifier in ("", asked.qualifier)


def exactly(entry: str, value: str) -> bool:
    """Whether an entry is the value: commands, functions, regions and names have no wildcards."""
    return entry == value


def admits(entries: Iterable[str], value: str, covers: Covers) -> bool:
    """Whether any entry covers the value; an empty list admits nothing."""
    return any(covers(entry, value) for entry in entries)
