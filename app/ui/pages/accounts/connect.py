"""The guided connection: a form made of the platform's own questions."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from PySide6.QtCore import QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QLineEdit, QVBoxLayout, QWidget

from app.accounts.browser import BrowserSignIn
from app.core.words import Account
from app.ui import icons
from app.ui.desk import Desk
from app.ui.widgets.basic import GAP, Body, Button, Icon, clear, column, field, label, row, scrolled
from publishers.api import AuthKind, Capabilities, Question

_WIDTH = 380


class ConnectPane(QFrame):
    connected = Signal(object)  # Account
    closed = Signal()

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._platform: Capabilities | None = None
        self._fields: dict[str, QLineEdit] = {}
        self._waiting: Future[Any] | None = None
        self._sign_in: BrowserSignIn | None = None
        self.setProperty("role", "side")
        self.setFixedWidth(_WIDTH)
        content = QWidget()
        self._box = QVBoxLayout(content)
        self._box.setContentsMargins(3 * GAP, GAP, 3 * GAP, 2 * GAP)
        self._box.setSpacing(2 * GAP)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(1, 0, 0, 0)
        whole.addWidget(scrolled(content))

    def show_platform(self, capabilities: Capabilities) -> None:
        """A fresh form."""
        self.cancel()
        self._platform = capabilities
        clear(self._box)
        close = Button(kind="quiet", icon="x", name=self.tr("Close the form"))
        close.clicked.connect(self.closed)
        title = label(self.tr("Connect {platform}").format(platform=capabilities.name), "heading")
        self._box.addLayout(row(Icon(icons.platform_icon(capabilities.platform), "text", 22), title, None, close))
        self._redirect = Body()
        self._redirect.hide()
        self._box.addWidget(self._redirect)
        self._fields = {question.id: self._add(question) for question in capabilities.questions}
        self._error = label("", "error", wrap=True)
        self._error.hide()
        self._box.addWidget(self._error)
        browser = capabilities.auth is AuthKind.OAUTH2
        text = self.tr("Sign in in the browser") if browser else self.tr("Connect")
        self._connect = Button(text, "primary", icon="external" if browser else "check")
        self._connect.setMinimumHeight(36)
        self._connect.clicked.connect(self.submit)
        self._box.addWidget(self._connect)
        self._pasting = self._make_pasting()
        self._box.addWidget(self._pasting)
        self._box.addStretch(1)
        if browser:
            accounts = self._desk.services.accounts
            self._desk.background.run(self, lambda: accounts.redirect_uri(capabilities.platform), self._show_redirect)
        if self._fields:
            next(iter(self._fields.values())).setFocus()

    def fill(self, answers: dict[str, str]) -> None:
        """Suggest answers."""
        for name, text in answers.items():
            if name in self._fields:
                self._fields[name].setText(text)

    def cancel(self) -> None:
        """Stop waiting for the browser."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._sign_in is not None:
            self._desk.services.loop.run(self._sign_in.close())
            self._sign_in = None

    def _add(self, question: Question) -> QLineEdit:
        edit = QLineEdit(question.default)
        if question.secret:
            edit.setEchoMode(QLineEdit.EchoMode.Password)
        edit.returnPressed.connect(self.submit)
        optional = "" if question.required else self.tr(" (optional)")
        self._box.addLayout(field(question.label + optional, edit, question.help))
        return edit

    def _make_pasting(self) -> QWidget:
        """For a browser on another machine, which cannot hand the code back."""
        widget = QWidget()
        self._pasted = QLineEdit(placeholderText="https://")
        done = Button(self.tr("Use this address"))
        done.clicked.connect(self._paste)
        hint = label(self.tr("Quarry waits for the browser to come back."), "muted", wrap=True)
        paste = field(self.tr("Browser on another machine? Paste the address it ended at"), self._pasted)
        widget.setLayout(column(hint, paste, row(done, None), spacing=GAP))
        widget.hide()
        return widget

    def _show_redirect(self, address: str) -> None:
        self._redirect.say(self.tr("Register this redirect address with your app:\n{address}").format(address=address))
        self._redirect.show()

    @Slot()
    def submit(self) -> None:
        """Sign in with what stands in the form."""
        if self._platform is None or self._waiting is not None:
            return
        answers = {name: edit.text().strip() for name, edit in self._fields.items()}
        accounts, platform = self._desk.services.accounts, self._platform
        self._say_error("")
        self._connect.setEnabled(False)
        if platform.auth is AuthKind.OAUTH2:
            begun = self._desk.services.loop.run(accounts.begin_browser(platform.platform, answers))
            self._waiting = self._desk.background.run(self, begun, self._open_browser, self._failed)
        else:
            future = self._desk.services.loop.run(accounts.connect_password(platform.platform, answers))
            self._waiting = self._desk.background.run(self, future, self._done, self._failed)

    def _open_browser(self, sign_in: BrowserSignIn) -> None:
        self._sign_in = sign_in
        self._pasting.show()
        QDesktopServices.openUrl(QUrl(sign_in.url))
        self._complete("")

    @Slot()
    def _paste(self) -> None:
        if self._sign_in is not None and (address := self._pasted.text().strip()):
            if self._waiting is not None:
                self._waiting.cancel()
            self._complete(address)

    def _complete(self, pasted: str) -> None:
        assert self._sign_in is not None
        future = self._desk.services.loop.run(self._desk.services.accounts.complete_browser(self._sign_in, pasted))
        self._waiting = self._desk.background.run(self, future, self._done, self._failed)

    def _done(self, account: Account) -> None:
        self._waiting = self._sign_in = None
        self._connect.setEnabled(True)
        self.connected.emit(account)

    def _failed(self, error: BaseException) -> None:
        self._waiting = self._sign_in = None
        self._connect.setEnabled(True)
        self._pasting.hide()
        if message := getattr(error, "message", ""):
            self._say_error(message)
        else:
            self._desk.notices.fail(error)

    def _say_error(self, text: str) -> None:
        self._error.setText(text)
        self._error.setVisible(bool(text))
