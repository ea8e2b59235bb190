"""What the window asks of the repositories: counting a filtered list, taking a time away, autosaving a brief."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.errors import Stale
from app.core.words import PostState
from app.store.database import Store
from tests.app.samples import NOON, account, brief, post


def test_count_agrees_with_the_list(store: Store):
    owner = store.write(lambda unit: unit.accounts.save(account())).result()
    texts = ["Rye", "Wheat", "100 % rye", "Spelt"]
    for text in texts:
        store.write(lambda unit, text=text: unit.posts.add(post(owner.id, text))).result()
    store.write(lambda unit: unit.posts.add(post(owner.id, "Rye", at=NOON))).result()

    def both(unit, **filters):
        return unit.posts.count(**filters), len(unit.posts.listed(**filters))

    assert store.read(lambda unit: both(unit)).result() == (5, 5)
    assert store.read(lambda unit: both(unit, search="rye")).result() == (3, 3)
    assert store.read(lambda unit: both(unit, search="0 %")).result() == (1, 1)
    assert store.read(lambda unit: both(unit, search="rye", states=[PostState.SCHEDULED])).result() == (1, 1)


def test_unschedule_keeps_the_post_and_takes_its_time(store: Store):
    owner = store.write(lambda unit: unit.accounts.save(account())).result()
    planned = store.write(lambda unit: unit.posts.add(post(owner.id, at=NOON + timedelta(days=1)))).result()
    freed = store.write(lambda unit: unit.posts.unschedule(planned.id, planned.version)).result()
    assert (freed.state, freed.wall_time, freed.due_at) == (PostState.APPROVED, None, None)
    assert freed.content == planned.content
    with pytest.raises(Stale):
        store.write(lambda unit: unit.posts.unschedule(planned.id, planned.version)).result()


def test_saving_a_brief_again_replaces_its_words_alone(store: Store):
    first = store.write(lambda unit: unit.briefs.add(brief("Rye"))).result()
    later = store.write(lambda unit: unit.briefs.add(replace(first, topic="Rye bread", created_at=None))).result()
    assert later == replace(first, topic="Rye bread")
    assert [row.topic for row in store.read(lambda unit: unit.briefs.recent()).result()] == ["Rye bread"]
