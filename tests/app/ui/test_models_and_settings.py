"""Model files and machine settings, changed from the window and found on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.core.settings import load_settings
from app.ui import theme
from app.ui.pages.models.cards import InstalledCard, OfferCard
from app.ui.widgets.basic import Button
from tests.app.ui.conftest import empty


def press(qtbot: QtBot, root, name: str) -> None:
    """Press the button of that name once it can be seen: a card is shown a turn after it is made."""

    def visible() -> list[Button]:
        named = [button for button in root.findChildren(Button) if button.accessibleName() == name]
        return [button for button in named if button.isVisible()]  # replaced cards live until the next turn

    qtbot.waitUntil(lambda: len(visible()) == 1)
    visible()[0].click()


@empty
def test_a_model_file_is_imported_chosen_and_removed(window: Any, qtbot: QtBot, tmp_path: Path, data: Path):
    window.open("models")
    page = window.page
    qtbot.waitUntil(page._none.isVisible)
    for name in ("granite-4.0-h-1b-Q4_K_M", "mine"):
        source = tmp_path / f"{name}.gguf"
        source.write_bytes(b"GGUF" + bytes(len(name)))
        page.import_file(str(source))
        qtbot.waitUntil(lambda name=name: name in [c.model.id for c in page._installed.findChildren(InstalledCard)])
    press(qtbot, page._installed, "Use mine for drafts")
    qtbot.waitUntil(lambda: load_settings(data / "settings.toml").model == "mine")
    qtbot.waitUntil(lambda: window._status._engine.text() == "mine · ready")
    press(qtbot, page._installed, "Remove mine")
    qtbot.waitUntil(lambda: not (tmp_path / "models" / "mine.gguf").exists())


@empty
def test_a_file_that_is_no_model_is_refused_in_words(window: Any, qtbot: QtBot, tmp_path: Path):
    window.open("models")
    (tmp_path / "notes.gguf").write_text("Shopping list")
    window.page.import_file(str(tmp_path / "notes.gguf"))
    qtbot.waitUntil(lambda: window._banner.isVisible() and "is no GGUF model file" in window._banner.problem.text)
    assert window.page._import.isEnabled()


@empty
def test_granite_is_recommended_first_with_size_and_fit(window: Any, qtbot: QtBot):
    window.open("models")
    page = window.page
    qtbot.waitUntil(lambda: bool(page._offers.cards))
    first = page._offers.cards[0]
    assert isinstance(first, OfferCard)
    said = [label.text() for label in first.findChildren(type(page._none))]
    assert any(text.startswith("Granite 4.0 H") for text in said)
    assert "Recommended" in said
    assert any(text.endswith("to download") for text in said)


def test_choosing_a_theme_is_seen_at_once_and_kept(window: Any, qtbot: QtBot, data: Path):
    window.open("settings")
    press(qtbot, window.page, "Theme: Dark")
    try:
        assert theme.current().dark
        qtbot.waitUntil(lambda: load_settings(data / "settings.toml").theme == "dark")
    finally:
        theme.current().choose("light")


def test_another_zone_moves_the_calendar(window: Any, qtbot: QtBot, data: Path):
    window.open("calendar")
    calendar = window.page
    window.open("settings")
    zones = window.page._zone
    zones.setCurrentIndex(zones.findData("America/New_York"))
    zones.activated.emit(zones.currentIndex())
    qtbot.waitUntil(lambda: load_settings(data / "settings.toml").zone == "America/New_York")
    window.open("calendar")
    qtbot.waitUntil(lambda: calendar._zone.text() == "America/New York")
    qtbot.waitUntil(lambda: any(place.minute == 8 * 60 for place in calendar._week.places))  # 14:00 in Berlin


def test_an_address_that_is_none_is_refused_and_the_old_one_stays(window: Any, qtbot: QtBot, data: Path):
    window.open("settings")
    page = window.page
    page._endpoint.setFocus()
    qtbot.keyClicks(page._endpoint, "ftp://somewhere")
    qtbot.keyClick(page._endpoint, Qt.Key.Key_Return)
    assert page._endpoint.text() == ""
    page._endpoint.setText("http://127.0.0.1:8000/v1")
    qtbot.keyClick(page._endpoint, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: load_settings(data / "settings.toml").endpoint == "http://127.0.0.1:8000/v1")
