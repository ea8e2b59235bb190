"""The Insights page: a period's tiles, its views over time, and the two leaderboards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.analytics.service import Overview
from app.ui import say
from app.ui.charts.line import LineChart
from app.ui.desk import Desk
from app.ui.page import Page
from app.ui.pages.insights.board import Board
from app.ui.pages.insights.tiles import Tile
from app.ui.queries import Growth
from app.ui.widgets.basic import GAP, Button, Card, column, label, row, scrolled
from app.ui.widgets.empty import EmptyState

_PERIODS = (7, 30, 90)  # days
_CHART_HEIGHT = 220


class InsightsPage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"snapshot", "publication"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._days = 30
        self._tiles = {
            "posts": Tile(self.tr("Posts"), "posts"),
            "views": Tile(self.tr("Views"), "eye"),
            "reactions": Tile(self.tr("Reactions"), "heart"),
            "comments": Tile(self.tr("Comments"), "comment"),
            "shares": Tile(self.tr("Shares"), "share"),
        }
        self._models = Board(self.tr("Models"), "models")
        self._prompts = Board(self.tr("Prompts"), "compose")
        self._chart = LineChart(self.tr("Views over time"))
        self._words = label("", "muted", wrap=True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._as_text = Button(self.tr("As text"), "quiet", icon="posts")
        self._as_text.setCheckable(True)
        self._as_text.toggled.connect(self._show_as_text)
        self._segments = self._make_segments()
        self._lay_out()

    def _make_segments(self) -> QFrame:
        frame = QFrame()
        frame.setProperty("role", "sunken")
        box = QHBoxLayout(frame)
        box.setContentsMargins(2, 2, 2, 2)
        box.setSpacing(2)
        group = QButtonGroup(self)
        for days in _PERIODS:
            button = Button(self.tr("{n} days").format(n=days), "segment")
            button.setCheckable(True)
            button.setChecked(days == self._days)
            button.clicked.connect(lambda _checked, chosen=days: self._choose(chosen))
            group.addButton(button)
            box.addWidget(button)
            if days == self._days:
                frame.setFocusProxy(button)
        return frame

    def _lay_out(self) -> None:
        chart = Card()
        head = row(label(self.tr("Views over time"), "heading"), None, self._as_text)
        chart.body.addLayout(head)
        self._views = QStackedWidget()
        self._views.setFixedHeight(_CHART_HEIGHT)
        self._views.addWidget(self._chart)
        self._views.addWidget(self._words)
        chart.body.addWidget(self._views)
        boards = row(self._models, self._prompts, spacing=2 * GAP)
        for place in (0, 1):
            boards.setStretch(place, 1)
        content = QWidget()
        whole = column(row(*self._tiles.values(), spacing=2 * GAP), chart, boards, None, spacing=2 * GAP)
        whole.setContentsMargins(3 * GAP, 0, 3 * GAP, 3 * GAP)
        content.setLayout(whole)
        go = Button(self.tr("Open Calendar"), "primary", icon="calendar")
        go.clicked.connect(lambda: self.desk.go("calendar", ""))
        self._empty = EmptyState(
            "insights",
            self.tr("Results come here"),
            self.tr(
                "Once a post is live, Quarry asks its platform for the numbers: after an hour, a day and a week. "
                "From five comparable posts on, models and prompts are ranked."
            ),
            go,
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(scrolled(content))
        self._stack.addWidget(self._empty)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self._stack)

    def focus_first(self) -> None:
        self._segments.setFocus()

    def tools(self) -> Sequence[QWidget]:
        return (self._segments,)

    def reload(self) -> None:
        services, run = self.desk.services, self.desk.background.run
        now = self.desk.clock()
        start = now - timedelta(days=self._days)
        run(self, services.analytics.overview(start, now, self.desk.zone), self._show_overview)
        run(self, self.desk.queries.growth(start, now), self._show_growth)
        run(self, services.ranking.models(), self._models.show_board)
        run(self, services.ranking.prompts(), self._prompts.show_board)

    def _choose(self, days: int) -> None:
        self._days = days
        self.reload()

    def _show_overview(self, overview: Overview) -> None:
        for name, tile in self._tiles.items():
            if name == "posts":
                tile.show_posts(overview)
            else:
                tile.show_metric(overview, name)
        measured = overview.comparison.now.posts or overview.comparison.before.posts
        self._stack.setCurrentIndex(0 if measured else 1)

    def _show_growth(self, growth: Growth) -> None:
        now, zone = self.desk.clock(), self.desk.zone
        points = [(at, float(views)) for at, views in growth.points]
        lines = [f"{say.when(at, now, zone)}: {say.number(views)}" for at, views in growth.points[::-1][:9]]
        total = say.number(growth.points[-1][1]) if growth.points else "0"
        intro = self.tr("Together {total} views by {n} posts whose platform tells them.").format(
            total=total, n=growth.posts
        )
        described = "\n".join([intro, *lines])
        self._words.setText(described)
        self._chart.show_points(points, described)

    @Slot(bool)
    def _show_as_text(self, as_text: bool) -> None:
        self._views.setCurrentIndex(1 if as_text else 0)
