from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import agent

from sabotnb.errors import GraphError
from sabotnb.execution import STRATEGIES, SlotPool, SlotRequest
from sabotnb.execution.placement import Node, strategy
from sabotnb.execution.slots import assign, slot_requests
from sabotnb.protocol.job_topology import JobVertex


def pool(*slots: int) -> SlotPool:
    made = SlotPool()
    for number, count in enumerate(slots, start=1):
        made.register_node(agent(number, count))
    return made


def test_six_of_eight_slots_on_two_nodes():
    slots = pool(4, 4)
    slots.request("job", [SlotRequest()] * 6)
    full = slots.statistics()
    assert (full.free, full.utilization, full.holders) == (2, 0.75, {"job": 6})


def test_allocation_is_all_or_nothing():
    slots = pool(2, 2)
    assert slots.request("job", [SlotRequest()] * 5) is None
    assert slots.statistics().free == 4


def test_release_frees_one_job_and_unregistering_frees_a_node():
    slots = pool(2, 2)
    slots.request("one", [SlotRequest()] * 2)
    slots.request("two", [SlotRequest()] * 2)
    slots.release("one")
    assert slots.statistics().holders == {"two": 2}
    assert slots.unregister_node("agent-1") == {"two"}
    assert (slots.statistics().total, slots.statistics().holders) == (2, {"two": 1})


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_twelve_tasks_over_four_agents_are_three_each(name):
    slots = pool(4, 4, 4, 4)
    given_slots = slots.request("job", [SlotRequest()] * 12, strategy(name))
    assert sorted(slot.agent for slot in given_slots) == sorted(f"agent-{n}" for n in (1, 2, 3, 4) for _ in range(3))


def test_round_robin_deals_in_turn():
    assert [slot.agent for slot in pool(4, 4).request("job", [SlotRequest()] * 5)] == [
        "agent-1",
        "agent-2",
        "agent-1",
        "agent-2",
        "agent-1",
    ]


def test_locality_prefers_the_agent_with_the_data():
    near = SlotRequest(prefer=("agent-3",))
    chosen = pool(4, 4, 1).request("job", [near, near], strategy("locality"))
    assert [slot.agent for slot in chosen] == ["agent-3", "agent-1"]


def test_resource_aware_takes_the_agent_with_most_memory_left():
    slots = SlotPool()
    slots.register_node(agent(1, resources={"memory": 2 << 30, "cpu": 4}))
    slots.register_node(agent(2, resources={"memory": 8 << 30, "cpu": 4}))
    chosen = slots.request("job", [SlotRequest(memory=1 << 30)] * 3, strategy("resource_aware"))
    assert [slot.agent for slot in chosen] == ["agent-2", "agent-2", "agent-2"]


def test_requests_that_few_agents_can_serve_choose_first():
    slots = SlotPool()
    slots.register_node(agent(1, 1, tags=frozenset({"gpu"})))
    slots.register_node(agent(2, 1))
    chosen = slots.request("job", [SlotRequest(), SlotRequest(tags=frozenset({"gpu"}))])
    assert [slot.agent for slot in chosen] == ["agent-2", "agent-1"]


@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2)), max_size=12),
)
def test_each_request_goes_to_the_agent_that_is_best_at_its_turn(name, agents, wanted):
    nodes = [
        Node(f"agent-{n}", "host", slots, slots, cpu=float(cpu), memory=cpu << 30)
        for n, (slots, cpu) in enumerate(agents)
    ]
    requests = [SlotRequest(cpu=float(cpu), memory=memory << 29) for cpu, memory in wanted]
    assert strategy(name)(requests, nodes) == one_by_one(name, requests, nodes)


def one_by_one(name, requests, nodes):
    """The strategies as their names say, looking at every node for every request."""
    left, given, agents = list(nodes), [0] * len(nodes), []
    for request in requests:
        fitting = [place for place, node in enumerate(left) if node.free]
        if not fitting:
            return None
        rank = {
            "round_robin": lambda place: given[place],
            "least_loaded": lambda place: -left[place].free / left[place].slots,
            "locality": lambda place: -left[place].free / left[place].slots,
            "resource_aware": lambda place, request=request: (
                -min(left[place].cpu / request.cpu, left[place].memory / request.memory)
            ),
        }[name]
        best = min(fitting, key=rank)
        left[best], given[best] = left[best].take(request), given[best] + 1
        agents.append(left[best].agent)
    return agents


def test_tags_are_required():
    slots = pool(4)
    slots.register_node(agent(2, tags=frozenset({"gpu"})))
    wanted = [SlotRequest(tags=frozenset({"gpu"}))] * 2
    assert {slot.agent for slot in slots.request("job", wanted)} == {"agent-2"}
    assert not slots.could_ever_fit(wanted * 3)


def test_an_unknown_strategy_names_the_known_ones():
    with pytest.raises(GraphError, match="round_robin, least_loaded, resource_aware, locality"):
        strategy("fastest")


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 40), st.sampled_from(sorted(STRATEGIES)))
def test_no_slot_is_given_twice(offers, wanted, name):
    slots = pool(*offers)
    given_slots = slots.request("job", [SlotRequest()] * wanted, strategy(name))
    if wanted > sum(offers):
        assert given_slots is None
    else:
        assert len(set(given_slots)) == wanted


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize(
    ("offers", "wanted", "expected"),
    [((2,), 4, [2, 2]), ((1, 1), 5, [2, 3]), ((1, 3), 8, [2, 2, 2, 2]), ((2, 2), 2, [1, 1]), ((4,), 1, [1])],
)
def test_requests_share_the_slots_evenly(offers, wanted, expected, name):
    slots = pool(*offers).request_shared("job", [SlotRequest()] * wanted, strategy(name))
    assert sorted(Counter(slots).values()) == expected


def test_slots_are_shared_without_closed_agents_and_only_where_the_tags_are():
    slots = pool(2, 2)
    slots.register_node(agent(3, 1, tags=frozenset({"gpu"})))
    slots.close_node("agent-1")
    gpu = SlotRequest(tags=frozenset({"gpu"}))
    shared = slots.request_shared("job", [gpu] * 3 + [SlotRequest()] * 3)
    assert {slot.agent for slot in shared[:3]} == {"agent-3"}
    assert {slot.agent for slot in shared[3:]} <= {"agent-2", "agent-3"}
    slots.close_node("agent-3")
    assert slots.request_shared("other", [gpu]) is None
    assert slots.statistics().holders == {"job": len(set(shared))}


def test_free_slots_are_shared_before_held_ones_and_held_ones_are_free_when_all_have_left():
    slots = pool(1, 1)
    slots.request("one", [SlotRequest()])
    assert {slot.agent for slot in slots.request_shared("two", [SlotRequest()] * 3)} == {"agent-2"}
    assert {slot.agent for slot in slots.request_shared("three", [SlotRequest()] * 2)} == {"agent-1", "agent-2"}
    assert slots.statistics().holders == {"one": 1, "two": 1, "three": 2}
    free = []
    for job in ("one", "two", "three"):
        slots.release(job)
        free.append(slots.statistics().free)
    assert free == [0, 0, 2]
    assert slots.nodes() == pool(1, 1).nodes()


def test_slots_are_shared_within_a_group_by_tasks_of_one_index():
    vertices = [JobVertex("source", 2), JobVertex("agg", 3), JobVertex("model", 1, slot_group="gpu")]
    requests = slot_requests(vertices)
    assert [(one.sharing_group, one.cpu) for one in requests] == [
        ("default", 1.0),
        ("default", 1.0),
        ("default", 0.5),
        ("gpu", 0.5),
    ]
    placed = assign(vertices, requests, pool(4, 4).request("job", requests))
    assert placed["source"] == placed["agg"][:2]
    assert placed["model"][0] not in placed["agg"]


def test_a_closed_agent_gives_no_slot_although_some_are_free():
    pool = SlotPool()
    pool.register_node(agent(1, 2))
    pool.close_node("agent-1")
    assert pool.request("job", [SlotRequest()]) is None
    assert pool.statistics().free == 2
