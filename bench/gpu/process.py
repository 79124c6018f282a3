"""Runs commands that must never hang the suite."""
import json
import os
import queue
import signal
import subprocess
import sys
import threading


class Failure(Exception):
    """A part that could not be done; its text says why."""


def kill(process):
    """The process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def call(*words, timeout=120):
    """Standard output of a command; Failure with the last line that it wrote where it fails, on stderr if any."""
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)  # fmt: skip
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        raise Failure(f"took longer than {timeout} s") from None
    if process.returncode:
        code = process.returncode
        said = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        raise Failure((err.strip().splitlines() or out.strip().splitlines() or [said])[-1])
    return out


class Peers:
    """peers.py as a child that answers requests, one JSON document a line. It is started again after a time-out."""

    def __init__(self, script):
        self.script, self.process = script, None

    def start(self):
        self.process = subprocess.Popen([sys.executable, str(self.script)], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
        self.lines = queue.Queue()

        def read(stream, lines):
            for line in stream:
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, args=(self.process.stdout, self.lines), daemon=True).start()

    def ask(self, timeout, **request):
        if not self.process or self.process.poll() is not None:
            self.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=timeout)
            answer = json.loads(line) if line else {"error": "the process ended"}
        except queue.Empty:
            kill(self.process)
            answer = {"error": f"took longer than {timeout} s"}
        except (OSError, ValueError) as error:
            kill(self.process)
            answer = {"error": str(error)}
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def close(self):
        if self.process:
            kill(self.process)
