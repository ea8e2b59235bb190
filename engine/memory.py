"""How much memory answers in progress may take."""

from __future__ import annotations

from typing import Final

import psutil

# Of what is free once the model is loaded: the rest is for the window, the browser, and what else begins meanwhile.
SHARE: Final = 0.75
# A machine that seems to have nothing left still answers one short prompt; its system decides what gives way.
LEAST_MEMORY: Final = 64 << 20


def free_memory() -> int:
    """Bytes that answers may take: a share of what the system could give without swapping."""
    return int(psutil.virtual_memory().available * SHARE)
