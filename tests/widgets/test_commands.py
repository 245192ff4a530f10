"""Commands of pages are carried out once and always answered."""

import queue
import threading
from dataclasses import replace

import pyarrow as pa
import pytest
from figures import job
from shown import ScriptedClient

from sabotnb.cluster import SampledRows
from sabotnb.metrics import Load, TaskMetrics
from sabotnb.protocol import RunId
from sabotnb.widgets.commands import KEPT_READS, MOST_TASKS, Commands


class Page:
    """A page: sends commands and receives answers."""

    def __init__(self):
        self.client = ScriptedClient(None)
        self.answers = queue.Queue()
        self.commands = Commands(self.client, RunId("late", 3), self.answers.put)

    def click(self, kind="pause", run=3, args=None, name=None):
        args = {"target": "source_0", "rows": 10} if args is None else args
        name = name or f"{kind} {args}"
        self.commands.take({"type": "command", "id": name, "kind": kind, "run": run, "args": args})
        return self.answers.get(timeout=10)


@pytest.fixture
def page():
    return Page()


def test_a_repeated_command_is_answered_again_but_not_carried_out_again(page):
    first, again = page.click(), page.click()
    assert first == again
    assert (first.ok, first.text, page.client.asked) == (True, "late is paused", ["pause"])


@pytest.mark.parametrize("answered", [True, False])
def test_a_command_is_not_carried_out_again_however_many_came_after_it(page, answered):
    release = threading.Event()
    pause = page.client.pause
    page.client.pause = lambda *run: release.wait(60) and pause(*run)
    first = {"type": "command", "id": "first", "kind": "pause", "run": 3, "args": {}}
    page.commands.take(first)
    if answered:
        release.set()
        assert page.answers.get(timeout=10).id == "first"
    for number in range(KEPT_READS + 5):
        page.click("tasks", args={"vertices": []}, name=str(number))
    page.commands.take(first)
    release.set()
    assert page.answers.get(timeout=10).text == "late is paused"
    for number in range(KEPT_READS + 5):
        page.click("pause", name=f"pause {number}")
    page.commands.take(first)
    assert page.answers.get(timeout=10).id == "first"
    assert page.client.asked.count("pause") == KEPT_READS + 6


def test_commands_are_carried_out_in_order(page):
    kinds = ["pause", "resume"] * 20
    for number, kind in enumerate(kinds):
        page.commands.take({"type": "command", "id": str(number), "kind": kind, "run": 3, "args": {}})
    assert [page.answers.get(timeout=10).id for _ in kinds] == [str(number) for number in range(len(kinds))]
    assert page.client.asked == kinds


@pytest.mark.parametrize(
    ("click", "text"),
    [
        ({"kind": "cancel"}, "the cluster does not answer"),
        ({"kind": "stop"}, "ZeroDivisionError: a defect"),
        ({"kind": "pause", "run": 2}, "this view belongs to an earlier run of late; re-run its cell"),
    ],
)
def test_a_refused_command_is_answered_with_the_reason(page, click, text):
    answer = page.click(**click)
    assert (answer.ok, answer.text) == (False, text)


@pytest.mark.parametrize(
    "click",
    [
        {"kind": "explode"},
        {"kind": "probe", "args": {"target": "source_0"}},
        {"kind": "probe", "args": {"target": None, "rows": 5}},
        {"kind": "pause", "args": []},
        {"kind": "tasks", "args": {"vertices": "source_0"}},
        {"kind": "samples", "args": {"operators": "source_0"}},
        {"kind": ["pause"]},
    ],
)
def test_an_invalid_command_is_refused(page, click):
    answer = page.click(**click)
    unknown = f"this kernel does not know the command {str(click['kind'])!r}; reload the page"
    assert (answer.ok, answer.text) == (False, unknown)


def test_a_message_without_an_id_is_not_answered(page):
    for message in ({}, {"id": 7}, {"id": None}, "pause", None):
        page.commands.take(message)
    assert page.click().ok


def test_samples_are_text(page):
    long = "<b>" + "x" * 10_000
    page.client.rows = pa.table({long: ["a", None, long], "n": [1.0, 2.5, float("nan")]})
    sample = page.click("probe").sample
    assert [len(column.name) for column in sample.columns] == [200, 1]
    assert [column.numeric for column in sample.columns] == [False, True]
    assert [row[1] for row in sample.rows] == ["1", "2.5", "nan"]
    assert [None if row[0] is None else len(row[0]) for row in sample.rows] == [1, None, 200]
    assert (sample.hot[0].key, sample.hot[0].share, sample.watermark) == ("1", 0.5, 7)


def test_requested_tasks_are_sorted_failed_and_busiest_first(page):
    tasks = [TaskMetrics(vertex, index, index, "agent-1", 0, "RUNNING") for vertex in "ab" for index in range(3)]
    tasks[1] = replace(tasks[1], load=Load(busy=0.9))
    tasks[2] = replace(tasks[2], state="FAILED")
    page.client.now = job(tasks=tuple(tasks))
    tasks = page.click("tasks", args={"vertices": ["a"]}).tasks
    assert [(task.vertex, task.index) for task in tasks] == [("a", 2), ("a", 1), ("a", 0)]
    assert len(page.click("tasks", args={"vertices": []}).tasks) == 6


def test_of_very_many_tasks_the_first_are_returned(page):
    many = [TaskMetrics("a", index, index, "agent-1", 0, "RUNNING") for index in range(MOST_TASKS + 5)]
    page.client.now = job(tasks=(*many, replace(many[0], index=-1, state="FAILED")))
    tasks = page.click("tasks", args={"vertices": []}).tasks
    assert (len(tasks), tasks[0].index) == (MOST_TASKS, -1)


def test_late_and_failing_rows_are_those_of_the_requested_operators(page):
    page.client.sampled = [SampledRows(name, "late", 0.0, ("late by 0:00:01",), pa.table({"x": [1]})) for name in "ab"]
    (table,) = page.click("samples", args={"operators": ["b", "c"]}).rejected
    assert (table.operator, table.kind, table.rows) == ("b", "late", (("1970-01-01 00:00:00", "late by 0:00:01", "1"),))


def test_wide_samples_have_fewer_rows(page):
    page.client.rows = pa.table({f"c{n}": range(100) for n in range(500)})
    sample = page.click("probe", args={"target": "wide", "rows": 100}).sample
    assert (len(sample.columns), len(sample.rows), sample.rows[-1][0]) == (500, 40, "99")


def test_empty_samples(page):
    page.client.rows = pa.table({})
    assert page.click("probe").sample.rows == ()
