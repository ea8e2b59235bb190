"""Tiles: one number of the period, its change against the period before, and the posts behind it."""

from __future__ import annotations

from app.analytics.service import Overview
from app.ui import say
from app.ui.widgets.basic import Card, Icon, Pill, label, row


class Tile(Card):
    def __init__(self, title: str, icon: str) -> None:
        super().__init__()
        self._title = title
        self._value = label("–", "number")
        self._change = Pill()
        self._note = label("", "small", wrap=True)
        self.body.addLayout(row(Icon(icon), label(title, "label"), None))
        self.body.addLayout(row(self._value, self._change, None))
        self.body.addWidget(self._note)

    def show_posts(self, overview: Overview) -> None:
        now, before = overview.comparison.now, overview.comparison.before
        change = now.posts / before.posts - 1 if before.posts else None
        growing = self.tr("{n} still growing").format(n=now.growing) if now.growing else self.tr("all grown up")
        self._show(now.posts, change, growing)

    def show_metric(self, overview: Overview, metric: str) -> None:
        total = overview.comparison.now.metrics[metric]
        if total.value is None:
            self._show(None, None, self.tr("No platform tells this for your posts"))
            return
        posts = self.tr("1 post tells it") if total.n == 1 else self.tr("{n} posts tell it").format(n=total.n)
        self._show(total.value, overview.comparison.changes[metric], posts)

    def _show(self, value: int | None, change: float | None, note: str) -> None:
        said = "–" if value is None else say.number(value)
        self._value.setText(said)
        self._change.setVisible(change is not None)
        if change is not None:
            self._change.say(say.percent(change), "success" if change > 0 else "danger" if change < 0 else "neutral")
            self._change.setToolTip(self.tr("Against the period of the same length before"))
        self._note.setText(note)
        self.setAccessibleName(f"{self._title}: {said}. {note}")
