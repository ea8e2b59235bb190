"""Install the real Bluesky PDS (npm `@atproto/dev-env`) into node_modules beside this file.

Standard library only, so that the bootstrap can run it. Does nothing when the lock file and node are those of the
last install, works offline then, and ends 0 with one line of why where the PDS cannot be had.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
STAMP = MODULES / ".prepared.json"
OLDEST_NODE = 20
DEBIAN = {"node": "nodejs", "npm": "npm", "g++": "g++", "make": "make"}  # program -> package that holds it


class CannotPrepareError(Exception):
    """The PDS cannot be installed here; the text says why and what to do."""


def missing_reason() -> str:
    """Why the PDS cannot be started here, or "" when it can."""
    if not shutil.which("node"):
        return f"the Bluesky PDS needs Node {OLDEST_NODE} or newer: install it, then run this file: {__file__}"
    if _stamp() != _wanted():
        return f"the Bluesky PDS is not installed: run {__file__}"
    return ""


def prepare() -> None:
    """Install what is missing. Raises CannotPrepareError."""
    _need_programs()
    if _stamp() == _wanted():
        print("Bluesky PDS: already installed")
        return
    STAMP.unlink(missing_ok=True)
    started = time.monotonic()
    print("Bluesky PDS: installing (about 350 MB, 1 to 3 minutes, one of them compiling SQLite) …", flush=True)
    # Install scripts of 480 packages stay off; better-sqlite3 alone has to compile, its binary is not on the registry.
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    _run(["npm", "rebuild", "better-sqlite3", "--no-audit", "--no-fund"])
    _run(["node", "-e", "new (require('better-sqlite3'))(':memory:'); require('@atproto/dev-env')"])
    STAMP.write_text(json.dumps(_wanted()), "utf-8")
    print(f"Bluesky PDS: installed in {time.monotonic() - started:.0f} s")


def _wanted() -> dict[str, str]:
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    return {"lock": lock, "node": _output(["node", "--version"])}


def _stamp() -> dict[str, str] | None:
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return stamp


def _need_programs() -> None:
    missing = [program for program in DEBIAN if not shutil.which(program)]
    if missing:
        _apt_install([DEBIAN[program] for program in missing])
    version = _output(["node", "--version"])
    if _major(version) < OLDEST_NODE:
        raise CannotPrepareError(f"it needs Node {OLDEST_NODE} or newer and this machine has {version or 'none'}")


def _apt_install(packages: list[str]) -> None:
    names = " ".join(packages)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise CannotPrepareError(f"it needs {names}: install them (Node {OLDEST_NODE} or newer), then try again")
    _run(["apt-get", "update"])
    if "nodejs" in packages:
        policy = _output(["apt-cache", "policy", "nodejs"])
        offered = re.search(r"Candidate: (?:\d+:)?(\S+)", policy)
        if not offered or _major(offered.group(1)) < OLDEST_NODE:
            had = offered.group(1) if offered else "none"
            raise CannotPrepareError(f"it needs Node {OLDEST_NODE} or newer and this system offers {had}")
    print(f"Bluesky PDS: apt-get install {names} …", flush=True)
    _run(["apt-get", "install", "-y", "--no-install-recommends", *packages])


def _major(version: str) -> int:
    found = re.match(r"v?(\d+)", version)
    return int(found.group(1)) if found else 0


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    except OSError:
        return ""


def _run(command: list[str]) -> None:
    environment = dict(os.environ)
    node = shutil.which("node")
    headers = Path(node).resolve().parents[1] if node else None
    if headers and (headers / "include/node/node.h").exists():
        environment.setdefault("npm_config_nodedir", str(headers))  # else node-gyp downloads them
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise CannotPrepareError(f"`{' '.join(command)}` failed: {' / '.join(last)}")


if __name__ == "__main__":
    try:
        prepare()
    except CannotPrepareError as error:
        print(f"Bluesky PDS: skipped, {error}.")
        sys.exit(0)
