"""What can go wrong at a platform, and whether the platform carried the request out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class ErrorKind(StrEnum):
    """The remedy a failure asks for."""

    AUTH = "auth"  # sign in again
    PERMISSION = "permission"  # the account may not do this
    CONTENT = "content"  # the text or its fields are refused; edit and retry
    MEDIA = "media"  # a file is refused; replace and retry
    RATE = "rate"  # too fast; wait
    QUOTA = "quota"  # the day's or month's budget is spent; wait longer or raise it
    DUPLICATE = "duplicate"  # the platform says it already has this
    NOT_FOUND = "not_found"  # the thing asked for is gone
    PLATFORM_DOWN = "platform_down"  # the platform's fault; try later
    NETWORK = "network"  # the way there is cut; try later
    BUG = "bug"  # ours


class Executed(StrEnum):
    """Whether the platform carried the request out. DNS failures, refused connections and 4xx are NO;
    a timeout, a reset or a 5xx after the body was sent is UNKNOWN."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class PublishError(Exception):
    """A failed call to a platform.

    `user_message` is one sentence: what happened, what was kept, what to do. `detail` is the technical
    side for the attempt's page; it is redacted by whoever raises (publishers/http.py does so).
    """

    def __init__(
        self,
        kind: ErrorKind,
        user_message: str,
        *,
        executed: Executed = Executed.NO,
        retry_at: datetime | None = None,
        platform_code: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(user_message)
        self.kind = kind
        self.user_message = user_message
        self.executed = executed
        self.retry_at = retry_at
        self.platform_code = platform_code
        self.detail = detail

    @property
    def passes_by_itself(self) -> bool:
        """True where waiting alone can cure it, so that a retry needs no creator."""
        return self.kind in {ErrorKind.RATE, ErrorKind.QUOTA, ErrorKind.PLATFORM_DOWN, ErrorKind.NETWORK}
