"""Make a clean clone ready: virtual environment, dependencies, type-checking links, host packages where allowed.

Needs only the standard library; the Makefile has refused a Python older than 3.11. Every step looks first whether
it is needed: a second run does nothing and takes no time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / ".ready"
LINKS = ROOT / ".typecheck" / "specql_jobs"
PACKAGES = ("core", "runners", "cli", "schemas")

#: Host package -> the command it brings, and what is lost without it.
HOST = {
    "bubblewrap": ("bwrap", "shell jobs are refused here, and their tests and demo jobs are skipped"),
    "docker.io": ("dockerd", "container jobs wait for a Docker Engine, and their tests are skipped unless one runs"),
    "busybox-static": ("busybox", "there is nothing to make test images of, so tests of container jobs are skipped"),
    "faketime": ("faketime", "the test of workers with wrong clocks is skipped"),
    "pgbouncer": ("pgbouncer", "the tests of workers behind a pooler are skipped"),
    "nodejs": ("node", "generated TypeScript is not compiled and its hooks are not tried"),
    "npm": ("npm", "generated TypeScript is not compiled and its hooks are not tried"),
    "zsh": ("zsh", "its completions are not tested"),
    "fish": ("fish", "its completions are not tested"),
    "shellcheck": ("shellcheck", "the completions for bash are not checked"),
    "man-db": ("man", "the manual pages are not checked, and `specql-jobs man` prints them as plain text"),
    "mandoc": ("mandoc", "the manual pages are not checked"),
}
#: Where an engine listens that somebody runs here already: then none is installed.
ENGINE_SOCKET = Path("/var/run/docker.sock")
#: While this program stands there and ends with 101, Debian starts no service that it installs.
START_POLICY = Path("/usr/sbin/policy-rc.d")
#: Seconds; a mirror that does not answer must not hang the build.
APT_TIMEOUT = 300


def main() -> None:
    """Do what is missing; end with a sentence if something cannot be done."""
    host_packages()
    environment()
    links()


def host_packages() -> None:
    """Install what is missing where this user may; else name it and what is lost."""
    missing = [name for name, (command, _) in HOST.items() if absent(command)]
    if missing:
        apt_install(missing)
    for name in missing:
        command, loss = HOST[name]
        if absent(command):
            say(f"{name} is not installed and could not be installed by this user: {loss}.")
            say(f"  To have it: sudo apt-get install {name} (or your system's package of that name)")


def absent(command: str) -> bool:
    """Whether a command is wanted here and not there; tests use an engine that is given instead of starting one."""
    given = command == "dockerd" and (ENGINE_SOCKET.exists() or bool(os.environ.get("DOCKER_HOST")))
    return not shutil.which(command) and not given


def apt_install(names: list[str]) -> None:
    """Install Debian packages, quietly; failing is allowed, the caller looks whether it worked."""
    privilege = how_to_be_root()
    if privilege is None or not shutil.which("apt-get"):
        return
    say("installing with apt-get: " + " ".join(names))
    with nothing_started(privilege):
        for step in (["update"], ["install", "--yes", "--no-install-recommends", *names]):
            quietly([*privilege, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", *step])


@contextmanager
def nothing_started(privilege: list[str]) -> Iterator[None]:
    """While inside, installing a service does not start it: a set-up leaves no daemon behind."""
    if START_POLICY.exists():
        yield
        return
    make = f"printf '#!/bin/sh\\nexit 101\\n' > {START_POLICY} && chmod 755 {START_POLICY}"
    quietly([*privilege, "sh", "-c", make])
    try:
        yield
    finally:
        quietly([*privilege, "rm", "-f", str(START_POLICY)])


def how_to_be_root() -> list[str] | None:
    """Return the words before a command that needs root; None if this user may not."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and quietly(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def quietly(command: list[str]) -> bool:
    """Run a command that may fail; return whether it worked."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=APT_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def environment() -> None:
    """Make `.venv` and install into it, again only when pyproject.toml changed."""
    if STAMP.exists() and STAMP.stat().st_mtime >= (ROOT / "pyproject.toml").stat().st_mtime:
        return
    make_venv()
    say("installing specql-jobs and its development tools into .venv")
    pip("install", "--editable", ".[dev]", *build_requirements())
    STAMP.touch()


def make_venv() -> None:
    """Make `.venv`, or say what the system's Python lacks for it."""
    if quietly([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--version"]):
        return
    if not has_ensurepip():
        apt_install([venv_package()])
    if not has_ensurepip():
        sys.exit(
            f"{sys.executable} cannot make virtual environments: install python3-venv (Debian, Ubuntu) and try again"
        )
    say("making .venv")
    venv.create(ENVIRONMENT, with_pip=True, clear=True)


def has_ensurepip() -> bool:
    """Whether venv can install pip, which Debian packs apart. Asked afresh: it may just have been installed."""
    return quietly([sys.executable, "-c", "import ensurepip"])


def venv_package() -> str:
    """Return the name of the package that brings it, on Debian and Ubuntu."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def build_requirements() -> list[str]:
    """Return what the wheel is built with, so that building needs no network afterwards."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["build-system"]["requires"])


def pip(*arguments: str) -> None:
    """Run pip of the new environment; its own words are shown only if it fails."""
    command = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr + "\nThe dependencies could not be installed; pip's reason is above.")


def links() -> None:
    """Show the packages under their import name to mypy and import-linter, which follow no editable finder."""
    LINKS.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        link = LINKS / name
        if not link.is_symlink():
            link.symlink_to(Path("..", "..", name))


def say(text: str) -> None:
    """Tell the person at the terminal; stdout stays free for what was asked for."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
