"""Runs a command whose stderr is a terminal, and prints what it writes there.

    in-terminal.py INPUT TEXT SECONDS COMMAND...

Its stdin gets the file INPUT once the terminal has shown TEXT, or after SECONDS. Exit code: the command's.
"""
import os
import pty
import select
import subprocess
import sys
import time

source, text, seconds, command = sys.argv[1], sys.argv[2].encode(), float(sys.argv[3]), sys.argv[4:]
master, terminal = pty.openpty()
process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=terminal)
os.close(terminal)
shown, end = b"", time.monotonic() + seconds


def read(timeout):
    """What the terminal shows next; nothing when it shows nothing or is closed."""
    if not select.select([master], [], [], max(timeout, 0))[0]:
        return b""
    try:
        return os.read(master, 4096)
    except OSError:
        return b""


while text not in shown and time.monotonic() < end:
    shown += read(end - time.monotonic())
with open(source, "rb") as file:
    process.communicate(file.read())
while piece := read(0.1):
    shown += piece
sys.stdout.write(shown.decode(errors="replace").replace("\r", "\n").replace("\x1b[K", "<wiped>"))
sys.exit(process.returncode)
