"""A connected account, and a platform that can be connected."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal, Slot

from app.core.words import Account, AccountState
from app.ui import icons, say
from app.ui.widgets.basic import GAP, Button, Card, Elided, Icon, Pill, column, label, row
from publishers.api import AuthKind, Capabilities, Reconcile

_SURE = 4000  # ms in which a second press removes


class AccountCard(Card):
    tested = Signal(str)
    signed_in = Signal(str)  # platform id
    removed = Signal(str)

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account
        look = say.state(account.state)
        name, handle = Elided("strong"), Elided("small")
        name.say(account.label)
        handle.say(f"{say.platform(account.platform)} · {account.handle or account.server}")
        title = row(name, Pill(look.text, look.tone))
        title.setStretch(0, 1)
        icon = Icon(icons.platform_icon(account.platform), "text", 22)
        who = row(icon, column(title, handle, spacing=2), spacing=GAP + 4)
        who.setStretch(1, 1)
        self.body.addLayout(who)
        if account.attention:
            self.body.addWidget(label(account.attention, "warning", wrap=True))
        self.body.addSpacing(GAP // 2)
        test = Button(self.tr("Test"))
        test.setAccessibleName(self.tr("Test {name}").format(name=account.label))
        test.clicked.connect(lambda: self.tested.emit(account.id))
        self._remove = Button(self.tr("Remove"), "quiet")
        self._remove.setAccessibleName(self.tr("Remove {name}").format(name=account.label))
        self._remove.clicked.connect(self._press_remove)
        foot = row(test, None, self._remove)
        if account.state is AccountState.NEEDS_SIGN_IN:
            sign_in = Button(self.tr("Sign in"), "primary")
            sign_in.setAccessibleName(self.tr("Sign in to {name}").format(name=account.label))
            sign_in.clicked.connect(lambda: self.signed_in.emit(account.platform))
            foot.insertWidget(0, sign_in)
        self.body.addLayout(foot)
        self._sure = QTimer(self, singleShot=True, interval=_SURE)
        self._sure.timeout.connect(self._calm)

    @Slot()
    def _press_remove(self) -> None:
        """Twice, because its sign-in is deleted for good."""
        if self._sure.isActive():
            self._sure.stop()
            self.removed.emit(self.account.id)
        else:
            self._remove.setText(self.tr("Press again to remove"))
            self._sure.start()

    @Slot()
    def _calm(self) -> None:
        self._remove.setText(self.tr("Remove"))


class PlatformCard(Card):
    chosen = Signal(str)  # platform id

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.capabilities = capabilities
        title = row(
            Icon(icons.platform_icon(capabilities.platform), "text", 22), label(capabilities.name, "heading"), None
        )
        title.setSpacing(GAP + 4)
        self.body.addLayout(title)
        self.body.addWidget(label(self._about(), "muted", wrap=True))
        self.body.addStretch(1)
        connect = Button(self.tr("Connect"), icon="plus")
        connect.setAccessibleName(self.tr("Connect {platform}").format(platform=capabilities.name))
        connect.clicked.connect(lambda: self.chosen.emit(capabilities.platform))
        self.body.addLayout(row(connect, None))

    def _about(self) -> str:
        kind = self.capabilities
        limit = kind.formats[0].text.value
        text = self.tr("{n} {unit} a post").format(n=say.number(limit), unit=kind.formats[0].unit)
        if kind.thread:
            text += ", " + self.tr("threads")
        signs = {
            AuthKind.NONE: self.tr("No sign-in needed."),
            AuthKind.PASSWORD: self.tr("Sign in with an app password."),
            AuthKind.OAUTH2: self.tr("Sign in in the browser, with your own app credentials."),
        }[kind.auth]
        sure = {
            Reconcile.AUTHORITATIVE: self.tr("Says for certain whether a post went out."),
            Reconcile.HEURISTIC: self.tr("Usually says whether a post went out."),
            Reconcile.HUMAN: self.tr("You confirm that a post went out."),
        }[kind.reconcile]
        return f"{text}. {signs} {sure}"
