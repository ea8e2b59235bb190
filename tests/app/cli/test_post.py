from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from app.bootstrap import open_services
from app.core.ids import new_id
from app.core.words import Channel
from publishers.api import Content
from tests.app.cli.conftest import Quarry


def test_a_post_goes_from_words_to_a_page(quarry: Quarry, account: str, site: Path, tmp_path: Path) -> None:
    picture = tmp_path / "crumb.png"
    Image.new("RGB", (8, 8), "brown").save(picture)
    words = ("post", "add", "Open crumb", "--channel", "local", "--account", account[-8:])
    post = quarry.json(*words, "--media", picture, "--alt", "A loaf cut open")["id"]
    edited = quarry.json("post", "edit", post, "Open crumb at last")
    assert (edited["text"], edited["state"]) == ("Open crumb at last", "approved")
    published = quarry.json("post", "publish", post[-8:])
    assert published["state"] == "published"
    [attempt] = published["attempts"]
    assert [line["event"] for line in attempt["history"]][-1] == "published"
    page = site / "posts" / attempt["id"]
    assert (page / "text.txt").read_text() == "Open crumb at last"
    assert "A loaf cut open" in (page / "index.html").read_text()
    shown = quarry("post", "show", post)
    assert f"Live: {published['publications'][0]['permalink']}" in shown.out
    again = quarry("post", "edit", post, "Too late")
    assert again.code == 3
    assert "cannot be edited: nothing was changed" in again.err


def test_wall_time_and_zone_are_kept_and_the_instant_derived(quarry: Quarry, account: str) -> None:
    post = quarry.local_post(account)
    scheduled = quarry.json("post", "schedule", post, "--at", "2031-07-01T09:00", "--zone", "Asia/Tokyo")
    assert (scheduled["wall_time"], scheduled["zone"]) == ("2031-07-01T09:00:00", "Asia/Tokyo")
    assert scheduled["due"] == "2031-07-01T00:00:00+00:00"
    here = quarry.json("post", "schedule", post, "--at", "2031-07-01T09:00")
    assert (here["zone"], here["due"]) == ("Europe/Berlin", "2031-07-01T07:00:00+00:00")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--at", "nine"], "“nine” is no time"),
        (["--at", "2031-07-01T09:00+02:00"], "leave the offset out and name the zone"),
        (["--at", "2031-07-01T09:00", "--zone", "Mars/Base"], "“Mars/Base” is no time zone"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(quarry: Quarry, account: str, words: list[str], sentence: str) -> None:
    said = quarry("post", "schedule", quarry.local_post(account), *words)
    assert said.code == 2
    assert sentence in said.err


def test_the_list_is_filtered_and_limited(quarry: Quarry, account: str, tmp_path: Path) -> None:
    other = quarry.local_account(tmp_path / "other")
    rye, wheat = quarry.local_post(account, "Rye keeps"), quarry.local_post(other, "Wheat rises")
    quarry.json("post", "schedule", rye, "--at", "2031-07-01T09:00")

    def ids(*words: str) -> list[str]:
        return [row["id"] for row in quarry.json("post", "list", *words)]

    assert set(ids()) == {rye, wheat}
    assert len(ids("--limit", "1")) == 1
    assert ids("--state", "scheduled") == [rye]
    assert ids("--search", "wheat") == [wheat]
    assert ids("--account", other[-8:]) == [wheat]
    assert quarry("post", "list", "--search", "spelt").out == "No post is like that.\n"


def test_the_calendar_shows_days_in_the_creators_zone(quarry: Quarry, account: str, tmp_path: Path) -> None:
    other = quarry.local_account(tmp_path / "other")
    late, early = quarry.local_post(account, "Late"), quarry.local_post(other, "Early")
    quarry.json("post", "schedule", late, "--at", "2031-07-02T23:30")
    quarry.json("post", "schedule", early, "--at", "2031-07-01T00:10")
    rows = quarry.json("calendar", "--from", "2031-07-01", "--to", "2031-07-02")
    assert [(row["id"], row["time"]) for row in rows] == [(early, "2031-07-01T00:10"), (late, "2031-07-02T23:30")]
    assert [row["id"] for row in quarry.json("calendar", "--from", "2031-07-01", "--account", account)] == [late]
    assert [row["id"] for row in quarry.json("calendar", "--from", "2031-07-01", "--limit", "1")] == [early]
    assert quarry("calendar", "--from", "2032-01-01").out == "Nothing is planned from 2032-01-01 on.\n"
    soon = datetime.now() + timedelta(days=1)
    quarry.json("post", "schedule", early, "--at", soon.isoformat(timespec="minutes"))
    assert [row["id"] for row in quarry.json("calendar")] == [early]


def test_canceling_and_going_on(quarry: Quarry, account: str) -> None:
    post = quarry.local_post(account)
    nothing = quarry("post", "retry", post)
    assert nothing.code == 3
    assert "is approved: there is nothing to retry" in nothing.err
    assert quarry.json("post", "cancel", post)["state"] == "canceled"
    assert quarry.json("post", "publish", post)["state"] == "published"
    again = quarry("post", "cancel", post)
    assert again.code == 3
    assert "nothing was changed" in again.err


def test_a_folder_that_is_gone_is_told_and_the_post_kept(quarry: Quarry, account: str, site: Path) -> None:
    post = quarry.local_post(account)
    site.rename(site.with_name("unplugged"))
    site.write_text("a file is in the way")
    said = quarry("post", "publish", post, "--json")
    assert said.code == 4
    assert said.document["state"] == "publishing"
    assert "The post is kept and goes on at " in said.err
    assert said.document["text"] == "Cold kitchens need longer rises."
    assert "Traceback" not in said.err
    site.unlink()
    site.with_name("unplugged").rename(site)
    assert quarry.json("post", "publish", post)["state"] == "published"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "Say one of both"),
        (["--link", "https://example.com/1", "--resend"], 2, "Say one of both"),
        (["--link", "example"], 2, "“example” is no web address"),
        (["--resend"], 3, "Nothing is unknown about post"),
    ],
)
def test_resolving_what_is_not_open_is_refused(
    quarry: Quarry, account: str, words: list[str], code: int, sentence: str
) -> None:
    said = quarry("post", "resolve", quarry.local_post(account), *words)
    assert said.code == code
    assert sentence in said.err


def test_too_long_a_text_is_refused_with_the_numbers(quarry: Quarry, account: str) -> None:
    with open_services(quarry.data) as opened:
        draft = opened.drafting.write_by_hand(Content.plain("rye " * 100), Channel("x", "post")).result()
    wrong = quarry("post", "approve", draft.id, "--account", account)
    assert wrong.code == 3
    assert "written for x" in wrong.err
    long = quarry("post", "edit", quarry.local_post(account), "rye " * 40_000)
    assert long.code == 3
    assert "over the 20,000 characters" in long.err


def test_a_draft_becomes_a_post(quarry: Quarry, account: str) -> None:
    with open_services(quarry.data) as opened:
        draft = opened.drafting.write_by_hand(Content.plain("By hand"), Channel("local", "post")).result()
    post = quarry.json("post", "approve", draft.id[-8:], "--account", account)
    assert (post["text"], post["state"]) == ("By hand", "approved")
    assert quarry("post", "approve", new_id(), "--account", account).code == 3


def test_a_picture_of_a_wrong_type_is_refused(quarry: Quarry, account: str, tmp_path: Path) -> None:
    wrong = tmp_path / "loaf.png"
    wrong.write_bytes(b"BM not a picture")
    said = quarry("post", "add", "Look", "--channel", "local", "--account", account, "--media", wrong)
    assert said.code == 3
    assert "loaf.png" in said.err
    assert quarry.json("post", "list") == []
