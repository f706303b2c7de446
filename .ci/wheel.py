"""Build the wheel and install it, not editable, into `build/wheel-env`: the tests run against what users install.

That environment has no packages of its own. A line in a `.pth` file lends it the dependencies of `.venv`; `.pth` files
in a lent folder are not read, so the editable checkout there stays out of sight. This program ends with an error if
the import still falls on the checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
TARGET = ROOT / "build" / "wheel-env"
PYTHON = TARGET / "bin" / "python"
LENT = Path(sysconfig.get_path("purelib"))


def main() -> None:
    """Build, install, and prove which code is imported."""
    forget_old_builds()
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    make_environment()
    run(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--no-deps", "--force-reinstall", wheel)
    prove()


def forget_old_builds() -> None:
    """Setuptools packs whatever lies in build/lib, deleted modules too."""
    for path in (ROOT / "build" / "lib", *(ROOT / "build").glob("bdist.*")):
        shutil.rmtree(path, ignore_errors=True)
    for wheel in DIST.glob("*.whl"):
        wheel.unlink()


def make_environment() -> None:
    """Make the light environment, unless one of this very Python is there."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = TARGET / "lib" / version / "site-packages"
    if not (packages.is_dir() and PYTHON.exists()):
        venv.create(TARGET, with_pip=False, clear=True)
    (packages / "lent.pth").write_text(f"{LENT}\n", encoding="utf-8")


def prove() -> None:
    """End with an error unless `specql_jobs` comes from the installed wheel."""
    question = "import specql_jobs.core; print(specql_jobs.core.__file__)"
    found = subprocess.run([PYTHON, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if not Path(found.strip()).is_relative_to(TARGET):
        sys.exit(f"specql_jobs is imported from {found.strip()}, not from the wheel in {TARGET}")


def run(*command: str | Path) -> None:
    """Run one step; its output is shown only if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(map(str, command))}")


if __name__ == "__main__":
    main()
