"""Qt's mark for texts that are translated elsewhere than where they stand, typed as the text it returns.

pyside6-lupdate finds it by its name.
"""

from __future__ import annotations


def QT_TRANSLATE_NOOP(_context: str, text: str) -> str:
    return text
