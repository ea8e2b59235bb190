"""Accounts: identities on platforms. Their secrets are in the keychain, not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import col, select

from app.core.ids import Id
from app.core.words import Account, AccountState
from app.store.repositories.base import Repository
from app.store.tables import AccountRow


class Accounts(Repository):
    def save(self, account: Account) -> Account:
        """Add an account, or bring the one of the same identity up to date (connecting again keeps its id)."""
        row = self._session.exec(
            select(AccountRow).where(
                AccountRow.platform == account.platform,
                AccountRow.server == account.server,
                AccountRow.remote_id == account.remote_id,
            )
        ).first()
        if row is None:
            row = AccountRow(
                id=account.id,
                platform=account.platform,
                remote_id=account.remote_id,
                handle=account.handle,
                server=account.server,
                name=account.name,
                answers=dict(account.answers),
                state=account.state,
                attention="",
                expires_at=account.expires_at,
                created_at=self._now,
            )
            self._add(row)
        else:
            row.handle, row.name, row.answers = account.handle, account.name, dict(account.answers)
            row.state, row.attention, row.expires_at = account.state, "", account.expires_at
        self._unit.changed("account", row.id)
        return _account(row)

    def get(self, identifier: Id) -> Account:
        return _account(self._row(AccountRow, identifier, "account"))

    def all(self, platform: str | None = None) -> Sequence[Account]:
        """Every account that was not removed, oldest first."""
        query = select(AccountRow).where(AccountRow.state != AccountState.REMOVED).order_by(AccountRow.id)
        if platform:
            query = query.where(AccountRow.platform == platform)
        return [_account(row) for row in self._session.exec(query)]

    def set_state(self, identifier: Id, state: AccountState, attention: str = "") -> None:
        row = self._row(AccountRow, identifier, "account")
        row.state, row.attention = state, attention
        self._unit.changed("account", row.id)

    def refreshed(self, identifier: Id, expires_at: datetime | None) -> None:
        """New tokens are in the keychain."""
        row = self._row(AccountRow, identifier, "account")
        row.expires_at = expires_at
        row.state, row.attention = AccountState.CONNECTED, ""
        self._unit.changed("account", row.id)

    def lease(self, identifier: Id, duration: timedelta) -> bool:
        """Become the only one to refresh this account's tokens; False while another process does."""
        row = self._row(AccountRow, identifier, "account")
        if row.lease_until is not None and row.lease_until > self._now:
            return False
        row.lease_until = self._now + duration
        return True

    def release(self, identifier: Id) -> None:
        """Let go of the refresh lease."""
        self._row(AccountRow, identifier, "account").lease_until = None

    def needing_attention(self) -> Sequence[Account]:
        rows = self._session.exec(select(AccountRow).where(col(AccountRow.state) == AccountState.NEEDS_SIGN_IN))
        return [_account(row) for row in rows]


def _account(row: AccountRow) -> Account:
    return replace(
        Account(row.id, row.platform, row.remote_id, row.handle, row.server),
        name=row.name,
        answers=row.answers,
        state=AccountState(row.state),
        attention=row.attention,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )
