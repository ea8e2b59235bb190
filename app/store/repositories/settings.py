"""Settings that change publishing or ranking, shared by every machine on this database."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from app.store.repositories.base import Repository
from app.store.tables import SettingRow


class Settings(Repository):
    def get(self, key: str, default: Any = None) -> Any:
        row = self._session.get(SettingRow, key)
        return default if row is None else row.value

    def all(self) -> dict[str, Any]:
        return {row.key: row.value for row in self._session.exec(select(SettingRow))}

    def under(self, prefix: str) -> dict[str, Any]:
        """The values of every key that starts with `prefix`, by the rest of the key."""
        rows = self._session.exec(select(SettingRow).where(col(SettingRow.key).startswith(prefix, autoescape=True)))
        return {row.key.removeprefix(prefix): row.value for row in rows}

    def set(self, key: str, value: Any) -> None:
        if row := self._session.get(SettingRow, key):
            row.value = value
        else:
            self._add(SettingRow(key=key, value=value))
        self._unit.changed("setting", key)
