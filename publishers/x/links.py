"""Finding links in a text as X does: each is shortened to t.co and weighs the same, however long.

Written from the behaviour that twitter-text's conformance files (validate.yml, extract.yml, tlds.yml) demand.
Every pass is linear in the length of the text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from publishers.x.facts import facts

_MAX_LINK = 4096  # characters, the host counted in its ASCII form
_MAX_LABEL = 63  # RFC 1035, after punycode
_MAX_SHORT = 40  # characters of a t.co path

_NEVER = r"\uFFFE\uFEFF\uFFFF"  # characters X refuses anywhere
_DIRECTION = r"\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069"
_ACCENTED = (  # Latin letters beyond ASCII that may stand in a link without being percent-encoded
    r"\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F\u0253\u0254\u0256\u0257\u0259\u025B\u0263\u0268\u026F\u0272\u0289\u028B"
    r"\u02BB\u0300-\u036F\u1E00-\u1EFF"
)
_LETTER = rf"a-z0-9{_ACCENTED}"
_PATH = rf"{_LETTER}\u0400-\u04FF!*';:=+,.$/%#\[\]\-\u2013_~|&@"

_START = regex.compile(
    rf"(?<![a-z0-9@＠$#＃{_NEVER}])(?P<scheme>https?://)|(?<![{_LETTER}@＠$#＃\-_./{_NEVER}])(?=[{_LETTER}])",
    regex.IGNORECASE,
)
_LABEL = regex.compile(rf"[^\s\x00-\x1F\x7F!-,./:-@\[-\^`{{-~{_NEVER}{_DIRECTION}]+")
_BARE_LABEL = regex.compile(rf"[{_LETTER}\-]+", regex.IGNORECASE)
_ACE_DOMAIN = regex.compile(r"xn--[a-z0-9\-]+", regex.IGNORECASE)
_GOES_ON = regex.compile(r"[0-9a-z@+\-]", regex.IGNORECASE)
_PORT = regex.compile(r":[0-9]+")
_PATH_RUN = regex.compile(rf"[{_PATH}]+", regex.IGNORECASE)
_PARENTHESES = regex.compile(rf"\((?!\))[{_PATH}]*+(?:\([{_PATH}]++\)[{_PATH}]*+)?\)", regex.IGNORECASE)
_PATH_END = regex.compile(rf".*[{_LETTER}\u0400-\u04FF+\-=_#/]", regex.IGNORECASE)
_QUERY = regex.compile(r"\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/]", regex.IGNORECASE)
_SHORT = regex.compile(
    r"https?://t\.co/(?P<path>[a-z0-9]+)(?:\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/])?", regex.IGNORECASE
)
_WHOLE = regex.compile(
    r"(?:https?://)?(?:[\w.~%!$&'()*+,;=:\-]*@)?(?P<host>\[[0-9a-f:.]+\]|[^\s/?#:@\[\]]+)(?::[0-9]{1,5})?"
    r"(?:/(?:[\w\-.~!$&'()*+,;=:@|/]|%[0-9a-f]{2})*)?"
    r"(?:\?(?:[\w\-.~!$&'()*+,;=:@|/?\[\]]|%[0-9a-f]{2})*)?(?:\#(?:[\w\-.~!$&'()*+,;=:@|/?\[\]]|%[0-9a-f]{2})*)?",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a text: code points from `start` up to, not including, `end`."""

    start: int
    end: int


def find_links(text: str) -> Iterator[Link]:
    """The links X would shorten, in order, with or without http(s):// before the host."""
    position = 0
    while start := _START.search(text, position):
        has_scheme = start.group("scheme") is not None
        host_start = start.end()
        host_end = _host_end(text, host_start, _LABEL if has_scheme else _BARE_LABEL)
        if host_end is None:
            position = max(host_start, start.start() + 1)
            continue
        end = _tail_end(text, host_end, has_scheme)
        if has_scheme and (short := _SHORT.match(text, start.start(), end)):
            end = short.end()
            if len(short.group("path")) > _MAX_SHORT:
                position = end
                continue
        if _fits(text[start.start() : end], text[host_start:host_end]):
            yield Link(start.start(), end)
        position = end


def is_link(text: str) -> bool:
    """Whether `text` as a whole is a well-formed http(s) address, its scheme given or understood (RFC 3986)."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return False
    host = whole.group("host")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        labels = host.split(".")
        name = len(labels) > 1 and "%" not in host and labels[-1].isalpha()
        return name and all(_is_label(label, inner=True) for label in labels[:-2]) and _is_label(labels[-2])
    return True


def _is_label(label: str, *, inner: bool = False) -> bool:
    """Whether a label of a host is well formed; only inner ones (sub-domains) may hold an underscore."""
    return bool(label) and label[0] not in "-_" and label[-1] not in "-_" and (inner or "_" not in label)


def _host_end(text: str, start: int, label: regex.Pattern[str]) -> int | None:
    """Where the longest host at `start` that ends in a real top-level domain ends."""
    best: int | None = None
    position = start
    while match := label.match(text, position):
        if text[match.end() : match.end() + 1] != ".":
            break
        position = match.end() + 1
        if _is_label(match.group()) and (end := _top_level_domain_end(text, position)) is not None:
            best = end
        if not _is_label(match.group(), inner=True):
            break
    return best


def _top_level_domain_end(text: str, start: int) -> int | None:
    names = facts().top_level_domains
    if ace := _ACE_DOMAIN.match(text, start):
        return int(ace.end())
    run = _LABEL.match(text, start)
    longest = min(len(run.group()) if run else 0, _MAX_LABEL)
    for length in range(longest, 0, -1):
        end = start + length
        if text[start:end].lower() in names and not _GOES_ON.match(text, end):
            return end
    return None


def _tail_end(text: str, host_end: int, has_scheme: bool) -> int:
    """Where port, path and query end. Without a scheme they count only where there is a path."""
    port = _PORT.match(text, host_end)
    end = port.end() if port else host_end
    has_path = text[end : end + 1] == "/"
    if not (has_scheme or has_path):
        return host_end
    if has_path:
        end = _path_end(text, end)
    query = _QUERY.match(text, end)
    return int(query.end()) if query else end


def _path_end(text: str, slash: int) -> int:
    """Where the path ends: trailing punctuation belongs to the sentence, balanced parentheses to the path."""
    position = slash
    end = slash + 1
    while True:
        if run := _PATH_RUN.match(text, position):
            position = run.end()
            if last := _PATH_END.match(run.group()):
                end = run.start() + last.end()
        elif parentheses := _PARENTHESES.match(text, position):
            position = end = parentheses.end()
        else:
            return end


def _fits(link: str, host: str) -> bool:
    """Whether host and link keep within the lengths of DNS and of X."""
    in_ascii = 0
    for label in host.split("."):
        encoded = label
        if not label.isascii():
            if label.lower().startswith("xn--"):
                return False
            encoded = "xn--" + label.lower().encode("punycode").decode("ascii")
        if len(encoded) > _MAX_LABEL:
            return False
        in_ascii += len(encoded) + 1
    return len(link) - len(host) + in_ascii <= _MAX_LINK
