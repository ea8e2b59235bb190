"""The status bar: which model drafts and how fast, and what goes out next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout

from app.core.words import PostState
from app.ui import say
from app.ui.widgets.basic import GAP, Icon, label

if TYPE_CHECKING:
    from app.ui.desk import Desk
    from app.ui.queries import Outlook

_HEARTBEAT = 30_000  # ms; the words "in 5 min" age


class StatusBar(QFrame):
    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.setProperty("role", "status")
        self.setFixedHeight(32)
        box = QHBoxLayout(self)
        box.setContentsMargins(2 * GAP, 0, 2 * GAP, 0)
        box.setSpacing(6)
        self._engine_dot = Icon("dot", "muted", 14)
        self._engine = label(self.tr("Looking for models…"))
        self._clock = Icon("clock", "muted", 14)
        self._schedule = label()
        for widget in (self._engine_dot, self._engine):
            box.addWidget(widget)
        box.addStretch(1)
        for widget in (self._clock, self._schedule):
            box.addWidget(widget)
        self._default_model = ""
        self._next: datetime | None = None
        self._publishing = 0
        desk.notices.drafting.connect(self.show_drafting)
        self._timer = QTimer(self, interval=_HEARTBEAT)
        self._timer.timeout.connect(self._say_schedule)
        self._timer.start()

    def show_model(self, name: str) -> None:
        """The model that would draft now; "" = none is installed."""
        self._default_model = name
        self.show_drafting("", 0.0)

    @Slot(str, float)
    def show_drafting(self, model: str, tokens_per_second: float) -> None:
        if model:
            speed = f"{tokens_per_second:.0f} tok/s" if tokens_per_second else self.tr("starting…")
            self._engine.setText(f"{model} · {speed}")
            self._engine_dot.show_icon("dot", "success")
        elif self._default_model:
            self._engine.setText(self.tr("{model} · ready").format(model=self._default_model))
            self._engine_dot.show_icon("dot", "muted")
        else:
            self._engine.setText(self.tr("No model on this machine"))
            self._engine_dot.show_icon("dot", "warning")

    def show_outlook(self, outlook: Outlook) -> None:
        self._next = outlook.next_due
        self._publishing = outlook.counts.get(PostState.PUBLISHING, 0)
        self._say_schedule()

    @Slot()
    def _say_schedule(self) -> None:
        if self._publishing:
            self._clock.show_icon("send", "accent_text")
            self._schedule.setText(self.tr("Publishing {n} now").format(n=self._publishing))
            return
        self._clock.show_icon("clock", "muted")
        if self._next is None:
            self._schedule.setText(self.tr("Nothing scheduled"))
            return
        now = self._desk.clock()
        if self._next <= now:
            self._schedule.setText(self.tr("A post is due now"))
            return
        at = say.when(self._next, now, self._desk.zone)
        self._schedule.setText(self.tr("Next post {at} · in {span}").format(at=at, span=say.span(self._next - now)))
