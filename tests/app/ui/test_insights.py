"""Numbers with their n, changes, leaderboards that say when they know too little."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.ui.pages.insights.board import IntervalBar
from app.ui.pages.insights.page import InsightsPage
from tests.app.ui import demo
from tests.app.ui.conftest import empty


def opened(window: Any, qtbot: QtBot) -> InsightsPage:
    window.open("insights")
    page = window.page
    assert isinstance(page, InsightsPage)
    return page


def test_tiles_tell_the_period_its_change_and_n(window: Any, qtbot: QtBot, services: Services):
    page = opened(window, qtbot)
    qtbot.waitUntil(lambda: page._tiles["posts"]._value.text() == "10")
    assert page._tiles["views"]._note.text() == "8 posts tell it"  # Bluesky tells no views
    assert page._tiles["views"]._change.text().startswith("+")
    assert page._tiles["reactions"].accessibleName().startswith("Reactions: ")
    page._segments.findChildren(type(page._as_text))[0].click()  # 7 days
    qtbot.waitUntil(lambda: page._tiles["posts"]._value.text() == "3")


def test_models_are_ranked_with_intervals_and_the_chart_has_words(window: Any, qtbot: QtBot):
    page = opened(window, qtbot)
    qtbot.waitUntil(lambda: len(page._models.findChildren(IntervalBar)) == 2)
    said = [found.text() for found in page._models.findChildren(QLabel)]
    assert demo.GRANITE in said
    assert any(text.startswith("× 1.") for text in said)
    qtbot.waitUntil(lambda: "views by 8 posts" in page._words.text())
    assert "views by 8 posts" in page._chart._plot.accessibleDescription()
    page._as_text.click()
    assert page._views.currentWidget() is page._words


@empty
def test_without_results_the_page_teaches(window: Any, qtbot: QtBot):
    page = opened(window, qtbot)
    qtbot.waitUntil(lambda: page._stack.currentWidget() is page._empty)


@empty
def test_few_results_are_called_not_enough(window: Any, qtbot: QtBot, services: Services):
    def add(unit):
        account = demo._account(unit, "local", "one", "one.example", "One", "file:")
        for number in range(3):
            demo._published(unit, account, demo.SITE, f"Post {number}", number)

    services.store.write(add).result()
    page = opened(window, qtbot)
    qtbot.waitUntil(lambda: "Not enough data yet" in page._models._note.text())
    assert page._models.findChildren(IntervalBar) == []
    assert "not enough data yet" in [found.text() for found in page._models.findChildren(QLabel)]
