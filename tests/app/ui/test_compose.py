"""From a brief to a scheduled post on the Compose page; nothing typed is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit
from pytestqt.qtbot import QtBot

from app.bootstrap import Services
from app.core.ids import new_id
from app.core.words import Brief, Channel, DraftState, Generation, GenerationState, Length, PostState
from app.drafting.events import GenerationEnded, VariantDrafted, VariantStarted, VariantText
from app.ui.desk import Desk, make_desk
from app.ui.pages.compose.page import ComposePage
from app.ui.pages.compose.variants import VariantCard
from publishers.api import Content
from tests.app.ui import demo
from tests.app.ui.conftest import empty, flush_deletions


@pytest.fixture
def page(window: Any, qtbot: QtBot) -> ComposePage:
    page = window.page
    assert isinstance(page, ComposePage)
    return page


def cards(page: Any) -> list[Any]:
    return page._boards._stack.currentWidget().findChildren(VariantCard)


def open_first(page: Any, qtbot: QtBot) -> QPlainTextEdit:
    qtbot.waitUntil(lambda: bool(page._boards.all) and all(card.draft for card in cards(page)))
    qtbot.mouseClick(cards(page)[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page._editor.draft is not None)
    return page._editor._edit


def test_the_latest_brief_and_its_variants_come_back(page: Any, baker: demo.Demo, qtbot: QtBot):
    qtbot.waitUntil(lambda: len(page._boards.all) == 2)
    assert page._form.brief().topic == baker.brief.topic
    assert [card.draft.text for card in cards(page)] == list(demo.VARIANTS)
    assert page._boards._tabs.tabText(1) == "X"
    assert "58 tok/s" in cards(page)[0]._facts.text()


def test_events_of_drafting_stream_into_cards(page: Any, baker: demo.Demo, qtbot: QtBot, services: Services):
    qtbot.waitUntil(lambda: len(page._boards.all) == 2)
    written = services.store.read(lambda unit: unit.drafts.listed(generation_id=baker.generation.id)).result()
    [draft] = [one for one in written if one.variant == 0]
    generation = Generation(new_id(), baker.brief.id, demo.BLUESKY, 2, "", "post@1", {}, 1)
    page._runs.expect(generation)
    page._board(demo.BLUESKY).expect(generation, {})
    first, second = cards(page)[3:]
    hear = page.desk.background.listener(page, page._runs.hear)
    hear(VariantStarted(generation.id, 0, "granite"))
    hear(VariantText(generation.id, 0, "Rye keeps"))
    hear(VariantText(generation.id, 0, "Rye keeps longer"))
    qtbot.waitUntil(lambda: "Rye keeps longer" in first._text.text())
    assert first._state.text() == "Writing…"
    assert page.window().findChild(type(page.window()._status))._engine.text().startswith("granite")
    hear(VariantDrafted(generation.id, draft))
    hear(GenerationEnded(generation.id, GenerationState.FAILED, "The engine died."))
    qtbot.waitUntil(lambda: second._state.text() == "Failed")
    assert first.draft == draft
    assert first._state.text() == "Ready"


def test_what_is_typed_into_a_draft_becomes_a_revision(page: Any, qtbot: QtBot, services: Services):
    edit = open_first(page, qtbot)
    draft = page._editor.draft
    page._editor._autosave._timer.setInterval(20)
    qtbot.keyClicks(edit, " More.")
    qtbot.waitUntil(lambda: page._editor._saved.text() == "Saved")
    stored = services.store.read(lambda unit: unit.drafts.get(draft.id)).result()
    assert stored.text == f"{draft.text} More."
    before = services.store.read(lambda unit: unit.drafts.revisions(draft.id)).result()
    assert before[-1].text == draft.text
    assert "More." in page._preview._parts.itemAt(0).widget().text()


def test_a_narrow_window_gives_the_editor_the_brief_s_room(page: Any, window: Any, qtbot: QtBot):
    open_first(page, qtbot)
    assert page._form.isVisible()
    window.resize(900, 600)
    qtbot.waitUntil(lambda: not page._form.isVisible())
    qtbot.waitUntil(lambda: window.minimumSizeHint().width() <= 900)
    page._editor.leave()
    assert page._form.isVisible()


def test_a_save_under_way_does_not_lose_what_is_typed_meanwhile(page: Any, qtbot: QtBot, services: Services):
    edit = open_first(page, qtbot)
    draft = page._editor.draft
    page._editor._autosave._timer.setInterval(10)
    qtbot.keyClicks(edit, " One.")
    page._editor.flush()
    qtbot.keyClicks(edit, " Two.")
    page._editor.flush()  # the first is not answered yet

    def stored() -> str:
        return services.store.read(lambda unit: unit.drafts.get(draft.id)).result().text

    qtbot.waitUntil(lambda: stored() == f"{draft.text} One. Two.")


def test_a_text_over_the_limit_is_marked_and_cannot_be_approved(page: Any, qtbot: QtBot):
    edit = open_first(page, qtbot)
    qtbot.waitUntil(page._approve._approve.isEnabled)
    qtbot.keyClicks(edit, " This goes on. And on it goes until it is too long for Bluesky.")
    assert page._editor._count.text() == "311 / 300 graphemes"
    assert page._editor._count.property("role") == "over"
    [mark] = edit.extraSelections()
    assert mark.cursor.selectionEnd() - mark.cursor.selectionStart() == 11
    assert not page._approve._approve.isEnabled()
    page._editor._shorten()
    assert edit.toPlainText().endswith("This goes on.")
    assert page._approve._approve.isEnabled()
    edit.undo()
    assert "too long" in edit.toPlainText()


def test_approving_with_a_time_schedules_the_post(page: Any, qtbot: QtBot, services: Services):
    open_first(page, qtbot)
    draft = page._editor.draft
    panel = page._approve
    qtbot.waitUntil(panel._approve.isEnabled)
    assert panel.account.platform == "bluesky"
    panel._timed.click()
    assert panel._approve.accessibleName() == "Approve and schedule"
    qtbot.mouseClick(panel._approve, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page._boards.editing)
    [post] = services.store.read(lambda unit: unit.posts.listed(draft_id=draft.id)).result()
    assert post.state is PostState.SCHEDULED
    assert post.wall_time
    assert post.wall_time.local.isoformat() == "2026-11-24T13:00:00"  # the next full hour, 11:40 on the wall
    assert post.wall_time.zone == demo.ZONE
    stored = services.store.read(lambda unit: unit.drafts.get(draft.id)).result()
    assert stored.state is DraftState.APPROVED


def test_a_discarded_draft_comes_back_with_undo(page: Any, window: Any, qtbot: QtBot, services: Services):
    open_first(page, qtbot)
    draft = page._editor.draft

    def state() -> DraftState:
        return services.store.read(lambda unit: unit.drafts.get(draft.id)).result().state

    page._editor._discard.click()
    qtbot.waitUntil(lambda: state() is DraftState.DISCARDED and window._toast.isVisible())
    qtbot.mouseClick(window._toast._button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state() is DraftState.OPEN)


@empty
def test_the_first_run_needs_no_account(page: Any, window: Any, qtbot: QtBot, services: Services):
    assert page._content.currentWidget() is page._empty
    by_hand = Brief(new_id(), "Rye", channels=(demo.SITE,))
    services.store.write(lambda unit: unit.briefs.add(by_hand)).result()
    draft = services.drafting.write_by_hand(Content.plain("Rye keeps."), demo.SITE, by_hand.id).result()
    page.show_item(by_hand.id)
    qtbot.waitUntil(lambda: bool(page._boards.all))
    page._pick(draft.id)
    qtbot.waitUntil(page._approve._connect.isVisible)
    assert not page._approve._approve.isEnabled()
    qtbot.mouseClick(page._approve._connect, Qt.MouseButton.LeftButton)
    assert window.page.accessibleName() == "Accounts"
    assert window.page._form.isVisible()


@empty
def test_a_brief_is_saved_while_it_is_typed_and_stands_there_after_a_restart(
    desk: Desk, window: Any, qtbot: QtBot, services: Services
):
    page = window.page
    page._autosave._timer.setInterval(20)
    qtbot.keyClicks(page._form._topic, "Winter rye")
    page._form._length.setCurrentIndex(page._form._length.findData(Length.LONG))

    def topics() -> list[str]:
        return [brief.topic for brief in services.store.read(lambda unit: unit.briefs.recent()).result()]

    qtbot.waitUntil(lambda: topics() == ["Winter rye"])
    again = make_desk(services, services.clock)
    second = ComposePage(again)
    second.show()
    qtbot.waitUntil(lambda: second._form.brief().topic == "Winter rye")
    assert second._form.brief().id == page._form.brief().id
    again.close()
    second.close()
    second.deleteLater()
    flush_deletions()


@empty
def test_a_brief_without_topic_or_channel_is_refused_in_words(page: Any, qtbot: QtBot):
    qtbot.mouseClick(page._form._draft, Qt.MouseButton.LeftButton)
    assert page._form._error.text() == "Say what the post is about."
    page._form._topic.setPlainText("Rye")
    for chip in page._form._chips.values():
        chip.setChecked(False)
    qtbot.mouseClick(page._form._draft, Qt.MouseButton.LeftButton)
    assert page._form._error.text() == "Choose at least one channel."


@empty
def test_drafting_without_a_model_says_what_to_do(page: Any, window: Any, qtbot: QtBot):
    page._form._topic.setPlainText("Rye")
    qtbot.keyClick(page._form._topic, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(window._banner.isVisible)
    assert "model" in window._banner.problem.text
    qtbot.waitUntil(lambda: page._form._draft.accessibleName() == "Draft")
    assert cards(page)[0]._state.text() == "Failed"


@empty
def test_the_starter_model_writes_into_the_cards(
    page: Any, qtbot: QtBot, services: Services, starter_model: Path, tmp_path: Path
):
    (tmp_path / "models" / starter_model.name).symlink_to(starter_model)
    form = page._form
    form.show_brief(Brief(new_id(), "We open at nine", length=Length.SHORT, channels=(Channel("local", "post"),)))
    form._variants.setValue(1)
    form.press()
    qtbot.waitUntil(lambda: bool(page._boards.all) and cards(page)[0].draft is not None, timeout=60_000)
    draft = cards(page)[0].draft
    assert draft.provenance.model == starter_model.stem
    assert draft.text
    qtbot.waitUntil(lambda: form._draft.accessibleName() == "Draft")
