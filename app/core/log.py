"""The log: a file of its own for each kind of program, bounded, without the addresses httpx would write into it."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from app.core.folder import DataFolder

_BYTES, _FILES = 2 * 2**20, 3


def set_up_log(folder: DataFolder, program: str) -> None:
    """Write warnings and what Quarry itself notes to logs/<program>.log. Call once, from a program's main."""
    # At INFO httpx logs whole addresses, and some platforms put tokens into them.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        handler = RotatingFileHandler(
            folder.prepare().logs / f"{program}.log", maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8", delay=True
        )
    except OSError:  # a full disk must not stop the program over its log
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(process)d: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
