import pickle
from dataclasses import dataclass

from sabotnb.pickling import quickly_pickled


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: tuple[str, ...] = ()


def test_instances_travel_as_a_call_of_their_class():
    pair = Pair(1, ("a", "b"))
    assert pickle.loads(pickle.dumps(pair)) == pair
