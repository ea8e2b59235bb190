"""A data folder as a creator's would look after two months: a baker who writes for a site, Bluesky and X.

Everything goes through the real store; texts are written for this purpose. Used for tests and docs/screens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from app.core.clock import WallTime
from app.core.ids import Id, new_id
from app.core.words import (
    Account,
    AttemptState,
    Brief,
    Channel,
    Draft,
    DraftState,
    Fitted,
    Generation,
    GenerationState,
    Length,
    Post,
    PostState,
    Provenance,
    Publication,
    Snapshot,
    StepRun,
)
from app.drafting.service import check
from app.store.content import content_to_json
from app.store.database import Store
from app.store.tables import PostRow
from app.store.unit import Unit
from publishers.api import Content, Metrics

NOW = datetime(2026, 11, 24, 10, 40, tzinfo=UTC)  # a Tuesday, 11:40 in Berlin
ZONE = "Europe/Berlin"
SITE, BLUESKY, X = Channel("local", "post"), Channel("bluesky", "post"), Channel("x", "post")
GRANITE, STARTER = "granite-4.0-h-1b-Q4_K_M", "SmolLM2-135M-Instruct.Q4_1"

PAST = (
    "A loaf that spreads instead of rising is telling you about strength, not about yeast. Fold once more tomorrow.",
    "Weigh the salt. A teaspoon can be four grams or seven, and dough notices the difference before you do.",
    "If your crust is pale and the crumb is done, the oven was kind and the dough was tired. Shorten the last proof.",
    "Flour remembers the season. Our spring wheat drinks three percent more water than last autumn's did.",
    "Three questions before you blame the starter: how warm was the kitchen, how old was the flour, who fed it last?",
    "Steam for the first twelve minutes, then let it go. A crust cannot harden in fog.",
    "Bread baked on Friday is best on Saturday. Some things improve by being left alone for a night.",
    "We tried the same dough at 22, 24 and 26 degrees. The middle one won every blind tasting. Photos in the notes.",
    "A dull knife ruins more good loaves than a bad recipe. Sharpen first, then bake.",
    "Rye is not difficult. It simply refuses to be treated like wheat.",
    "The float test tells you that gas is there. It does not tell you that the dough is ready.",
    "Today's mistake: I forgot the salt. Today's lesson: it still made excellent breadcrumbs.",
    "Ask your miller for the date of milling. It matters more than the brand on the bag.",
    "One banneton, two towels, no excuses: the whole kit for a first proper loaf costs less than dinner out.",
    "Cold dough scores cleanly. Take it from the fridge last, when the oven is already waiting.",
    "Your starter is not a pet. It is a schedule. Feed it when you will use it.",
    "How do you keep bread for four days? Cut side down on a board. No bag, no box.",
    "Twenty minutes of patience after mixing saves ten minutes of kneading. That is the whole trick of autolyse.",
)
PLANNED = (
    (0, 14, 0, BLUESKY, "Cold kitchen, slow dough: give it two more hours instead of more yeast. It keeps longer."),
    (0, 18, 30, X, "Winter baking in one line: less yeast, more time, warmer water."),
    (1, 9, 0, SITE, "How to read a crumb: five photographs and what each says about your proof, with the timings."),
    (1, 12, 15, BLUESKY, "Rye tip: stop kneading when it looks wrong. It was never going to look like wheat."),
    (2, 8, 30, BLUESKY, "Bake plan for Friday: mix tonight at nine, shape at seven, oven at eight. Who is in?"),
    (2, 17, 0, X, "Salt is not seasoning in bread. It is structure."),
    (3, 10, 0, SITE, "A weekend loaf for beginners: one bowl, four folds, no machine."),
    (5, 11, 0, BLUESKY, "Sunday question: which flour surprised you this year, and what did you bake with it?"),
)  # fmt: skip
WAITING = (
    (BLUESKY, "Old bread is an ingredient: three soups that start with a stale crust."),
    (X, "If the recipe says “knead until smooth”, it should also say how warm your hands were."),
)
VARIANTS = (
    "Your kitchen is five degrees colder in November, and your dough knows it. Keep the recipe, change the clock: at "
    "19 °C a bulk rise needs about seven hours instead of five. Mark the dough's height on the bowl and wait for the "
    "line, not for the timer.",
    "Stop adding yeast to winter dough. A cold rise is not a slow mistake, it is flavour: acids build while the gas "
    "waits. Mix with water at 32 °C, fold three times, then leave it overnight by the oven.",
    "Dough that will not rise in winter is not dead, it is cold. Put the bowl in the oven with only the lamp on: 26 °C "
    "within an hour, every time. What is the warmest corner in your kitchen?",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """What was seeded, for tests that look for it."""

    accounts: dict[str, Account]
    brief: Brief
    generation: Generation
    planned: tuple[Post, ...]
    failed: Post
    unknown: Post


def seed(store: Store) -> Demo:
    """Fill an empty store. Its clock stands at NOW."""
    return store.write(_seed).result()


def _seed(unit: Unit) -> Demo:
    accounts = {
        "local": _account(unit, "local", "slowloaf", "slowloaf.example", "The Slow Loaf", "file:///srv/slowloaf"),
        "bluesky": _account(unit, "bluesky", "did:plc:slowloaf", "slowloaf.bsky.social", "The Slow Loaf"),
        "x": _account(unit, "x", "7300", "theslowloaf", "The Slow Loaf", "https://api.x.com"),
    }
    unit.prompts.keep("post@1a2b3c4d", "…")
    unit.prompts.keep("post@9f8e7d6c", "…")
    for number, text in enumerate(PAST):
        channel = (SITE, BLUESKY, X)[number % 3] if number % 7 else SITE
        _published(unit, accounts[channel.platform], channel, text, number)
    monday = (NOW - timedelta(days=NOW.weekday())).date()
    planned = []
    for day, hour, minute, channel, text in PLANNED:
        local = datetime(monday.year, monday.month, monday.day, hour, minute) + timedelta(days=day + 1)
        planned.append(_post(unit, accounts[channel.platform], channel, text, WallTime(local, ZONE)))
    for channel, text in WAITING:
        _post(unit, accounts[channel.platform], channel, text, None)
    brief, generation = _session(unit)
    return Demo(
        accounts, brief, generation, tuple(planned), _failed(unit, accounts["x"]), _unknown(unit, accounts["x"])
    )


def _account(
    unit: Unit, platform: str, remote: str, handle: str, name: str, server: str = "https://bsky.social"
) -> Account:
    return unit.accounts.save(Account(new_id(), platform, remote, handle, server, name))


def _post(
    unit: Unit, account: Account, channel: Channel, text: str, when: WallTime | None, draft: Id | None = None
) -> Post:
    state = PostState.SCHEDULED if when else PostState.APPROVED
    post = Post(new_id(), account.id, channel, Content.plain(text), state=state, wall_time=when, draft_id=draft)
    return unit.posts.add(post)


def _published(unit: Unit, account: Account, channel: Channel, text: str, number: int) -> None:
    """One live post with a curve of snapshots; Granite's posts do better, and the numbers stay the same every time."""
    granite = number % 5 not in {1, 3}
    prompt = "post@9f8e7d6c" if number % 2 else "post@1a2b3c4d"
    made = Provenance(GRANITE if granite else STARTER, "0" * 64, "Q4_K_M", prompt, {}, number, 61.0)
    draft = unit.drafts.add(Draft(new_id(), channel, Content.plain(text), provenance=made, state=DraftState.APPROVED))
    at = NOW.replace(hour=8 + number % 9, minute=0) - timedelta(days=1 + number * 2.9)
    at = at.replace(minute=15 * (number % 4))
    post = _post(unit, account, channel, text, WallTime.of(at, ZONE), draft.id)
    attempt = unit.attempts.begin(post.id, "demo", timedelta(hours=1))
    unit.attempts.log(StepRun(attempt.id, "commit", "armed", "", "", None, 0.0))
    unit.attempts.log(StepRun(attempt.id, "commit", "done", "", "", None, 0.412))
    unit.attempts.save(replace(attempt, state=AttemptState.PUBLISHED), owner="demo")
    unit.posts.set_state(post.id, PostState.PUBLISHED)
    live = unit.publications.add(
        Publication(new_id(), post.id, attempt.id, account.id, f"r{number}", f"https://example.com/p/{number}", at)
    )
    best = (420 if granite else 190) * (1 + 0.35 * math.sin(number * 1.7))
    for hours in (1, 6, 24, 72, 168, 336):
        age = timedelta(hours=hours)
        if at + age > NOW:
            break
        share = 1 - math.exp(-hours / 30)
        views = None if channel is BLUESKY else round(best * share)
        reactions, shares = round(best * share / 14), round(best * share / 60)
        comments = round(best * share / 45)
        unit.snapshots.add(Snapshot(live.id, at + age, Metrics(views, None, reactions, comments, shares)))


def _session(unit: Unit) -> tuple[Brief, Generation]:
    """The brief on the Compose page with three finished variants for Bluesky and X."""
    brief = unit.briefs.add(
        Brief(
            new_id(),
            "Why dough rises slower in winter, and what to do instead of adding yeast",
            "At 19 °C our bulk rise took 7 h 10 min, at 24 °C 4 h 50 min, same flour, same starter. Oven lamp alone "
            "brings the oven to 26 °C within an hour.",
            "home bakers with cold kitchens",
            "inform",
            Length.SHORT,
            channels=(BLUESKY, X),
        )
    )
    shown = None
    for channel in (BLUESKY, X):
        generation = unit.generations.add(
            Generation(new_id(), brief.id, channel, 3, "", "post@9f8e7d6c", {"temperature": 0.8}, 41)
        )
        shown = shown or generation
        for variant, text in enumerate(VARIANTS):
            content = Content.plain(text if channel is BLUESKY else text[: text.rindex(". ") + 1])
            made = Provenance(GRANITE, "0" * 64, "Q4_K_M", "post@9f8e7d6c", {}, 41 + variant, 58.0 + 3 * variant)
            fitted = Fitted.SHORTENED if variant == 1 else Fitted.AS_WRITTEN
            unit.drafts.add(
                Draft(new_id(), channel, content, brief.id, generation.id, variant, fitted=fitted, provenance=made,
                      issues=check(content, channel))
            )  # fmt: skip
        unit.generations.end(generation.id, GenerationState.DONE)
    assert shown is not None
    return brief, shown


def _failed(unit: Unit, account: Account) -> Post:
    at = WallTime.of(NOW - timedelta(hours=17), ZONE)
    post = _post(unit, account, X, "Sourdough for engineers: it is a feedback loop with a crust.", at)
    attempt = unit.attempts.begin(post.id, "demo", timedelta(hours=1))
    sentence = "X refused the post: this account may send 17 posts a day and has sent them."
    unit.attempts.log(StepRun(attempt.id, "commit", "armed"))
    unit.attempts.log(StepRun(attempt.id, "commit", "failed", sentence, "HTTP 429 usage-capped", None, 0.6))
    ended = replace(attempt, state=AttemptState.FAILED, step="commit", error_kind="quota", message=sentence)
    unit.attempts.save(ended, owner="demo")
    unit.posts.set_state(post.id, PostState.FAILED, sentence)
    return unit.posts.get(post.id)


def _unknown(unit: Unit, account: Account) -> Post:
    at = WallTime.of(NOW - timedelta(hours=2), ZONE)
    post = _post(unit, account, X, "Ten minutes after the bake is not impatience. It is quality control.", at)
    attempt = unit.attempts.begin(post.id, "demo", timedelta(hours=1))
    sentence = "X did not answer after the post was sent: it may be live. Look at your profile and say which."
    for event, message in (("armed", ""), ("unknown", sentence), ("not found", "Not among the newest posts.")):
        unit.attempts.log(StepRun(attempt.id, "commit", event, message, "", None, 30.0 if event == "unknown" else 0.2))
    resume = {"commits": 0, "clear_to_send": False}
    ended = replace(attempt, state=AttemptState.NEEDS_USER, step="commit", resume=resume, message=sentence)
    unit.attempts.save(
        replace(ended, armed_at=NOW - timedelta(hours=2), lease_owner="", lease_until=None), owner="demo"
    )
    unit.posts.set_state(post.id, PostState.NEEDS_USER, sentence)
    return unit.posts.get(post.id)


def many_posts(store: Store, count: int) -> None:
    """Published posts over the past years, for lists and start-up: rows at once, the store would take its time."""

    def add(unit: Unit) -> None:
        account = unit.accounts.save(Account(new_id(), "local", "many", "many.example", "file:", "Archive"))
        rows = []
        for number in range(count):
            text, at = f"{PAST[number % len(PAST)]} ({number})", NOW - timedelta(hours=7 * number)
            row = {
                "id": new_id(), "account_id": account.id, "platform": "local", "format": "post", "target": "",
                "content": content_to_json(Content.plain(text)), "text": text, "state": PostState.PUBLISHED,
                "wall_time": WallTime.of(at, ZONE).local.isoformat(), "zone": ZONE, "due_at": at,
                "late_policy": "publish", "late_minutes": 720, "message": "", "version": 1, "created_at": at,
            }  # fmt: skip
            rows.append(row)
        unit.session.execute(insert(PostRow), rows)

    store.write(add).result()
