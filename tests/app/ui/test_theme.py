"""Words can be read in both themes, every icon draws, the style sheet has no hole."""

from __future__ import annotations

import json

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from app.ui import icons, theme
from app.ui.theme import Theme, contrast, load_tokens

GROUNDS = ("page", "surface", "sunken", "rail")
STATES = ("info", "success", "warning", "danger", "neutral")
WORDS = [
    *((word, ground) for word in ("text", "muted", "accent_text") for ground in GROUNDS),
    *((word, ground) for word in STATES for ground in ("surface", "page", f"{word}_soft")),
    *(("on_accent", ground) for ground in ("accent", "accent_hover", "accent_press")),
    ("accent_text", "accent_soft"), ("text", "accent_soft"), ("text", "hover"), ("muted", "hover"), ("page", "text"),
    *(("text", f"{state}_soft") for state in STATES),
]  # fmt: skip


def test_contrast_is_the_ratio_of_wcag():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(("word", "ground"), WORDS)
def test_words_stand_out_from_every_ground_they_stand_on(name, word, ground):
    tokens = load_tokens(name)
    assert contrast(getattr(tokens, word), getattr(tokens, ground)) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_the_focus_ring_is_visible(name, ground):
    tokens = load_tokens(name)
    assert contrast(tokens.focus, getattr(tokens, ground)) >= 3  # WCAG 1.4.11, things that are not text


def test_both_themes_say_the_same_tokens():
    light, dark = (json.loads((theme.THEMES / f"{name}.json").read_text()) for name in ("light", "dark"))
    assert light.keys() == dark.keys()


def test_every_icon_draws_in_the_colour_asked_for(look: Theme):
    names = [path.relative_to(icons.FOLDER).with_suffix("").as_posix() for path in icons.FOLDER.rglob("*.svg")]
    assert len(names) > 30
    for name in names:
        picture = icons.pixmap(name, "#FF0000", 24).toImage()
        colors = {QColor(picture.pixelColor(x, y)).name() for x in range(24) for y in range(24)}
        assert "#ff0000" in colors, name


def test_a_platform_without_an_icon_gets_the_globe():
    assert icons.platform_icon("x") == "platforms/x"
    assert icons.platform_icon("nowhere") == "globe"


def test_choosing_a_theme_changes_palette_and_style_sheet(look: Theme, qapp: QApplication):
    light = qapp.styleSheet()
    look.choose("dark")
    try:
        assert look.dark
        assert qapp.palette().window().color().name().upper() == load_tokens("dark").page
        assert load_tokens("dark").surface in qapp.styleSheet() != light
        assert "$" not in qapp.styleSheet().replace("$names", "")
    finally:
        look.choose("light")
    assert qapp.styleSheet() == light
