from sabotnb.task.warmup import warm_up


def test_warming_up_runs_a_job_through_every_common_step():
    assert warm_up().to_pylist() == [{"key": "a", "n": 2, "most": 3}]
