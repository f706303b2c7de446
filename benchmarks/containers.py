"""Container jobs through the runner, beside the docker command, on one engine in one run; prints one JSON line.

Ours is the whole of `execute`: image looked up, container made, fed, started, heard, measured and removed. The others
are `docker run --rm`, once bare and once with the very options of the plan.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.builders import make_context
from support.dockerd import BUSYBOX, TestEngine, serve
from support.dockerjobs import Job

from specql_jobs.runners.docker import DockerRunner

RUNS = 30
COMMAND = ("/bin/cat",)


def main() -> None:
    """Measure on a reachable or private engine."""
    with serve() as engine:
        found = asyncio.run(measure(engine))
    print(json.dumps(found))


async def measure(engine: TestEngine) -> dict[str, object]:
    """Return the milliseconds of every run by side."""
    runner = DockerRunner(url=engine.url)
    plan = Job(command=COMMAND, input={"n": 1}).plan(runner)
    given = f"printf %s '{plan.stdin.decode()}' | docker --host {shlex.quote(engine.url)} run --rm -i"
    confined = plan.command_line().replace("docker run", f"docker --host {shlex.quote(engine.url)} run")
    lines = {"docker run": f"{given} {BUSYBOX} {shlex.join(COMMAND)}", "docker run with the plan's options": confined}
    times: dict[str, list[float]] = {name: [] for name in ("specql-jobs", *lines)}
    await runner.execute(plan, make_context())  # connects
    for number in range(RUNS):
        before = time.monotonic()
        result = await runner.execute(plan, make_context(lease_seq=number + 1, timeout_seconds=60))
        times["specql-jobs"].append((time.monotonic() - before) * 1000)
        assert result.usage["exit_code"] == 0, result
        for name, line in lines.items():
            times[name].append(await asyncio.to_thread(timed, line))
    await runner.aclose()
    facts = engine.client.version()["Version"]
    return {**times, "runs": RUNS, "engine": f"Docker Engine {facts}"}


def timed(line: str) -> float:
    """Return the milliseconds that a shell line takes."""
    before = time.monotonic()
    subprocess.run(["/bin/sh", "-c", line], check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - before) * 1000


if __name__ == "__main__":
    main()
