from sabotnb.task.warmup import warm_up


def test_warm_up_runs_a_job_with_common_operators():
    assert warm_up().to_pylist() == [{"key": "a", "n": 2, "most": 3}]
