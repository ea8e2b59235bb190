"""Connecting, testing and removing accounts with the real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.ui.pages.accounts.cards import AccountCard
from app.ui.pages.accounts.page import AccountsPage
from publishers import registry
from tests.app.ui import demo
from tests.app.ui.conftest import empty


@pytest.fixture
def page(window: Any, qtbot: QtBot) -> AccountsPage:
    window.open("accounts")
    page = window.page
    assert isinstance(page, AccountsPage)
    return page


def cards(page: Any) -> list[AccountCard]:
    return [card for card in page._accounts.cards if isinstance(card, AccountCard)]


def press(page: Any, qtbot: QtBot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@empty
def test_the_first_account_can_be_a_folder_on_this_computer(
    page: Any, window: Any, qtbot: QtBot, services: Services, tmp_path: Path
):
    qtbot.waitUntil(page._first.isVisible)
    press(page, qtbot, page._begin)
    form = page._form
    assert form._fields["folder"].text() == str(tmp_path / "site")
    form._fields["title"].setText("The Slow Loaf")
    press(page, qtbot, form._connect)
    qtbot.waitUntil(lambda: len(cards(page)) == 1)
    [account] = services.accounts.all().result()
    assert (account.platform, account.answers["folder"]) == ("local", str(tmp_path / "site"))
    assert not page._first.isVisible()
    qtbot.waitUntil(lambda: "is connected" in window._toast._text.text())
    assert not form.isVisible()


@pytest.mark.parametrize("platform", registry.platform_ids())
def test_the_form_asks_what_the_platform_asks(page: Any, qtbot: QtBot, platform: str):
    page.show_item(platform)
    questions = registry.get(platform).capabilities.questions
    assert list(page._form._fields) == [question.id for question in questions]
    for question in questions:
        edit = page._form._fields[question.id]
        assert edit.text() == question.default
        assert edit.accessibleName().startswith(question.label)
        assert (edit.echoMode() == QLineEdit.EchoMode.Password) == question.secret


def test_a_missing_answer_is_said_in_the_form_and_what_was_typed_stays(page: Any, qtbot: QtBot):
    page.show_item("bluesky")
    form = page._form
    form._fields["identifier"].setText("slowloaf.bsky.social")
    form.submit()
    qtbot.waitUntil(form._error.isVisible)
    assert form._fields["identifier"].text() == "slowloaf.bsky.social"
    assert form._connect.isEnabled()


def test_the_redirect_address_to_register_is_shown(page: Any, qtbot: QtBot):
    page.show_item("x")
    qtbot.waitUntil(page._form._redirect.isVisible)
    assert "http://127.0.0.1:" in page._form._redirect.text()


def test_an_account_is_removed_at_the_second_press(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    qtbot.waitUntil(lambda: len(cards(page)) == 3)
    [card] = [one for one in cards(page) if one.account.platform == "local"]
    press(page, qtbot, card._remove)
    assert card._remove.text() == "Press again to remove"
    press(page, qtbot, card._remove)
    qtbot.waitUntil(lambda: len(cards(page)) == 2)
    assert {one.platform for one in services.accounts.all().result()} == {"bluesky", "x"}
