import asyncio

import pyarrow as pa
import pytest
from cluster_jobs import waiting_results

from sabotnb.cluster import Task, submit_job
from sabotnb.display import job_card, job_picture, scenes
from sabotnb.errors import GraphError, JobFailed

pytestmark = pytest.mark.cluster


def double(data, plus=0):
    return 2 * data + plus


def doubles(count):
    return [Task(f"task-{n}", "python", double, {"plus": n}, data=n) for n in range(1, count + 1)]


def places(cluster, results):
    """Task numbers by agent, agents in order of registration."""
    agents = [row["agent"] for row in cluster.slots()]
    return [[result.task_id.removeprefix("task-") for result in results if result.agent == agent] for agent in agents]


def test_five_tasks_are_dealt_odd_and_even(cluster):
    results = submit_job(cluster.jobs, "five", doubles(5)).results()
    assert [result.value for result in results] == [3, 6, 9, 12, 15]
    assert places(cluster, results) == [["1", "3", "5"], ["2", "4"]]


def test_agents_forget_results_that_were_given(cluster):
    results = submit_job(cluster.jobs, "given", doubles(5)).results()
    while waiting_results(cluster, "given"):
        pass  # agents are told asynchronously
    assert [result.value for result in results] == [3, 6, 9, 12, 15]


def test_ten_tasks_are_dealt_odd_and_even(cluster):
    results = submit_job(cluster.jobs, "ten", doubles(10)).results()
    assert [result.task_id for result in results] == [f"task-{n}" for n in range(1, 11)]
    assert places(cluster, results) == [list("13579"), ["2", "4", "6", "8", "10"]]


def test_results_can_be_awaited(cluster):
    async def run():
        return await submit_job(cluster.jobs, "awaited", doubles(3))

    assert [result.value for result in asyncio.run(run())] == [3, 6, 9]


def test_arrow_functions_and_import_paths(cluster):
    tasks = [
        Task("sum", "arrow", "sum", data=pa.array([1, 2, 3])),
        Task("path", "python", "math:factorial", data=5),
    ]
    total, factorial = submit_job(cluster.jobs, "kinds", tasks).results()
    assert (total.value.as_py(), factorial.value) == (6, 120)


def fails(data):
    raise KeyError(data)


def test_a_task_that_raises_shows_the_users_line(cluster):
    with pytest.raises(JobFailed, match=r"task 'broken' raised KeyError: 3\n.*in fails\n    raise KeyError\(data\)"):
        submit_job(cluster.jobs, "lines", [Task("broken", "python", fails, data=3)]).results()


def test_results_may_be_of_classes_that_no_module_has(cluster):
    class Point:
        def __init__(self, x):
            self.x = x

    (result,) = submit_job(cluster.jobs, "points", [Task("one", "python", Point, data=4)]).results()
    assert result.value.x == 4


def test_an_old_handle_cancels_no_later_job(cluster):
    old = submit_job(cluster.jobs, "again", doubles(1))
    old.results()
    new = submit_job(cluster.jobs, "again", doubles(3))
    old.cancel()
    assert [result.value for result in new.results()] == [3, 6, 9]


def test_a_task_that_raises_fails_the_job(cluster):
    tasks = [Task("fine", "python", double, data=1), Task("broken", "python", "math:factorial", data=-1)]
    with pytest.raises(JobFailed, match="task 'broken' raised ValueError"):
        submit_job(cluster.jobs, "raises", tasks).results()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "has no tasks"),
        ([Task("a", "python", double), Task("a", "python", double)], "several tasks of one id: a"),
        ([Task("a", "sql", "select 1")], "operator_type 'sql'; choose one of: python, arrow"),
        ([Task("a", "arrow", "summ")], "no function 'summ'"),
        ([Task("a", "python", "math.sqrt")], "write it as 'module:function'"),
        ([Task("a", "python", 5)], "5 is not an import path"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_sent(cluster, tasks, message):
    with pytest.raises(GraphError, match=message):
        submit_job(cluster.jobs, "refused", tasks)


def test_it_has_a_picture_that_is_not_sent_with_every_status(cluster):
    submit_job(cluster.jobs, "drawn", doubles(3)).results()
    levels = cluster.jobs.levels("drawn")
    drawn = job_card.text(job_picture(scenes(levels)), cluster.jobs.metrics("drawn"), exact=False)
    assert drawn.splitlines()[1].split() == ["tasks", "→", "results", "x4", "3", "rows"]
