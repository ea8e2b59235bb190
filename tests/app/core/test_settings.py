from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import KnownError
from app.core.settings import load_settings, save_settings


def test_written_settings_come_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    save_settings(path, load_settings(path), theme="dark", model='a "quoted" name – 模型')
    again = load_settings(path)
    assert (again.theme, again.model) == ("dark", 'a "quoted" name – 模型')


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('theme = "dark"\n')
    monkeypatch.setenv("QUARRY_THEME", "light")
    assert load_settings(path).theme == "light"


@pytest.mark.parametrize("text", ['theme = "pink"', "engine_threads = -1", "theme = ", "\x00"])
def test_a_wrong_file_is_named_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(KnownError, match=r"settings\.toml"):
        load_settings(path)
    assert path.read_text() == text
