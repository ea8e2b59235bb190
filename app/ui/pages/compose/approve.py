"""From a draft to a post: which account, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from PySide6.QtCore import QDateTime, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QDateTimeEdit, QFrame, QSizePolicy

from app.core.clock import WallTime, load_zone
from app.core.words import Account, Draft, DraftState
from app.ui import icons, theme
from app.ui.desk import Desk
from app.ui.widgets.basic import GAP, Button, column, field, inset, row


class ApprovePanel(QFrame):
    pressed = Signal(object, object)  # Account, WallTime or None
    connect_wanted = Signal(str)  # platform id
    account_changed = Signal(object)  # Account or None

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._draft: Draft | None = None
        self._passes = False
        self.setProperty("role", "footer")
        self._account = QComboBox()
        self._connect = Button(self.tr("Connect an account"), icon="plus")
        self._timed = QCheckBox(self.tr("Schedule"))
        self._timed.setAccessibleName(self.tr("Schedule for a time"))
        self._time = QDateTimeEdit(calendarPopup=True)
        self._time.setDisplayFormat("ddd d MMM, HH:mm")
        self._time.setAccessibleName(self.tr("Time"))
        self._time.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._time.setEnabled(False)
        inset(self._time)
        self._approve = Button(self.tr("Approve"), "primary", icon="check")
        self._approve.setMinimumHeight(36)
        when = row(self._timed, self._time, spacing=GAP + 4)
        box = column(field(self.tr("Account"), self._account), self._connect, when, self._approve, spacing=GAP + 4)
        box.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        self.setLayout(box)
        self._timed.toggled.connect(self._time.setEnabled)
        self._timed.toggled.connect(self._name)
        self._approve.clicked.connect(self._press)
        self._connect.clicked.connect(self._want_account)
        self._account.currentIndexChanged.connect(self._choose)

    @property
    def account(self) -> Account | None:
        found = self._account.currentData()
        return found if isinstance(found, Account) else None

    def show_draft(self, draft: Draft) -> None:
        self._draft = draft
        if not self._timed.isChecked():
            self._suggest_time()
        self._update()

    def show_accounts(self, accounts: Sequence[Account]) -> None:
        """The accounts of the draft's platform; the chosen one stays chosen."""
        before = self.account
        self._account.blockSignals(True)
        self._account.clear()
        for account in accounts:
            picture = icons.icon(icons.platform_icon(account.platform), theme.tokens().muted)
            text = f"{account.label} · {account.handle}" if account.name and account.handle else account.label
            self._account.addItem(picture, text, account)
        kept = [place for place, account in enumerate(accounts) if before and account.id == before.id]
        self._account.setCurrentIndex(kept[0] if kept else 0)
        self._account.blockSignals(False)
        self._account.setEnabled(bool(accounts))
        self._connect.setVisible(not accounts)
        self._choose()
        self._update()

    def show_passes(self, passes: bool) -> None:
        """Whether the platform would take the text as it is."""
        self._passes = passes
        self._update()

    def _suggest_time(self) -> None:
        """The next full hour that is at least half an hour away."""
        local = self._desk.clock().astimezone(load_zone(self._desk.zone)).replace(tzinfo=None) + timedelta(minutes=90)
        self._time.setDateTime(QDateTime(local.year, local.month, local.day, local.hour, 0, 0))

    def _update(self) -> None:
        is_open = self._draft is not None and self._draft.state is DraftState.OPEN
        self._approve.setEnabled(is_open and self._passes and self.account is not None)
        self._name()

    @Slot()
    def _name(self) -> None:
        if self._draft is not None and self._draft.state is DraftState.APPROVED:
            text = self.tr("Approved")
        else:
            text = self.tr("Approve and schedule") if self._timed.isChecked() else self.tr("Approve")
        self._approve.setText(text)
        self._approve.setAccessibleName(text)

    @Slot()
    def _choose(self) -> None:
        self.account_changed.emit(self.account)

    @Slot()
    def _want_account(self) -> None:
        if self._draft is not None:
            self.connect_wanted.emit(self._draft.channel.platform)

    @Slot()
    def _press(self) -> None:
        if (account := self.account) is not None:
            self._approve.setEnabled(False)
            when = WallTime(_local(self._time.dateTime()), self._desk.zone) if self._timed.isChecked() else None
            self.pressed.emit(account, when)


def _local(chosen: QDateTime) -> datetime:
    date, time = chosen.date(), chosen.time()
    return datetime(date.year(), date.month(), date.day(), time.hour(), time.minute())
