"""Render every page, light and dark, from the demo data: `python docs/screens/make.py [FOLDER]`.

Needs no display. The window uses the system's font; Inter is asked for here so that pictures look alike everywhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PySide6.QtGui import QPixmap

ROOT = Path(__file__).parents[2]
SIZE = (1280, 800)
FONTS = ["Inter", "Noto Sans", "DejaVu Sans", "WenQuanYi Micro Hei"]
MODEL_FILES = {"granite-4.0-h-1b-Q4_K_M": 901_000_000, "SmolLM2-135M-Instruct.Q4_1": 98_362_432}


def main(target: Path) -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    folder = Path(tempfile.gettempdir()) / "quarry-demo"  # its path is seen on the Settings page
    models = folder / "models"
    models.mkdir(parents=True)
    os.environ["QUARRY_MODELS_DIR"] = str(models)
    for name, size in MODEL_FILES.items():
        with (models / f"{name}.gguf").open("wb") as file:
            file.truncate(size)  # sparse: only name and size are shown
    try:
        _render(folder, target)
    finally:
        shutil.rmtree(folder)


def _render(folder: Path, target: Path) -> None:
    from app.bootstrap import open_services
    from app.ui.desk import make_desk
    from app.ui.start import make_app
    from app.ui.theme import current
    from app.ui.window import open_window
    from tests.app.ui import demo

    data = folder / "data"
    data.mkdir()
    (data / "settings.toml").write_text(f'theme = "light"\nzone = "{demo.ZONE}"\n', encoding="utf-8")
    with open_services(data, clock=lambda: demo.NOW) as services:
        seeded = demo.seed(services.store)
        app = make_app("light")
        font = app.font()
        font.setFamilies(FONTS)
        app.setFont(font)
        desk = make_desk(services, services.clock)
        window = open_window(desk)
        window.resize(*SIZE)
        window.show()
        _wait(600)
        for scheme in ("light", "dark"):
            current().choose(scheme)
            for name, prepare in _shots(window, seeded):
                if name == "settings":  # the page says which theme is chosen
                    desk.change_settings(theme=scheme)
                    _wait(500)
                prepare()
                _wait(500)
                _save(window.grab(), target / f"{name}-{scheme}.png")
        window.close()


def _shots(window: object, seeded: object) -> list[tuple[str, Callable[[], object]]]:
    """Each picture's name and what to do before it is taken."""

    def editor() -> None:
        window.open("compose")
        draft = next(iter(window.page._boards.all.values())).drafts[0]
        window.page._pick(draft.id)

    return [
        ("compose", lambda: (window.open("compose"), window.page._show_board(), window._banner.hide())),
        ("editor", editor),
        ("palette", lambda: window._open_palette()),
        ("calendar", lambda: (window._palette.close_palette(), window.open("calendar"))),
        ("posts", lambda: (window.open("posts", seeded.unknown.id), window._banner.show())),
        ("insights", lambda: (window.open("insights"), window._banner.hide())),
        ("models", lambda: window.open("models")),
        ("accounts", lambda: window.open("accounts", "bluesky")),
        ("settings", lambda: (window.open("settings"), window._banner.hide())),
    ]


def _save(picture: QPixmap, path: Path) -> None:
    """As a palette image: a third of the size, and no difference to be seen in a window's flat colours."""
    picture.save(str(path))
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _wait(milliseconds: int) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
