"""A desktop session with GNOME Keyring, for one child process: its own bus, its own home, no display."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.requirements import ROOT, require_server
from tests.servers.secret_service.prepare import missing_reason

SECONDS = 60.0
# The daemon asks on the screen unless its password comes by stdin; `exec` keeps the bus until Python ends.
_UNLOCKED = 'printf login | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" "$@"'
_LOCKED = 'gnome-keyring-daemon --start --components=secrets >/dev/null && exec "$0" "$@"'


def run_in_session(home: Path, module: str, arguments: Sequence[str] = (), *, unlocked: bool = True) -> str:
    """Run `python -m module arguments` in a session of `home` and give its output. Skips the test without the
    programs, fails it when the child fails. A second session of the same home finds what the first one stored."""
    if reason := missing_reason():
        require_server(reason)
    home.mkdir(mode=0o700, exist_ok=True)
    own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "XDG_DATA_HOME": str(home), "PYTHONPATH": str(ROOT)}
    foreign = {"PYTHON_KEYRING_BACKEND", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign} | own
    command = ["dbus-run-session", "--", "sh", "-c", _UNLOCKED if unlocked else _LOCKED]
    command += [sys.executable, "-W", "error", "-m", module, *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
