"""`python -m app`: the window; without a display the tour; with a command the command."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    data_dir = None
    if len(arguments) == 2 and arguments[0] == "--data-dir":
        data_dir, arguments = Path(arguments[1]), []
    if arguments or not has_display():
        from app.cli.root import main as command

        return command(arguments or ["tour", *(["--data-dir", str(data_dir)] if data_dir else [])])
    from app.core.errors import KnownError
    from app.ui.start import run

    try:
        return run(data_dir)
    except KnownError as error:  # before there is a window to say it in
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code


def has_display() -> bool:
    """Whether a window can be shown. QT_QPA_PLATFORM counts: offscreen is a display to Qt."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
