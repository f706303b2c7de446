"""What completion offers of names: a small file that commands refresh as they go, and that shells read by themselves.

One line a name, the newest first: kind, where it belongs, the name, a description; tabs between. Never an input, an
error's text or a secret: ids, and names that a registry or a queue's row gives to services, operations and workers.
Where it belongs: the folder of a registry, or `@PROFILE` (`@` without one). What cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.settings import cache_folder

if TYPE_CHECKING:
    from ...core.registry.load import Loaded

FILE = "names.tsv"
#: Names of each kind that are kept; ids age within hours.
MOST = 1000
MOST_IDS = 200
LARGEST = 1 << 20  # bytes; a larger file is none of ours
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}")
_DESCRIPTION = re.compile(r"[^A-Za-z0-9_.:, -]")


@dataclass(frozen=True, slots=True)
class Name:
    """One name that completion may offer."""

    kind: str
    belongs: str
    value: str
    description: str = ""


def of_jobs(records: Iterable[Mapping[str, Any]], profile: str) -> list[Name]:
    """Return the ids of jobs as `list` answers them, and the names beside them."""
    found: list[Name] = []
    for each in records:
        operation = f"{each.get('service')}.{each.get('operation')}"
        found.append(Name("id", f"@{profile}", str(each["id"]), f"{each.get('status')} {operation}"))
        beside = {
            "worker": each.get("worker_id"),
            "tenant": each.get("tenant_id"),
            "fingerprint": each.get("fingerprint"),
        }
        found += [Name(kind, f"@{profile}", str(value), operation) for kind, value in beside.items() if value]
    return found


def of_registry(loaded: Loaded, folder: Path) -> list[Name]:
    """Return the services of a registry with their operations, as far as there is room; those with errors, too."""
    home = str(folder)
    services = [Name("service", home, each.name, "service") for each in islice(loaded.defined.values(), MOST)]
    below = islice(loaded.declared(), MOST)
    return services + [Name("operation", home, f"{each.service}.{each.operation}") for each in below]


def keep(names: Sequence[Name], env: Mapping[str, str], *, instead: bool = False) -> None:
    """Put names in front of what is remembered; with `instead`, all of their kinds that belong there are replaced."""
    good = [_safe(each) for each in names if _NAME.fullmatch(each.value)]
    if not good:
        return
    with contextlib.suppress(OSError, UnicodeError):  # a convenience: no command fails or warns for want of it
        path = cache_folder(env) / FILE
        before = _read(path)
        after = _merged(good, before, instead=instead)
        if after != before:
            _write(path, after)


def _safe(name: Name) -> Name:
    belongs = "" if re.search(r"[\t\r\n]", name.belongs) else name.belongs
    return Name(name.kind, belongs, name.value, _DESCRIPTION.sub("?", name.description)[:60])


def _merged(new: Sequence[Name], old: Sequence[Name], *, instead: bool) -> list[Name]:
    known = {(each.kind, each.belongs, each.value) for each in new}
    renewed = {(each.kind, each.belongs) for each in new} if instead else set()
    kept = [
        each
        for each in old
        if (each.kind, each.belongs, each.value) not in known and (each.kind, each.belongs) not in renewed
    ]
    room: dict[str, int] = {}
    return [each for each in [*dict.fromkeys(new), *kept] if _has_room(each, room)]


def _has_room(name: Name, taken: dict[str, int]) -> bool:
    taken[name.kind] = taken.get(name.kind, 0) + 1
    return taken[name.kind] <= (MOST_IDS if name.kind == "id" else MOST)


def _read(path: Path) -> list[Name]:
    if not path.exists() or path.stat().st_size > LARGEST:
        return []
    lines = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    return [Name(*parts) for parts in lines if len(parts) == 4]


def _write(path: Path, names: Sequence[Name]) -> None:
    """Another command may write at the same time: the last one wins, and no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(prefix=FILE, dir=path.parent)  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{each.kind}\t{each.belongs}\t{each.value}\t{each.description}\n" for each in names)
    Path(temporary).replace(path)
