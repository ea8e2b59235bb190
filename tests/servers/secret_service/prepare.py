"""Install GNOME Keyring and D-Bus, the real Secret Service of the tests. Standard library only, like its neighbours.

Does nothing where both are there, and ends 0 with one line of why where they cannot be had.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("gnome-keyring-daemon", "dbus-run-session")
PACKAGES = ("gnome-keyring", "dbus")
INSTALLER = Path(__file__).resolve().parents[3] / "packaging" / "system_packages.py"


def missing_reason() -> str:
    """Why the Secret Service cannot be started here, or "" when it can."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    return f"the Secret Service needs {' and '.join(missing)}: run {__file__}" if missing else ""


def prepare() -> str:
    """Install what is missing; answer in one sentence what came of it."""
    if not missing_reason():
        return "already installed"
    print("Secret Service: installing (about 160 MB) …", flush=True)
    done = subprocess.run([sys.executable, INSTALLER, *PACKAGES], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return f"skipped: {' '.join(done.stdout.split()) or f'{INSTALLER.name} failed'}"
    return "installed"


if __name__ == "__main__":
    print(f"Secret Service: {prepare()}")
