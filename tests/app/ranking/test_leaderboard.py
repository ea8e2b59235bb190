from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ranking.leaderboard import BY_HAND, leaderboard
from app.ranking.posterior import PRIOR_SD, Posterior, posteriors, probability_best, t_quantile
from publishers.api import Metrics
from tests.app.ranking.creators import creator, fresh_random, result

values = st.lists(st.floats(-20, 20), max_size=30)


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),  # Abramowitz and Stegun, table 26.10
    [(0.95, 4, 2.132), (0.95, 5, 2.015), (0.95, 10, 1.812), (0.975, 4, 2.776), (0.975, 30, 2.042), (0.9, 8, 1.397)],
)
def test_quantiles_agree_with_the_printed_table(probability: float, freedom: int, quantile: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(quantile, rel=0.005)


def test_a_posterior_by_hand() -> None:
    found = posteriors({"a": [1.0, 1.0, 3.0, 3.0], "b": []})
    spread = (4 * 0.64 + 4.0) / 7  # the prior's four posts and the three degrees of freedom of the data
    precision = 1 / 0.25 + 4 / spread
    assert found["a"].mean == pytest.approx(4 / spread * 2.0 / precision)
    assert found["a"].scale == pytest.approx(precision**-0.5)
    assert (found["a"].n, found["a"].freedom) == (4, 7)
    assert (found["b"].mean, found["b"].scale) == (0.0, PRIOR_SD)
    low, high = found["a"].interval()
    assert (low + high) / 2 == pytest.approx(found["a"].mean)
    assert high - low == pytest.approx(2 * 1.895 * found["a"].scale, rel=0.002)  # t of 7 degrees, 95 %


@given(st.dictionaries(st.text(max_size=3), values, max_size=5))
def test_posteriors_shrink_and_probabilities_add_up(groups) -> None:
    found = posteriors(groups)
    for name, one in found.items():
        average = sum(groups[name]) / len(groups[name]) if groups[name] else 0.0
        assert abs(one.mean) <= abs(average) + 1e-9
        assert one.mean * average >= 0
        assert 0 < one.scale <= PRIOR_SD
    assert sum(probability_best(found).values()) == pytest.approx(1 if found else 0)


def test_the_probability_of_two_is_the_known_one() -> None:
    """Two posteriors of many degrees are normal, and the difference of two normals is one too."""
    pair = {"a": Posterior(50, 0.2, 0.15, 1e6), "b": Posterior(50, 0.0, 0.2, 1e6)}
    expected = 0.5 * (1 + math.erf(0.2 / 0.25 / math.sqrt(2)))
    assert probability_best(pair)["a"] == pytest.approx(expected, abs=0.012)
    assert probability_best(pair, seed=5) == probability_best(pair, seed=5) != probability_best(pair, seed=6)


def test_nothing_and_one_post_are_said_as_they_are() -> None:
    assert leaderboard([], "model").rows == ()
    assert "Nothing was measured yet" in leaderboard([], "model").note
    board = leaderboard([result(Metrics(views=3))], "model")
    (row,) = board.rows
    assert (row.key, row.n, row.waiting, row.enough) == ("starter", 0, 1, False)
    assert row.verdict == "not enough data yet"


def test_posts_written_by_hand_are_a_row() -> None:
    random, _ = fresh_random()
    results = creator(random, {"": 0.0, "starter": 0.0}, 8)
    assert {row.key: row.label for row in leaderboard(results, "model").rows} == {"": BY_HAND, "starter": "starter"}
    assert {row.key: row.label for row in leaderboard(results, "prompt").rows} == {"": BY_HAND, "post/1": "post/1"}


def test_one_model_alone_is_never_the_best() -> None:
    random, _ = fresh_random()
    board = leaderboard([*creator(random, {"a": 0.0}, 20), *creator(random, {"b": 0.0}, 2)], "model")
    assert board.best is None
    assert "only one model" in board.note
    assert [row.probability_best for row in board.rows] == [None, None]


def test_rows_with_enough_come_first_and_the_best_on_top() -> None:
    random, seed = fresh_random()
    results = creator(random, {"weak": -2.0, "strong": 2.0}, 30) + creator(random, {"new": 3.0}, 4)
    board = leaderboard(results, "model")
    assert [row.key for row in board.rows] == ["strong", "weak", "new"], seed
    assert [row.verdict for row in board.rows] == ["better than usual", "weaker than usual", "not enough data yet"], (
        seed
    )
    assert board.best == "strong"
    assert "strong is the best model" in board.note
    assert board.rows[0].factor > 1.5


def test_the_same_results_give_the_same_board() -> None:
    random, _ = fresh_random()
    results = creator(random, {"a": 0.0, "b": 0.3}, 10)
    assert leaderboard(results, "model") == leaderboard(results, "model")


def test_importing_the_services_loads_no_numpy() -> None:
    code = "import sys, app.ranking.service, app.analytics.service, app.analytics.pulls; print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
