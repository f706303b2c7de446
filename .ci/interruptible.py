"""Execute a command that hears Ctrl-C: a shell has its background jobs ignore SIGINT, and tests send it to theirs."""

import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is what it is for
