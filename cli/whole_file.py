"""A file that is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def put(path: Path, content: bytes, *, replace: bool) -> None:
    """Write the file whole or not at all; raise FileExistsError where it exists and is not to be replaced."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    born = Path(name)
    try:
        with open(number, "wb") as file:
            file.write(content)
        born.chmod(0o644 & ~_umask())
        if replace:
            born.replace(path)
        else:
            os.link(born, path)
    finally:
        with suppress(FileNotFoundError):
            born.unlink()


def _umask() -> int:
    """What the user takes away from new files; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
