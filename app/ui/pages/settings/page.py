"""The Settings page: every control writes settings.toml as soon as it is left."""

from __future__ import annotations

from zoneinfo import available_timezones

from PySide6.QtCore import Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QCompleter,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.core.clock import local_zone
from app.core.folder import models_folder
from app.ui import theme
from app.ui.desk import Desk
from app.ui.page import Page
from app.ui.widgets.basic import GAP, Button, Card, Elided, column, inset, label, line, row, scrolled

_CONTROL = 260
_COLUMN = 720
_THEMES: tuple[theme.Choice, ...] = ("system", "light", "dark")


class SettingsPage(Page):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        content = QWidget()
        sections = column(self._general(), self._engine(), self._data(), None, spacing=2 * GAP)
        middle = QWidget()
        middle.setMaximumWidth(_COLUMN)
        middle.setLayout(sections)
        whole = QHBoxLayout(content)
        whole.setContentsMargins(3 * GAP, 0, 3 * GAP, 3 * GAP)
        whole.addWidget(middle, 1)
        whole.addStretch(0)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(content))

    # ---- sections --------------------------------------------------------------------------------

    def _general(self) -> Card:
        look = QFrame()
        look.setProperty("role", "sunken")
        segments = QHBoxLayout(look)
        segments.setContentsMargins(2, 2, 2, 2)
        segments.setSpacing(2)
        group = QButtonGroup(self)
        names = {"system": self.tr("System"), "light": self.tr("Light"), "dark": self.tr("Dark")}
        self._themes: dict[str, Button] = {}
        for choice in _THEMES:
            button = Button(names[choice], "segment")
            button.setCheckable(True)
            button.setAccessibleName(self.tr("Theme: {name}").format(name=names[choice]))
            button.clicked.connect(lambda _checked, chosen=choice: self._choose_theme(chosen))
            group.addButton(button)
            segments.addWidget(button)
            self._themes[choice] = button
        self._zone = QComboBox(editable=True, insertPolicy=QComboBox.InsertPolicy.NoInsert)
        self._zone.addItem(self.tr("This computer's ({zone})").format(zone=local_zone()), "")
        if (typed := self._zone.lineEdit()) is not None:
            typed.setAccessibleName(self.tr("Time zone"))
        if (completer := self._zone.completer()) is not None:  # an editable one always has one
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        for zone in sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")):
            self._zone.addItem(zone.replace("_", " "), zone)
        self._zone.activated.connect(self._choose_zone)
        return self._section(
            self.tr("General"),
            (self.tr("Theme"), self.tr("Colours of the window."), look),
            (self.tr("Time zone"), self.tr("In which times are shown and new posts are scheduled."), self._zone),
        )

    def _engine(self) -> Card:
        self._endpoint = QLineEdit(placeholderText="http://127.0.0.1:8000/v1")
        self._endpoint.editingFinished.connect(self._choose_endpoint)
        self._threads = QSpinBox(minimum=0, maximum=256)
        self._threads.setSpecialValueText(self.tr("One per core"))
        inset(self._threads)
        self._threads.editingFinished.connect(lambda: self._change(engine_threads=self._threads.value()))
        self._context = QSpinBox(minimum=512, maximum=131_072, singleStep=512, suffix=self.tr(" tokens"))
        inset(self._context)
        self._context.editingFinished.connect(lambda: self._change(engine_context=self._context.value()))
        card = self._section(
            self.tr("Engine"),
            (
                self.tr("Another server"),
                self.tr("Any OpenAI-compatible address; empty drafts on this computer."),
                self._endpoint,
            ),
            (self.tr("Threads"), self.tr("Processor threads that draft."), self._threads),
            (self.tr("Context"), self.tr("Tokens a draft and its source may have together."), self._context),
        )
        card.body.addWidget(label(self.tr("Changes of the engine apply when Quarry starts the next time."), "small"))
        return card

    def _data(self) -> Card:
        folder = self.desk.services.folder
        rows = [
            (self.tr("Data folder"), self.tr("Posts, drafts and results."), folder.root),
            (self.tr("Models"), self.tr("Model files, shared by all data folders."), models_folder()),
            (self.tr("Reports"), self.tr("Logs and what is written when something goes wrong."), folder.logs),
        ]
        lines = []
        for title, about, path in rows:
            where = Elided("small")
            where.say(str(path))
            where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            open_it = Button(kind="", icon="external", name=self.tr("Open {folder}").format(folder=title))
            open_it.clicked.connect(lambda _checked=False, at=str(path): _open_folder(at))
            widget = QWidget()
            box = row(where, open_it)
            box.setStretch(0, 1)
            widget.setLayout(box)
            lines.append((title, about, widget))
        return self._section(self.tr("Data"), *lines)

    @staticmethod
    def _section(title: str, *rows: tuple[str, str, QWidget]) -> Card:
        card = Card(padding=2 * GAP + 4)
        card.body.setSpacing(GAP + 4)
        card.body.addWidget(label(title, "heading"))
        for name, about, control in rows:
            card.body.addWidget(line())
            if not control.accessibleName():
                control.setAccessibleName(name)
            control.setFixedWidth(_CONTROL)
            control.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            words = column(label(name, "strong"), label(about, "small", wrap=True), spacing=2)
            whole = row(words, control, spacing=3 * GAP)
            whole.setStretch(0, 1)
            card.body.addLayout(whole)
        return card

    # ---- values ----------------------------------------------------------------------------------

    def reload(self) -> None:
        settings = self.desk.settings
        self._themes[settings.theme].setChecked(True)
        self._zone.setCurrentIndex(max(self._zone.findData(settings.zone), 0))
        self._endpoint.setText(settings.endpoint)
        self._threads.setValue(settings.engine_threads)
        self._context.setValue(settings.engine_context)

    def focus_first(self) -> None:
        self._themes[self.desk.settings.theme].setFocus()

    def _choose_theme(self, choice: theme.Choice) -> None:
        theme.current().choose(choice)
        self._change(theme=choice)

    @Slot(int)
    def _choose_zone(self, place: int) -> None:
        self._change(zone=self._zone.itemData(place) or "")

    @Slot()
    def _choose_endpoint(self) -> None:
        address = self._endpoint.text().strip()
        if address and QUrl(address).scheme() not in {"http", "https"}:
            self.desk.notices.say(self.tr("That is no web address: it begins with http:// or https://"))
            self._endpoint.setText(self.desk.settings.endpoint)
            return
        self._change(endpoint=address)

    def _change(self, **changes: object) -> None:
        """Write only what is different: fields are left without being changed, too."""
        if any(getattr(self.desk.settings, name) != value for name, value in changes.items()):
            self.desk.change_settings(**changes)


def _open_folder(path: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(path))
