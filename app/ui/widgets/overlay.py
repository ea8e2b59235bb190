"""Banner and toast: what went wrong with its one remedy, and what was just done with its undo."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from app.ui.notices import Problem, Remedy
from app.ui.widgets.basic import GAP, Button, Icon, label, restyle

_TOAST_TIME = 6000  # ms
_ICONS = {"danger": "x-circle", "warning": "alert", "info": "info"}


class Banner(QFrame):
    """The most pressing problem. The others wait behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "banner")
        box = QHBoxLayout(self)
        box.setContentsMargins(3 * GAP, GAP, 2 * GAP, GAP)
        box.setSpacing(GAP)
        self._icon = Icon("alert", "warning", 18)
        self._text = label(wrap=True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._remedy = Button("…")
        self._close = Button(kind="quiet", icon="x", name=self.tr("Dismiss"))
        for widget in (self._icon, self._text, self._remedy, self._close):
            box.addWidget(widget)
        self._remedy.clicked.connect(self._do)
        self._close.clicked.connect(self._dismiss)
        self._problems: dict[str, Problem] = {}
        self.hide()

    @property
    def problem(self) -> Problem | None:
        return next(iter(reversed(self._problems.values())), None)

    @Slot(object)
    def add(self, problem: Problem) -> None:
        self._problems.pop(problem.key, None)
        self._problems[problem.key] = problem
        self._draw()

    @Slot(str)
    def remove(self, key: str) -> None:
        if self._problems.pop(key, None):
            self._draw()

    def _draw(self) -> None:
        problem = self.problem
        self.setVisible(problem is not None)
        if problem is None:
            return
        self._text.setText(problem.text)
        self.setAccessibleName(problem.text)
        self._icon.show_icon(_ICONS[problem.tone], problem.tone)
        self._remedy.setVisible(problem.remedy is not None)
        if problem.remedy:
            self._remedy.setText(problem.remedy.text)
            self._remedy.setAccessibleName(problem.remedy.text)
        restyle(self, tone=problem.tone)
        restyle(self._text)

    @Slot()
    def _do(self) -> None:
        if (problem := self.problem) and problem.remedy:
            self.remove(problem.key)
            problem.remedy.run()

    @Slot()
    def _dismiss(self) -> None:
        if problem := self.problem:
            self.remove(problem.key)


class Toast(QFrame):
    """A passing word at the foot of its parent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setProperty("role", "toast")
        box = QHBoxLayout(self)
        box.setContentsMargins(2 * GAP, GAP, GAP, GAP)
        self._text = label()
        self._button = Button("…")
        box.addWidget(self._text)
        box.addWidget(self._button)
        self._remedy: Remedy | None = None
        self._button.clicked.connect(self._do)
        self._timer = QTimer(self, singleShot=True, interval=_TOAST_TIME)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    @Slot(str, object)
    def say(self, text: str, remedy: Remedy | None) -> None:
        self._remedy = remedy
        self._text.setText(text)
        self.setAccessibleName(text)
        self._button.setVisible(remedy is not None)
        if remedy:
            self._button.setText(remedy.text)
            self._button.setAccessibleName(remedy.text)
        self.show()
        self.raise_()
        self._place()
        self._timer.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        self.adjustSize()
        self.move((self._over.width() - self.width()) // 2, self._over.height() - self.height() - 7 * GAP)

    @Slot()
    def _do(self) -> None:
        self.hide()
        if self._remedy:
            self._remedy.run()
