"""Token sets in the secret store, each as one JSON text under its account's id."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime

from app.core.ids import Id
from app.secrets.contract import SecretStore
from publishers.api import TokenSet

OpenSecrets = Callable[[], SecretStore]
_log = logging.getLogger(__name__)


class TokenStore:
    """Token sets by account. The secret store opens at the first use, so that nobody is asked for a keychain who
    needs none. Everything waits in threads, since a keychain may ask the creator; raises KnownError."""

    def __init__(self, open_secrets: OpenSecrets) -> None:
        self._open_secrets = open_secrets
        self._opened: SecretStore | None = None
        self._opening = threading.Lock()

    async def open(self) -> None:
        """Open now, to fail before something is sent that cannot be sent twice."""
        await asyncio.to_thread(self._secrets)

    async def get(self, account_id: Id, *, fresh: bool = False) -> TokenSet | None:
        """The account's tokens; None where there are none or they cannot be read. `fresh` looks past what was
        remembered."""
        text = await asyncio.to_thread(lambda: self._secrets().get(account_id, fresh=fresh))
        try:
            return None if text is None else tokens_from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("the stored sign-in of account %s cannot be read and counts as missing", account_id)
            return None

    async def put(self, account_id: Id, tokens: TokenSet) -> None:
        await asyncio.to_thread(lambda: self._secrets().set(account_id, tokens_to_json(tokens)))

    async def delete(self, account_id: Id) -> None:
        await asyncio.to_thread(lambda: self._secrets().delete(account_id))

    def _secrets(self) -> SecretStore:
        with self._opening:
            if self._opened is None:
                self._opened = self._open_secrets()
            return self._opened


def tokens_to_json(tokens: TokenSet) -> str:
    return json.dumps(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": tokens.expires_at.isoformat() if tokens.expires_at else None,
            "scope": tokens.scope,
            "extra": dict(tokens.extra),
        }
    )


def tokens_from_json(text: str) -> TokenSet:
    """The inverse of tokens_to_json. Raises ValueError, KeyError, TypeError or AttributeError for anything else."""
    value = json.loads(text)
    expires = value["expires_at"]
    return TokenSet(
        access_token=str(value["access_token"]),
        refresh_token=str(value["refresh_token"]),
        expires_at=datetime.fromisoformat(expires) if expires else None,
        scope=str(value["scope"]),
        extra={str(name): str(secret) for name, secret in value["extra"].items()},
    )


def secret_values(tokens: TokenSet) -> tuple[str, ...]:
    """Every text in it that must be blotted out of errors."""
    return (tokens.access_token, tokens.refresh_token, *tokens.extra.values())
