"""The readable pages: one for each post and the list of all. Plain HTML without scripts, light and dark."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape

from publishers.api import Media, MediaKind
from publishers.local.folder import StoredPost, file_name
from publishers.text import count_graphemes, cut_to_fit

TITLE_LENGTH = 80  # graphemes, where a post has no title of its own
EXCERPT_LENGTH = 280
INDEX_POSTS = 500  # the newest; the folder keeps all
_URL = re.compile(r"https?://[!#-&(-;=?-~]*[A-Za-z0-9/#=&_~%+$@-]")  # ASCII, without the sentence's own marks

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5c6470; --ground: #f6f7f9; --card: #ffffff;
  --line: #e2e5ea; --accent: #2f5fc9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #a0a7b4; --ground: #14161a; --card: #1d2026;
  --line: #31353d; --accent: #8fb2ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 17px/1.6 system-ui, sans-serif; }
a { color: var(--accent); text-underline-offset: .15em; overflow-wrap: anywhere; }
header, main, footer { max-width: 42rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; } footer { padding-bottom: 3rem; color: var(--soft); font-size: .85rem; }
header a { text-decoration: none; font-weight: 600; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 1rem 0 .25rem; } h2 { font-size: 1.1rem; margin: 0; }
time { color: var(--soft); font-size: .85rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem 1.5rem;
  margin: 1.25rem 0; overflow-wrap: anywhere; }
article p { margin: .75rem 0; } article h2 a { color: inherit; text-decoration: none; }
figure { margin: 1rem 0 0; } figcaption { color: var(--soft); font-size: .85rem; }
img, video { display: block; max-width: 100%; height: auto; border-radius: 8px; margin: 0 auto; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (  # `file:` because a page opened from the disk has no origin that 'self' could name everywhere
    "default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
    f"style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)


def post_title(post: StoredPost) -> str:
    """The title the creator gave, else the beginning of the text, else the day."""
    given = " ".join(post.content.fields.get("title", "").split())
    if given:
        return given
    first = " ".join(next((line for line in post.content.text.splitlines() if line.strip()), "").split())
    return _shortened(first, TITLE_LENGTH) or f"{post.published:%Y-%m-%d}"


def body_html(post: StoredPost, base: str = "") -> str:
    """Text and media of a post. `base` stands before the names of its media files."""
    pieces = []
    for part in post.content.parts:
        pieces += [_paragraph(block) for block in re.split(r"\n\s*\n", part.text) if block.strip()]
        pieces += [_figure(media, base) for media in part.media]
    return "\n".join(pieces)


def post_page(post: StoredPost, site: str) -> str:
    """The page of one post, readable wherever its folder is copied to."""
    article = f"<article>\n{_when(post)}\n{body_html(post)}\n</article>"
    up = "../../"
    head = f'<a href="{up}index.html">{escape(site)}</a>\n<h1 dir="auto">{escape(post_title(post))}</h1>'
    return _document(f"{post_title(post)} · {site}", head, article, up)


def index_page(posts: Sequence[StoredPost], site: str) -> str:
    """The list of all posts, newest first."""
    cards = [_card(post) for post in posts[:INDEX_POSTS]]
    body = "\n".join(cards) or "<article><p>Nothing has been published yet.</p></article>"
    return _document(site, f'<h1 dir="auto">{escape(site)}</h1>', body, "")


def post_path(name: str) -> str:
    """Where a post's page stands under the folder's address."""
    return f"posts/{name}/index.html"


def _card(post: StoredPost) -> str:
    excerpt = _shortened(post.content.text.strip(), EXCERPT_LENGTH)
    picture = next(
        (one for part in post.content.parts for one in part.media if one.facts.kind is not MediaKind.VIDEO), None
    )
    lines = [
        "<article>",
        f'<h2 dir="auto"><a href="{post_path(post.name)}">{escape(post_title(post))}</a></h2>',
        _when(post),
        *([_paragraph(excerpt)] if excerpt else []),
        *([_figure(picture, f"posts/{post.name}/")] if picture else []),
        "</article>",
    ]
    return "\n".join(lines)


def _document(title: str, head: str, body: str, up: str) -> str:
    return f"""<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="alternate" type="application/atom+xml" href="{up}feed.xml">
<style>{_STYLE}</style>
</head>
<body>
<header>
{head}
</header>
<main>
{body}
</main>
<footer>Published with Quarry</footer>
</body>
</html>
"""


def _when(post: StoredPost) -> str:
    return f'<time datetime="{post.published.isoformat()}">{post.published:%Y-%m-%d %H:%M} UTC</time>'


def _paragraph(text: str) -> str:
    pieces, at = [], 0
    for found in _URL.finditer(text):
        url = escape(found.group())
        pieces += [escape(text[at : found.start()]), f'<a href="{url}" rel="noopener noreferrer nofollow">{url}</a>']
        at = found.end()
    pieces.append(escape(text[at:]))
    return '<p dir="auto">' + "".join(pieces).strip("\n").replace("\n", "<br>\n") + "</p>"


def _figure(media: Media, base: str) -> str:
    facts, alt = media.facts, escape(media.alt)
    source = escape(base + file_name(media))
    size = f' width="{facts.width}" height="{facts.height}"' if facts.width and facts.height else ""
    if facts.kind is MediaKind.VIDEO:
        return f'<figure><video controls preload="metadata" src="{source}"{size} aria-label="{alt}"></video></figure>'
    return f'<figure><img src="{source}" alt="{alt}" loading="lazy"{size}></figure>'


def _shortened(text: str, length: int) -> str:
    return cut_to_fit(text, lambda piece: count_graphemes(piece) <= length)
