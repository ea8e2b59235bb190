"""The Accounts page: connected accounts above, platforms below, the form beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core.ids import Id
from app.core.words import Account
from app.ui.actions import Action
from app.ui.desk import Desk
from app.ui.page import Page
from app.ui.pages.accounts.cards import AccountCard, PlatformCard
from app.ui.pages.accounts.connect import ConnectPane
from app.ui.widgets.basic import GAP, Body, Button, Card, Icon, column, label, row, scrolled
from app.ui.widgets.grid import CardGrid
from publishers.api import AuthKind

_CARD = 290


class AccountsPage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"account"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._platforms = {one.platform: one for one in desk.services.accounts.platforms()}
        self._accounts = CardGrid(_CARD, most=3)
        self._title = label(self.tr("Connected"), "heading")
        self._first = self._make_first()
        offers = CardGrid(_CARD, most=3)
        for capabilities in self._platforms.values():
            card = PlatformCard(capabilities)
            card.chosen.connect(self._open_form)
            offers.add(card)
        self._form = ConnectPane(desk)
        self._form.hide()
        self._form.connected.connect(self._say_connected)
        self._form.closed.connect(self._close_form)
        content = QWidget()
        whole = column(
            self._first,
            self._title,
            self._accounts,
            label(self.tr("Platforms"), "heading"),
            offers,
            None,
            spacing=2 * GAP,
        )
        whole.setContentsMargins(3 * GAP, 0, 3 * GAP, 3 * GAP)
        content.setLayout(whole)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(scrolled(content), 1)
        box.addWidget(self._form)

    def _make_first(self) -> Card:
        """The first step of somebody without any account: a platform that needs none."""
        card = Card()
        text = Body(
            self.tr(
                "Connect one, or begin with a folder on this computer: Quarry writes your posts there as pages and as "
                "a feed that any web server can show. Nothing has to be signed up for."
            )
        )
        text.setProperty("role", "muted")
        self._begin = Button(self.tr("Begin with a folder"), "primary", icon="platforms/local")
        self._begin.clicked.connect(self._open_simplest)
        words = column(label(self.tr("No accounts yet"), "heading"), text, row(self._begin, None), spacing=GAP)
        whole = row(Icon("accounts", "accent_text", 32), words, spacing=2 * GAP)
        whole.setStretch(1, 1)
        card.body.addLayout(whole)
        card.hide()
        return card

    # ---- the page --------------------------------------------------------------------------------

    def actions_offered(self) -> Sequence[Action]:
        return [
            Action(
                f"accounts.connect.{one.platform}",
                self.tr("Connect {platform}").format(platform=one.name),
                lambda platform=one.platform: self.desk.go("accounts", platform),  # type: ignore[misc]
                icon="plus",
                keywords="account sign in",
            )
            for one in self._platforms.values()
        ]

    def reload(self) -> None:
        self.desk.background.run(self, self.desk.queries.accounts(), self._show_accounts)

    def show_item(self, what: Id) -> None:
        """The form of a platform, or of the platform of an account that has to sign in."""
        if what in self._platforms:
            self._open_form(what)
            return
        accounts = self.desk.services.accounts
        self.desk.background.run(self, accounts.get(what), lambda account: self._open_form(account.platform))

    def leave(self) -> None:
        self._form.cancel()

    def _show_accounts(self, accounts: Sequence[Account]) -> None:
        cards = []
        for account in accounts:
            card = AccountCard(account)
            card.tested.connect(self._test)
            card.removed.connect(self._remove)
            card.signed_in.connect(self._open_form)
            cards.append(card)
        self._accounts.show_cards(cards)
        for widget in (self._title, self._accounts):
            widget.setVisible(bool(cards))
        self._first.setVisible(not cards)

    # ---- connecting ------------------------------------------------------------------------------

    @Slot(str)
    def _open_form(self, platform: str) -> None:
        self._form.show()
        self._form.show_platform(self._platforms[platform])

    @Slot()
    def _open_simplest(self) -> None:
        for one in self._platforms.values():
            if one.auth is AuthKind.NONE:
                self._open_form(one.platform)
                self._form.fill({"folder": str(self.desk.services.folder.root.parent / "site")})
                return

    @Slot()
    def _close_form(self) -> None:
        self._form.cancel()
        self._form.hide()

    def _say_connected(self, account: Account) -> None:
        self._close_form()
        self.desk.notices.say(self.tr("{name} is connected").format(name=account.label))

    @Slot(str)
    def _test(self, account_id: Id) -> None:
        services = self.desk.services
        future = services.loop.run(services.accounts.test(account_id))
        self.desk.background.run(self, future, self._say_works)

    def _say_works(self, account: Account) -> None:
        self.desk.notices.say(self.tr("{name} works").format(name=account.label))

    @Slot(str)
    def _remove(self, account_id: Id) -> None:
        services = self.desk.services
        future = services.loop.run(services.accounts.remove(account_id))
        said = self.tr("The account and its sign-in were removed; its posts stay")
        self.desk.background.run(self, future, lambda _done: self.desk.notices.say(said))
