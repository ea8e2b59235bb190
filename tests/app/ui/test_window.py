"""The shell: pages by rail, key and palette; names for every control; problems with one button."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.core.words import AccountState
from app.ui.actions import Action, matching
from app.ui.desk import Desk
from app.ui.pages import PAGES
from app.ui.window import NARROW
from tests.app.ui import demo
from tests.app.ui.conftest import empty


def controls(root: QWidget) -> list[QWidget]:
    """What the Tab key or a screen reader stops at, without the parts Qt makes inside its own widgets."""
    return [
        widget
        for widget in root.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not widget.objectName().startswith("qt_")
        and not isinstance(widget.parent(), QAbstractScrollArea)
        and (widget.parent() or widget).metaObject().className() not in {"QComboBoxPrivateContainer", "QCalendarWidget"}
    ]


def unnamed(root: QWidget) -> list[str]:
    found = []
    for widget in controls(root):
        interface = QAccessible.queryAccessibleInterface(widget)
        if not (interface and interface.text(QAccessible.Text.Name).strip()):
            found.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    return found


def test_every_control_of_every_page_has_a_name(window: Any, baker: demo.Demo, qtbot: QtBot):
    for entry in PAGES:
        window.open(entry.id)
        qtbot.wait(20)
        assert controls(window.page), entry.id
    window.open("posts", baker.unknown.id)
    window.open("accounts", "x")
    window.open("compose")
    compose = window.page
    qtbot.waitUntil(lambda: bool(compose._boards.all))
    compose._pick(next(iter(compose._boards.all.values())).drafts[0].id)
    qtbot.waitUntil(lambda: compose._editor.draft is not None)
    assert len(controls(window)) > 60
    assert not unnamed(window), unnamed(window)


@pytest.mark.parametrize("number", range(1, len(PAGES) + 1))
def test_a_page_opens_by_its_key(window: Any, qtbot: QtBot, number: int):
    qtbot.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
    entry = PAGES[number - 1]
    assert window.windowTitle() == f"{entry.title} · Quarry"
    assert window.page.accessibleName() == entry.title
    assert window._rail._buttons[entry.id].isChecked()


def test_a_page_loads_only_once_it_is_opened(window: Any):
    assert set(window._pages) == {"compose"}


def test_the_palette_finds_and_runs_an_action(window: Any, qtbot: QtBot):
    window.page._form._topic.setPlainText("Rye and wheat")
    qtbot.keyClick(window.page._form._topic, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert window.page._form._topic.toPlainText() == "Rye and wheat"  # Ctrl+K deletes to the end of a line on Linux
    palette = window._palette
    assert palette.isVisible()
    qtbot.keyClicks(palette._field, "go cal")
    assert [action.id for action in palette._model.actions] == ["go.calendar"]
    qtbot.keyClick(palette._field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.page.accessibleName() == "Calendar"


def test_the_palette_goes_round_with_the_arrows_and_closes_with_escape(window: Any, qtbot: QtBot):
    window._open_palette()
    palette = window._palette
    count = len(palette._model.actions)
    qtbot.keyClick(palette._field, Qt.Key.Key_Up)
    assert palette._list.currentIndex().row() == count - 1
    qtbot.keyClick(palette._field, Qt.Key.Key_Down)
    assert palette._list.currentIndex().row() == 0
    qtbot.keyClick(palette._field, Qt.Key.Key_Escape)
    assert not palette.isVisible()


def test_every_action_has_its_own_id_and_words(window: Any, qtbot: QtBot):
    for entry in PAGES:
        window.open(entry.id)
    actions = window.actions_offered()
    assert len({action.id for action in actions}) == len(actions) > 20
    assert all(action.text for action in actions)


def test_matching_wants_every_word_and_prefers_the_beginning():
    one = Action("a", "Open posts", lambda: None)
    two = Action("b", "Posts of today", lambda: None, keywords="open")
    assert matching([one, two], "posts") == [two, one]
    assert matching([one, two], "today open") == [two]
    assert matching([one, two], "") == [one, two]


def test_the_rail_keeps_only_icons_in_a_narrow_window(window: Any, qtbot: QtBot):
    window.resize(QSize(NARROW - 1, 700))
    qtbot.waitUntil(lambda: window._rail.narrow)
    button = window._rail._buttons["posts"]
    assert (button.text(), button.accessibleName()) == ("", "Posts")
    window.resize(QSize(NARROW, 700))
    qtbot.waitUntil(lambda: not window._rail.narrow)
    assert button.text().strip() == "Posts"


def test_posts_that_need_the_creator_stand_in_a_banner_with_one_button(window: Any, qtbot: QtBot):
    qtbot.waitUntil(window._banner.isVisible)
    assert window._banner.problem.text == "2 posts need you."
    qtbot.mouseClick(window._banner._remedy, Qt.MouseButton.LeftButton)
    assert window.page.accessibleName() == "Posts"
    qtbot.waitUntil(lambda: window.page._found.text() == "2 posts")


def test_an_account_to_sign_in_to_is_said_and_leads_to_its_form(
    window: Any, baker: demo.Demo, qtbot: QtBot, services: Services
):
    account = baker.accounts["bluesky"]
    said = "Bluesky no longer takes the stored sign-in: sign in again."
    services.store.write(lambda unit: unit.accounts.set_state(account.id, AccountState.NEEDS_SIGN_IN, said)).result()
    qtbot.waitUntil(lambda: window._banner.isVisible() and window._banner.problem.text == said)
    qtbot.mouseClick(window._banner._remedy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.page._form.isVisible())
    assert set(window.page._form._fields) == {"server", "identifier", "password"}


def test_the_status_bar_tells_model_and_next_post(window: Any, qtbot: QtBot, desk: Desk):
    status = window._status
    qtbot.waitUntil(lambda: status._schedule.text() == "Next post Today 14:00 · in 2 h")
    qtbot.waitUntil(lambda: status._engine.text() == "No model on this machine")
    desk.notices.drafting.emit("granite", 61.2)
    assert status._engine.text() == "granite · 61 tok/s"


@empty
def test_an_installed_model_is_ready_to_draft(window: Any, qtbot: QtBot, tmp_path: Path, desk: Desk):
    (tmp_path / "models" / "granite-4.0-h-tiny-Q4_K_M.gguf").write_bytes(b"GGUF")
    desk.notices.settings_changed.emit()
    qtbot.waitUntil(lambda: window._status._engine.text() == "Granite 4.0 H Tiny · ready")
    assert window._status._schedule.text() == "Nothing scheduled"


def test_the_window_comes_back_where_it_was(window: Any, desk: Desk, data: Path, qtbot: QtBot):
    window.resize(1000, 640)
    window.close()
    assert "geometry" in json.loads((data / "ui.json").read_text())
    window._ui_file.restore(window)
    assert window.height() == 640  # the width is bounded by the offscreen screen's


@pytest.mark.parametrize("content", ["", "{", "[]", '{"geometry": 7}', '{"geometry": "no"}'])
def test_a_damaged_ui_file_is_no_reason_not_to_open(window: Any, data: Path, content: str):
    (data / "ui.json").write_text(content)
    window._ui_file.restore(window)
    assert window.isVisible()


@pytest.mark.qt_log_ignore("This plugin does not support raise", extend=True)
def test_coming_forward_undoes_minimising(window: Any):
    window.showMinimized()
    window.come_forward()
    assert not window.isMinimized()
    assert window.isVisible()
