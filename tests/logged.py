"""Makes a test fail that logs a warning or worse without saying so first."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field


@dataclass
class ExpectedLog:
    """What a test says it will make the code log; calling it adds one expectation.

    >>> expected_log("lease .* was lost")
    """

    patterns: list[re.Pattern[str]] = field(default_factory=list)

    def __call__(self, pattern: str) -> None:
        """Expect at least one record of level WARNING or above whose message holds the regular expression."""
        self.patterns.append(re.compile(pattern))


class Recorder(logging.Handler):
    """Keeps the records of level WARNING and above that reach the root logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def complaints(records: list[logging.LogRecord], expected: ExpectedLog) -> list[str]:
    """Name what was logged and not expected, and what was expected and not logged."""
    messages = [(record, record.getMessage()) for record in records]
    unexpected = [
        f"unexpected {record.levelname} of {record.name}: {message}"
        for record, message in messages
        if not any(pattern.search(message) for pattern in expected.patterns)
    ]
    missed = [
        f"expected but not logged: {pattern.pattern}"
        for pattern in expected.patterns
        if not any(pattern.search(message) for _, message in messages)
    ]
    return unexpected + missed
