"""Install packages of the operating system that pip cannot. Standard library only: quarry.py runs it before all else.

system_packages.py               the libraries Qt expects of a Linux system
system_packages.py PACKAGE…      the named Debian packages

Exit code 0: nothing is missing (any more). Exit code 3: stdout holds what the person can do. What is being done is told
on stderr. Packages are installed only where that needs no question: on Debian and its kin, as root.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

# Library the wheels of Qt link to -> Debian package. Without the first six no Qt program starts, the offscreen platform
# included; the rest is for windows on X11 (Wayland does without).
QT_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def missing_libraries(libraries: Iterable[str]) -> list[str]:
    """Answer those the system's loader does not find."""
    missing = []
    for library in libraries:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    return missing


def apt_install(packages: list[str]) -> bool:
    """Answer whether the packages could be installed."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"  apt-get install {' '.join(packages)}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            print(f"  apt-get {arguments[0]} failed: {reason}", file=sys.stderr, flush=True)
            return False
    return True


def remedy(packages: list[str], libraries: list[str]) -> str:
    """Say what the person can do: the one command on Debian and its kin, the libraries' names elsewhere."""
    if shutil.which("apt-get"):
        return f"run `sudo apt-get install -y --no-install-recommends {' '.join(packages)}`"
    return f"install the system's packages that hold {', '.join(libraries or packages)}"


def main(packages: list[str]) -> int:
    libraries: list[str] = []
    if not packages and sys.platform == "linux":
        libraries = missing_libraries(QT_LIBRARIES)
        packages = [QT_LIBRARIES[library] for library in libraries]
    if not packages or (apt_install(packages) and not missing_libraries(libraries)):
        return 0
    print(remedy(packages, libraries))
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
