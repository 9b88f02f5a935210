"""Which rows are held out: nothing that belongs to one of them is seen in training."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.datasets.splitting import HELD_OUT, held_out

KEYS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), max_size=3), max_size=30)


@given(KEYS, st.integers(0, 99))
def test_rows_that_share_a_key_are_on_the_same_side(keys: list[frozenset[str]], seed: int) -> None:
    held = held_out(keys, seed=seed)

    sides: dict[str, set[bool]] = {}
    for own, out in zip(keys, held, strict=True):
        for key in own:
            sides.setdefault(key, set()).add(out)
    assert all(len(side) == 1 for side in sides.values())


def test_rows_that_hang_together_through_others_are_on_the_same_side() -> None:
    chain = [{a, b} for a, b in pairwise("abcdefgh")]

    assert len(set(held_out([*chain, {"x"}, {"y"}], seed=1)[: len(chain)])) == 1


def test_a_fifth_of_independent_rows_is_held_out() -> None:
    held = held_out([{str(n)} for n in range(100)], seed=17)

    assert sum(held) == HELD_OUT * 100


def test_same_seed_holds_out_the_same_rows_and_another_others() -> None:
    keys = [{str(n)} for n in range(50)]

    assert held_out(keys, seed=1) == held_out(keys, seed=1) != held_out(keys, seed=2)


def test_rows_that_were_held_out_stay_so_when_others_are_added() -> None:
    keys = [{str(n)} for n in range(100)]

    before, after = held_out(keys[:50], seed=17), held_out(keys, seed=17)

    kept = [later for earlier, later in zip(before, after, strict=False) if earlier]
    assert sum(kept) >= 0.7 * len(kept)


def test_nothing_is_held_out_where_all_rows_hang_together() -> None:
    assert held_out([{"a"}] * 9, seed=17) == [False] * 9


def test_of_two_groups_that_are_too_large_the_smaller_is_held_out() -> None:
    assert held_out([{"a"}, {"a"}, {"b"}], seed=17) == [False, False, True]


def test_no_rows_are_split_into_none() -> None:
    assert held_out([], seed=17) == []
