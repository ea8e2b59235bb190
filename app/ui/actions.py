"""Actions as data: menus, shortcuts, the palette and the docs read the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """Something the creator can do from anywhere."""

    id: str  # page.verb, stable
    text: str
    run: Callable[[], object]
    shortcut: str = ""
    icon: str = "chevron-right"
    keywords: str = ""  # other words people look for it by


def matching(actions: list[Action], typed: str) -> list[Action]:
    """Those that hold every typed word, the ones whose text begins with it first."""
    words = typed.lower().split()

    def hay(action: Action) -> str:
        return f"{action.text} {action.keywords}".lower()

    found = [action for action in actions if all(word in hay(action) for word in words)]
    return sorted(found, key=lambda action: not action.text.lower().startswith(typed.lower()))
