"""Settings that change publishing or ranking, shared by every machine on this database."""

from __future__ import annotations

from typing import Any

from sqlmodel import select

from app.store.repositories.base import Repository
from app.store.tables import SettingRow


class Settings(Repository):
    def get(self, key: str, default: Any = None) -> Any:
        row = self._session.get(SettingRow, key)
        return default if row is None else row.value

    def all(self) -> dict[str, Any]:
        return {row.key: row.value for row in self._session.exec(select(SettingRow))}

    def set(self, key: str, value: Any) -> None:
        if row := self._session.get(SettingRow, key):
            row.value = value
        else:
            self._add(SettingRow(key=key, value=value))
        self._unit.changed("setting", key)
