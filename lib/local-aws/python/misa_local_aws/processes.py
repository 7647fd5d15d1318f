"""
A process of a function, treated as Lambda treats an execution environment: it stands still between invocations, and is
killed where an invocation takes more time or memory than the function has.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.05


def freeze(pid: int) -> None:
    _signal(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended


def memory_bytes(pid: int) -> int:
    """
    What a process has of the memory; 0 if it has ended. Pages of files that are mapped (the program itself, a block cache)
    are not counted: a system that is short of memory takes them away, where a limit would end the process.
    """
    try:
        with open(f"/proc/{pid}/status") as status:
            sizes = dict(line.split(":", 1) for line in status)
        return sum(int(sizes[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem") if name in sizes)
    except OSError:
        if os.path.exists("/proc/self"):
            return 0
    # A system without /proc. It tells no kinds of pages apart.
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return int(said) * 1024 if said.isdigit() else 0


class Watch:
    """
    Watches over one invocation, from its making to `end`. Calls `on_limit` with "time" or "memory" once, from a thread of
    its own, where the limit is passed.
    """

    def __init__(self, pid: int, seconds: float, limit_bytes: int, on_limit: Callable[[str], None]) -> None:
        self.pid = pid
        self.most_bytes = 0
        self._deadline = time.monotonic() + seconds
        self._limit_bytes = limit_bytes
        self._on_limit = on_limit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """When this returns, `on_limit` has returned or will not be called."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            left = self._deadline - time.monotonic()
            if self._over.wait(max(0.0, min(LOOK_SECONDS, left))):
                return
            self.most_bytes = max(self.most_bytes, memory_bytes(self.pid))
            if self.most_bytes > self._limit_bytes:
                return self._on_limit("memory")
            if time.monotonic() >= self._deadline:
                return self._on_limit("time")
