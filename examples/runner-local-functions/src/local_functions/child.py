"""One invocation: `child.py FOLDER MODULE`, the event on stdin, what handler(event, context) returns on stdout."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import threading


def main() -> None:
    """Read the event, call the handler, write its answer; end when the worker does."""
    folder, module = sys.argv[1:3]
    with open(0, "rb", buffering=0, closefd=False) as given:  # no buffer: a thread inside its lock could not be ended
        event = json.loads(_exactly(given, int.from_bytes(_exactly(given, 8), "big")))
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    answer, sys.stdout = sys.stdout, sys.stderr  # what the function prints is log
    sys.path.insert(0, folder)
    returned = importlib.import_module(module).handler(event, None)
    answer.write(json.dumps(returned))
    answer.flush()


def _exactly(given: io.RawIOBase, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := given.read(size - len(found))):
        found += piece
    return found


def _end_with_the_worker() -> None:
    os.read(0, 1)  # returns when nobody holds the other end any more
    os._exit(1)


if __name__ == "__main__":
    main()
