"""Finds adapters: the folders of this package that hold an adapter.py, and entry points of third parties.

A built-in adapter is the folder publishers/<platform>/ whose adapter.py names its `adapter`. Another distribution
adds one by an entry point of group `quarry.publishers`, named like the platform, that points at an Adapter.
Nothing is imported before it is asked for, and one that does not load stops no other.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

from publishers.api import Adapter, Capabilities

ENTRY_POINT_GROUP = "quarry.publishers"
_ID = re.compile(r"[a-z][a-z0-9_]*")
_log = logging.getLogger(__name__)


class UnknownPlatform(KeyError):
    """No such platform or format, or its adapter does not load; the message is a sentence for the creator."""

    def __str__(self) -> str:
        return str(self.args[0])


def platform_ids() -> tuple[str, ...]:
    """Every platform that is installed, loadable or not, in alphabetical order."""
    return tuple(sorted({*_built_in(), *_plugins()}))


def get(platform: str) -> Adapter:
    """The adapter of a platform. Raises UnknownPlatform."""
    if platform in _built_in():
        return _checked(platform, f"publishers.{platform}.adapter", None)
    plugin = _plugins().get(platform)
    if plugin is None:
        known = ", ".join(platform_ids())
        raise UnknownPlatform(f"There is no platform {platform!r}; the platforms are: {known}.")
    return _checked(platform, plugin.value, plugin)


def platforms() -> tuple[Capabilities, ...]:
    """The capabilities of every adapter that loads, sorted by id; `broken` tells of the others."""
    loaded = []
    for platform in platform_ids():
        try:
            loaded.append(get(platform).capabilities)
        except UnknownPlatform as error:
            _log.warning("%s", error)
    return tuple(loaded)


def broken() -> Mapping[str, str]:
    """Why an installed adapter does not load, by platform id."""
    reasons = {}
    for platform in platform_ids():
        try:
            get(platform)
        except UnknownPlatform as error:
            reasons[platform] = str(error)
    return reasons


def parse_channel(text: str) -> tuple[str, str]:
    """("x", "thread") of "x/thread", ("x", "post") of "x" (its default format). Raises UnknownPlatform."""
    platform, slash, format_id = text.strip().partition("/")
    capabilities = get(platform).capabilities
    formats = [one.id for one in capabilities.formats]
    if not slash:
        return platform, formats[0]
    if format_id not in formats:
        known = ", ".join(f"{platform}/{one}" for one in formats)
        raise UnknownPlatform(f"{capabilities.name} has no format {format_id!r}; its channels are: {known}.")
    return platform, format_id


def channel_name(platform: str, format_id: str) -> str:
    """The inverse of parse_channel: the default format is left out."""
    default = get(platform).capabilities.formats[0].id
    return platform if format_id in {"", default} else f"{platform}/{format_id}"


def look_again() -> None:
    """Forget what was found, because an adapter was installed or removed."""
    _built_in.cache_clear()
    _plugins.cache_clear()


@lru_cache(maxsize=1)
def _built_in() -> frozenset[str]:
    """The sub-packages with an adapter module; asked of the finders, so that packed builds answer alike."""
    package = importlib.import_module("publishers")
    return frozenset(found.name for found in iter_modules(package.__path__) if found.ispkg and _has_adapter(found.name))


def _has_adapter(name: str) -> bool:
    try:
        return importlib.util.find_spec(f"publishers.{name}.adapter") is not None
    except Exception:  # its __init__ raised: `get` says why
        return True


@lru_cache(maxsize=1)
def _plugins() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if _ID.fullmatch(point.name)}


def _checked(platform: str, where: str, plugin: EntryPoint | None) -> Adapter:
    try:
        found = plugin.load() if plugin else importlib.import_module(where).adapter
    except Exception as error:  # a plugin may raise anything while it is imported
        _log.info("adapter %s does not load", platform, exc_info=True)
        reason = f"{type(error).__name__}: {error}"
        raise UnknownPlatform(f"The adapter of {platform} does not load ({reason}); the others work on.") from error
    if not isinstance(found, Adapter) or not isinstance(found.capabilities, Capabilities):
        raise UnknownPlatform(f"The adapter of {platform} is not one ({where} lacks parts of the contract).")
    if found.capabilities.platform != platform:
        raise UnknownPlatform(f"The adapter {where} calls itself {found.capabilities.platform!r}, not {platform!r}.")
    return found
