"""The ranking against simulated creators whose truth is known; every run draws new ones."""

from __future__ import annotations

from app.ranking.leaderboard import NOT_ENOUGH, leaderboard
from tests.app.ranking.creators import creator, fresh_random, true_uplifts


def test_intervals_of_90_percent_hold_the_truth_about_as_often() -> None:
    random, seed = fresh_random()
    held = rows = 0
    for _ in range(120):
        effects = dict(zip("abcd", random.normal(0, 0.4, 4), strict=True))
        truth = true_uplifts(random, effects)
        for row in leaderboard(creator(random, effects, 16), "model").rows:
            held += row.low <= truth[row.key] <= row.high
            rows += 1
    assert rows == 480
    assert 0.80 <= held / rows <= 0.98, seed


def test_equals_have_no_winner() -> None:
    """The stated rate is 5 % of creators; 10 % of 150 would be three standard deviations above it."""
    for models in ("ab", "abc"):
        random, seed = fresh_random()
        boards = [leaderboard(creator(random, dict.fromkeys(models, 0.0), 14), "model") for _ in range(150)]
        assert sum(board.best is not None for board in boards) <= 15, (models, seed)


def test_a_clear_winner_is_found_and_never_another() -> None:
    random, seed = fresh_random()
    boards = [leaderboard(creator(random, {"twice": 0.693, "b": 0.0, "c": 0.0}, 60), "model") for _ in range(12)]
    assert {board.best for board in boards} <= {"twice", None}, seed
    assert sum(board.best == "twice" for board in boards) >= 9, seed
    assert all(board.rows[0].key == "twice" for board in boards), seed


def test_shrinkage_pulls_five_posts_a_third_of_the_way_to_usual() -> None:
    """With precision 4 of the prior and 5/0.64 of the posts the weight of the data is 0.66."""
    random, seed = fresh_random()
    found = []
    for _ in range(60):
        results = creator(random, {"usual": 0.0}, 60) + creator(random, {"strong": 1.5}, 5)
        found += [row.uplift for row in leaderboard(results, "model").rows if row.key == "strong"]
    assert 0.75 < sum(found) / len(found) < 1.15, seed


def test_one_to_three_posts_are_not_enough_data_yet() -> None:
    random, _ = fresh_random()
    for posts in (1, 2, 3):
        board = leaderboard(creator(random, {"a": 3.0, "b": 0.0}, posts, accounts=(100.0,)), "model")
        assert board.best is None
        assert board.note.startswith("Not enough data yet")
        assert [row.verdict for row in board.rows] == [NOT_ENOUGH, NOT_ENOUGH]
        assert all(row.probability_best is None for row in board.rows)
