"""Engagement: one number of a publication, and what it was counted from.

    engagement = reactions + comments + shares + saves + clicks     (those its platform tells)
    engagement = views                                              (where it tells none of these)

What people did says more about a post than how often it was shown, so views count only where nothing else is known
(a folder on a web server). The acts are not weighted: weights would be somebody's opinion, and they cancel anyway,
because a post is only ever compared with posts of the same account that were counted from the same metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

from publishers.api import Metrics

ACTS = ("reactions", "comments", "shares", "saves", "clicks")


@dataclass(frozen=True, slots=True)
class Engagement:
    """`basis`: the metrics that were summed. Numbers of different bases cannot be compared."""

    value: int
    basis: tuple[str, ...]


def engagement(metrics: Metrics) -> Engagement | None:
    """The engagement of these metrics; None where the platform tells nothing that counts."""
    acts = {name: value for name in ACTS if (value := getattr(metrics, name)) is not None}
    if acts:
        return Engagement(sum(acts.values()), tuple(acts))
    return None if metrics.views is None else Engagement(metrics.views, ("views",))
