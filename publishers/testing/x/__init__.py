"""A simulator of X's API v2 on loopback: sign-in, posts, media, metrics, limits. The official client can use it.

What it does was read in X's OpenAPI description 2.167 and on docs.x.com; where they are silent it does what clients
were seen to meet, and docs/platforms/x.md lists those places.
"""

from publishers.testing.x.rules import Rules
from publishers.testing.x.simulator import Exchange, XSimulator

__all__ = ["Exchange", "Rules", "XSimulator"]
