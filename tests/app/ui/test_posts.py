"""The posts table: long lists, filters, search, and what can be done about one post."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.core.words import PostState
from app.ui.pages.posts.model import PAGE, STATE, TEXT
from app.ui.pages.posts.page import PostsPage
from app.ui.widgets.basic import Button
from tests.app.ui import demo
from tests.app.ui.conftest import empty


@pytest.fixture
def page(window: Any, qtbot: QtBot) -> PostsPage:
    window.open("posts")
    page = window.page
    assert isinstance(page, PostsPage)
    qtbot.waitUntil(lambda: page._listing == 1 and bool(page._found.text()))
    return page


def texts(page: Any) -> list[str]:
    model = page._model
    return [str(model.index(row, TEXT).data() or "") for row in range(model.rowCount())]


def words(pane: Any) -> str:
    return "\n".join(found.text() for found in pane.findChildren(QLabel) if found.isVisible())


def button(pane: Any, name: str) -> Button:
    [found] = [one for one in pane.findChildren(Button) if one.accessibleName() == name and one.isVisible()]
    return found


def show(page: Any, post_id: str, qtbot: QtBot) -> Any:
    page.show_item(post_id)
    qtbot.waitUntil(
        lambda: page._details.isVisible() and page._details.post.id == post_id and bool(words(page._details))
    )
    return page._details


def test_every_post_is_listed_with_state_channel_and_account(page: Any, qtbot: QtBot):
    qtbot.waitUntil(lambda: "…" not in str(page._model.index(0, 2).data()) and page._model.post(0) is not None)
    row = [page._model.index(0, column).data() for column in range(5)]
    assert row[:4] == ["Approved", "X", "The Slow Loaf", "–"]
    assert page._found.text() == f"{page._model.rowCount()} posts"


def test_filters_and_search_narrow_the_list(page: Any, qtbot: QtBot):
    page._filters["needs"].click()
    qtbot.waitUntil(lambda: page._found.text() == "2 posts" and all(texts(page)))
    assert {page._model.index(row, STATE).data() for row in range(2)} == {"Needs you", "Failed"}
    page._filters["all"].click()
    page._search.setText("RYE")
    qtbot.waitUntil(lambda: len(texts(page)) == 2 and all("rye" in text.lower() for text in texts(page)))
    page._search.setText("nothing says this")
    qtbot.waitUntil(lambda: page._stack.currentWidget() is page._empty)


def test_ten_thousand_posts_scroll_and_only_what_is_seen_is_fetched(page: Any, qtbot: QtBot, services: Services):
    demo.many_posts(services.store, 10_000)
    page.reload()
    qtbot.waitUntil(lambda: page._model.rowCount() > 10_000 and page._model.post(0) is not None)
    page._table.scrollToBottom()
    last = page._model.rowCount() - 1
    qtbot.waitUntil(lambda: page._model.post(last) is not None)
    assert texts_at(page, last).endswith("(9999)")
    assert len(page._model._pages) <= 4
    assert page._model.post(last // 2) is None
    assert PAGE * len(page._model._pages) < 500


def texts_at(page: Any, row: int) -> str:
    return str(page._model.index(row, TEXT).data())


def test_a_failed_post_shows_its_attempt_and_can_be_tried_again(
    page: Any, baker: demo.Demo, qtbot: QtBot, services: Services
):
    pane = show(page, baker.failed.id, qtbot)
    said = words(pane)
    assert "Attempt 1" in said
    assert "17 posts a day" in said
    assert "commit: failed · 0.6 s" in said
    assert "HTTP 429 usage-capped" in said
    button(pane, "Try again").click()
    qtbot.waitUntil(lambda: services.publishing.get(baker.failed.id).result().state is PostState.SCHEDULED)
    qtbot.waitUntil(lambda: pane.post.state is PostState.SCHEDULED)


def test_the_creator_says_that_an_unknown_post_did_go_out(
    page: Any, baker: demo.Demo, window: Any, qtbot: QtBot, services: Services
):
    pane = show(page, baker.unknown.id, qtbot)
    assert "did not answer" in words(pane)
    pane._link.setText("not a link")
    button(pane, "It did go out").click()
    qtbot.waitUntil(lambda: window._banner.isVisible() and "no web address" in window._banner.problem.text)
    pane._link.setText("https://x.com/theslowloaf/status/1")
    button(pane, "It did go out").click()
    qtbot.waitUntil(lambda: bool(services.publishing.details(baker.unknown.id).result().publications))
    qtbot.waitUntil(lambda: "Live since" in words(pane))


def test_the_creator_says_that_an_unknown_post_did_not_go_out(
    page: Any, baker: demo.Demo, qtbot: QtBot, services: Services
):
    pane = show(page, baker.unknown.id, qtbot)
    button(pane, "It did not: send it again").click()
    qtbot.waitUntil(lambda: services.publishing.get(baker.unknown.id).result().state is PostState.PUBLISHING)
    qtbot.waitUntil(lambda: "resend" in words(pane))


def test_a_post_is_canceled_and_brought_back(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    post = baker.planned[3]
    pane = show(page, post.id, qtbot)
    button(pane, "Cancel post").click()
    qtbot.waitUntil(lambda: services.publishing.get(post.id).result().state is PostState.CANCELED)
    page.desk.undo.undo()
    qtbot.waitUntil(lambda: services.publishing.get(post.id).result().wall_time == post.wall_time)


def test_choosing_a_row_opens_its_details_and_closing_them_gives_the_table_back(page: Any, qtbot: QtBot):
    qtbot.waitUntil(lambda: page._model.post(0) is not None)
    page._table.setFocus()
    qtbot.keyClick(page._table, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: page._details.isVisible() and bool(words(page._details)))
    assert page._details.post.id == page._model.post(page._table.currentIndex().row()).id
    button(page._details, "Close details").click()
    assert not page._details.isVisible()


@empty
def test_an_empty_list_teaches(page: Any, window: Any, qtbot: QtBot):
    qtbot.waitUntil(lambda: page._stack.currentWidget() is page._empty)
    [start] = page._empty.findChildren(Button)
    qtbot.mouseClick(start, Qt.MouseButton.LeftButton)
    assert window.page.accessibleName() == "Compose"
