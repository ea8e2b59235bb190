"""The week: posts stand where their time is, move by drag and by keyboard, and every move can be undone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDropEvent
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.core.clock import WallTime
from app.core.words import Post, PostState
from app.ui.pages.calendar.model import CARD_MINUTES, MIME, Place, monday_of, places
from app.ui.pages.calendar.page import CalendarPage
from tests.app.ui import demo

MONDAY = date(2026, 11, 23)


@pytest.fixture
def page(window: Any, qtbot: QtBot) -> CalendarPage:
    window.open("calendar")
    page = window.page
    assert isinstance(page, CalendarPage)
    qtbot.waitUntil(lambda: len(page._week.posts) > 5 and len(page._tray.posts) == 2)
    return page


def stored(services: Services, post: Post) -> Post:
    return services.publishing.get(post.id).result()


def choose(page: Any, post: Post) -> None:
    page._view.setCurrentIndex(page._week.index(page._week.row_of(post.id), 0))


def drag_to(page: Any, post: Post, when: datetime) -> bool:
    """Drag over the grid and drop where `when` is; whether the grid would take it there."""
    view = page._view
    grid = view._grid()
    there = grid.card(grid.place_of(when))
    x, y = there.center().x(), there.top()
    data = QMimeData()
    data.setData(MIME, post.id.encode())
    action, no_key = Qt.DropAction.MoveAction, Qt.KeyboardModifier.NoModifier
    # A drop event for the move, too: Qt 6.12 calls the move event's constructor deprecated and offers no other.
    over = QDropEvent(QPointF(x, y), action, data, Qt.MouseButton.LeftButton, no_key, QEvent.Type.DragMove)
    view.dragMoveEvent(over)
    if over.isAccepted():
        view.dropEvent(QDropEvent(QPointF(x, y), action, data, Qt.MouseButton.LeftButton, no_key))
    return over.isAccepted()


# ---- layout --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 7 * 24 * 60 - 1), max_size=40))
def test_cards_never_cover_each_other(minutes: list[int]):
    midnight = datetime(2026, 11, 23)
    times = sorted(midnight + timedelta(minutes=minute) for minute in minutes)
    laid = places(times, MONDAY)
    assert [(place.day, place.minute) for place in laid] == [
        ((time - midnight).days, time.hour * 60 + time.minute) for time in times
    ]
    for index, one in enumerate(laid):
        assert 0 <= one.lane < one.lanes
        for other in laid[index + 1 :]:
            if one.day == other.day and abs(one.minute - other.minute) < CARD_MINUTES:
                assert one.lane != other.lane
                assert one.lanes == other.lanes


def test_cards_that_do_not_touch_take_the_whole_day():
    times = [datetime(2026, 11, 23, 9), datetime(2026, 11, 23, 10), datetime(2026, 11, 24, 9)]
    assert places(times, MONDAY) == [Place(0, 540), Place(0, 600), Place(1, 540)]


def test_a_week_begins_on_monday():
    assert {monday_of(MONDAY + timedelta(days=day)) for day in range(7)} == {MONDAY}


# ---- the page ------------------------------------------------------------------------------------


def test_posts_stand_at_their_wall_clock_time(page: Any, baker: demo.Demo):
    first = baker.planned[0]
    place = page._week.places[page._week.row_of(first.id)]
    assert (place.day, place.minute) == (1, 14 * 60)
    rect = page._view.visualRect(page._week.index(page._week.row_of(first.id), 0))
    assert page._view.time_at(rect.topLeft() + QPoint(5, 0)) == datetime(2026, 11, 24, 14, 0)
    assert page._view.indexAt(rect.center()).row() == page._week.row_of(first.id)
    assert page._dates.text() == "23 – 29 November 2026"
    assert page._zone.text() == demo.ZONE


def test_dragging_a_post_schedules_it_there_and_undo_takes_it_back(
    page: Any, baker: demo.Demo, qtbot: QtBot, services: Services
):
    post = baker.planned[0]
    assert drag_to(page, post, datetime(2026, 11, 26, 10, 15))
    moved = WallTime(datetime(2026, 11, 26, 10, 15), demo.ZONE)
    qtbot.waitUntil(lambda: stored(services, post).wall_time == moved)
    qtbot.waitUntil(lambda: page._week.places[page._week.row_of(post.id)].day == 3)
    page.desk.undo.undo()
    qtbot.waitUntil(lambda: stored(services, post).wall_time == post.wall_time)
    page.desk.undo.redo()
    qtbot.waitUntil(lambda: stored(services, post).wall_time == moved)


def test_a_post_without_a_time_gets_one_by_drag_and_loses_it_by_undo(page: Any, qtbot: QtBot, services: Services):
    post = page._tray.posts[0]
    assert drag_to(page, post, datetime(2026, 11, 25, 8, 0))
    qtbot.waitUntil(lambda: stored(services, post).state is PostState.SCHEDULED)
    qtbot.waitUntil(lambda: len(page._tray.posts) == 1)
    page.desk.undo.undo()
    qtbot.waitUntil(lambda: stored(services, post).state is PostState.APPROVED)
    assert stored(services, post).wall_time is None
    qtbot.waitUntil(lambda: len(page._tray.posts) == 2)


def test_a_post_dragged_to_the_tray_waits_again(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    page._tray_view.dropped.emit(baker.planned[0].id)
    qtbot.waitUntil(lambda: stored(services, baker.planned[0]).state is PostState.APPROVED)


@pytest.mark.parametrize(
    ("key", "wall"),
    [
        (Qt.Key.Key_Down, datetime(2026, 11, 24, 14, 15)),
        (Qt.Key.Key_Up, datetime(2026, 11, 24, 13, 45)),
        (Qt.Key.Key_Right, datetime(2026, 11, 25, 14, 0)),
    ],
)
def test_alt_and_arrows_move_the_chosen_post(
    page: Any, baker: demo.Demo, qtbot: QtBot, services: Services, key: Qt.Key, wall: datetime
):
    choose(page, baker.planned[0])
    qtbot.keyClick(page._view, key, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: stored(services, baker.planned[0]).wall_time == WallTime(wall, demo.ZONE))
    qtbot.waitUntil(lambda: page._view.currentIndex().row() == page._week.row_of(baker.planned[0].id))


def test_the_past_takes_no_post(page: Any, baker: demo.Demo, window: Any, services: Services, qtbot: QtBot):
    assert not drag_to(page, baker.planned[0], datetime(2026, 11, 23, 10, 0))
    choose(page, baker.planned[0])
    qtbot.keyClick(page._view, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert window._toast._text.text() == "That time has passed: choose a later one"
    assert stored(services, baker.planned[0]) == baker.planned[0]


def test_a_move_of_a_post_that_changed_elsewhere_is_refused(
    page: Any, baker: demo.Demo, window: Any, qtbot: QtBot, services: Services
):
    post = baker.planned[0]
    elsewhere = WallTime(datetime(2026, 11, 28, 9), demo.ZONE)
    page.desk.changes.close()  # the page has not heard of it yet
    services.publishing.schedule(post.id, elsewhere).result()
    drag_to(page, post, datetime(2026, 11, 26, 10, 15))
    qtbot.waitUntil(window._banner.isVisible)
    qtbot.waitUntil(lambda: "changed meanwhile" in window._banner.problem.text)
    assert stored(services, post).wall_time == elsewhere


def test_delete_cancels_and_undo_brings_the_time_back(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    choose(page, baker.planned[1])
    qtbot.keyClick(page._view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: stored(services, baker.planned[1]).state is PostState.CANCELED)
    qtbot.waitUntil(lambda: page._week.row_of(baker.planned[1].id) < 0)
    page.desk.undo.undo()
    qtbot.waitUntil(lambda: stored(services, baker.planned[1]).wall_time == baker.planned[1].wall_time)


def test_arrows_walk_through_the_week(page: Any, qtbot: QtBot):
    view = page._view
    qtbot.keyClick(view, Qt.Key.Key_Home)
    seen = [view.currentIndex().row()]
    for _ in range(len(page._week.posts) - 1):
        qtbot.keyClick(view, Qt.Key.Key_Down)
        seen.append(view.currentIndex().row())
    assert seen == list(range(len(page._week.posts)))
    qtbot.keyClick(view, Qt.Key.Key_Home)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert page._week.places[view.currentIndex().row()].day == 1


def test_other_weeks_and_back(page: Any, qtbot: QtBot):
    page._after.click()
    assert page._dates.text() == "30 November – 6 December 2026" or page._dates.text().startswith("30 Nov")
    qtbot.waitUntil(lambda: page._week.posts == [])
    page._today.click()
    qtbot.waitUntil(lambda: len(page._week.posts) > 5)


def test_a_change_made_elsewhere_redraws_the_week(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    when = WallTime(datetime(2026, 11, 29, 20, 0), demo.ZONE)
    services.publishing.schedule(baker.planned[2].id, when).result()
    qtbot.waitUntil(lambda: page._week.places[page._week.row_of(baker.planned[2].id)] == Place(6, 20 * 60))


def test_a_tray_post_is_scheduled_with_the_keyboard(page: Any, qtbot: QtBot, services: Services):
    post = page._tray.posts[0]
    page._tray_view.setCurrentIndex(page._tray.index(0, 0))
    page._tray_view.activated.emit(page._tray.index(0, 0))  # Enter, or a double click
    noon = WallTime(datetime(2026, 11, 24, 12, 0), demo.ZONE)
    qtbot.waitUntil(lambda: stored(services, post).wall_time == noon)
    qtbot.waitUntil(lambda: page._view.currentIndex().row() == page._week.row_of(post.id))
