"""Finds what a test leaves behind: threads and child processes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Set
from pathlib import Path

import psutil

GRACE = 2.0  # seconds that something which is ending anyway may take

# Threads that libraries keep on purpose, by the start of their name. All are daemons.
LIBRARY_THREADS = {
    "tqdm_monitor": "one for the whole process, started by the first progress bar of huggingface_hub",
    "pytest_timeout": "the watchdog of the test that runs",
}
# Child processes that a library keeps on purpose, by a part of their command line.
LIBRARY_PROCESSES = {
    "multiprocessing.resource_tracker": "one for the whole process, started by the first spawned worker",
    "multiprocessing.forkserver": "one for the whole process, started by the first forked worker",
}


def threads() -> frozenset[threading.Thread]:
    """The living threads Python started. Those that others started (Qt's pools) stay listed after they ended."""
    foreign = threading._DummyThread  # it has no public name
    return frozenset(thread for thread in threading.enumerate() if not isinstance(thread, foreign))


def leaked_threads(before: Set[threading.Thread]) -> list[str]:
    """Name the threads that were not in `before` and do not end within the grace."""
    deadline = time.monotonic() + GRACE
    leaked = []
    for thread in threads() - before:
        if thread.daemon and thread.name.startswith(tuple(LIBRARY_THREADS)):
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            leaked.append(f"{thread.name}{' (daemon)' if thread.daemon else ''}")
    return sorted(leaked)


def children() -> frozenset[int]:
    """Ids of this process's children. Linux tells in microseconds; psutil elsewhere walks every process."""
    if sys.platform != "linux":
        return frozenset(child.pid for child in psutil.Process().children())
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(map(int, (task / "children").read_text().split()))
        except OSError:  # the thread has just ended
            continue
    return frozenset(found)


def leaked_processes(before: Set[int]) -> list[str]:
    """Name the children that were not in `before` and do not end within the grace."""
    suspects = []
    for pid in children() - before:
        try:
            process = psutil.Process(pid)
            command = " ".join(process.cmdline()) or process.name()
        except psutil.NoSuchProcess:
            continue
        if not any(part in command for part in LIBRARY_PROCESSES):
            suspects.append((process, f"{pid}: {command[:120]}"))
    _, alive = psutil.wait_procs([process for process, _ in suspects], timeout=GRACE)
    return sorted(name for process, name in suspects if process in alive)
