"""Opens a page with the system's own man, on a terminal that has one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .page import Page
from .roff import roff


def can_open() -> bool:
    """Whether this host has man."""
    return shutil.which("man") is not None


def open_page(page: Page) -> bool:
    """Show a page until its reader is done; False when man could not."""
    with tempfile.TemporaryDirectory(prefix="specql-jobs-man-") as folder:
        path = Path(folder, page.file)
        path.write_text(roff(page), "ascii")
        return subprocess.run(["man", "-l", str(path)], check=False).returncode == 0  # noqa: S603, S607 - the user's man
