"""What all repositories share: the session, the time, finding rows by id or by the ending of one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from app.core.errors import NotThere, WrongUsage
from app.core.ids import Id

if TYPE_CHECKING:
    from app.store.unit import Unit

Row = TypeVar("Row", bound=SQLModel)
_SHORTEST_ENDING = 4


class Repository:
    """Base of the repositories; `unit` outlives it."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def _session(self) -> Session:
        return self._unit.session

    @property
    def _now(self) -> datetime:
        return self._unit.now

    def _add(self, row: SQLModel) -> None:
        self._session.add(row)
        self._session.flush()

    def _row(self, table: type[Row], identifier: Id, word: str) -> Row:
        """The row of that id, or of the only id that ends so. Raises NotThere or WrongUsage."""
        if row := self._session.get(table, identifier):
            return row
        key: Any = col(table.id)  # type: ignore[attr-defined]
        ending = identifier.lower()
        if len(ending) < _SHORTEST_ENDING or not set(ending) <= set("0123456789abcdef-"):
            raise NotThere(f"There is no {word} “{identifier}”.")
        rows = self._session.exec(select(table).where(key.endswith(ending)).limit(2)).all()
        if not rows:
            raise NotThere(f"There is no {word} “{identifier}”.")
        if len(rows) > 1:
            raise WrongUsage(f"More than one {word} ends in “{identifier}”: type more of it.")
        return rows[0]
