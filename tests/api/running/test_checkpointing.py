from datetime import timedelta

import pytest

import sabotnb as sb
from sabotnb.api.running.checkpointing import ALWAYS, checkpointing_of, policy_of
from sabotnb.api.running.lowering import lower
from sabotnb.errors import CheckpointError, TypeMismatch
from sabotnb.expr import duration_us
from sabotnb.protocol import CheckpointPolicy

GRAPH = lower([sb.Stream.from_rate(10).sink_callback(print).target.flow]).graph
ONCE = lower([sb.Stream.from_generator(lambda: iter(()), {"x": "int64"}).sink_live().target.flow]).graph


def test_times_become_seconds_and_the_folder_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = sb.checkpoint("1m30s", "ckpt", timeout="5m", pause="250ms")
    assert policy_of(given, GRAPH, one_host=False) == CheckpointPolicy(90.0, str(tmp_path / "ckpt"), 300.0, 0.25)


def test_checkpoints_are_kept_in_the_data_folder_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("SABOTNB_DATA", str(tmp_path))
    assert policy_of(ALWAYS, GRAPH, one_host=True) == CheckpointPolicy(60.0, str(tmp_path / "checkpoints"))


def test_a_url_stays_as_it_is():
    policy = policy_of(sb.checkpoint(storage="s3://bucket/ckpt"), GRAPH, one_host=False)
    assert policy is not None
    assert policy.storage == "s3://bucket/ckpt"


def test_no_checkpoints_where_they_have_no_use():
    assert policy_of(None, GRAPH, one_host=True) is None
    assert policy_of(sb.checkpoint("1s"), ONCE, one_host=True) is None
    assert policy_of(ALWAYS, GRAPH, one_host=False) is None


def test_asking_for_checkpoints_on_several_hosts_needs_a_shared_folder():
    with pytest.raises(CheckpointError, match=r"sb.checkpoint\('10s', storage='/shared/checkpoints'\)"):
        policy_of(sb.checkpoint("10s"), GRAPH, one_host=False)


@pytest.mark.parametrize(
    "wrong", [{"every": "0s"}, {"timeout": "0s"}, {"pause": "-1s"}, {"storage": 5}, {"storage": ""}]
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(CheckpointError, match=r"sb\.checkpoint\("):
        sb.checkpoint(**wrong)


@pytest.mark.parametrize("given", ["5s", timedelta(seconds=5), sb.checkpoint("5s")])
def test_a_time_alone_says_how_often(given):
    checkpointing = checkpointing_of(given)
    assert checkpointing is not None
    assert duration_us(checkpointing.every) == 5_000_000
    assert checkpointing_of(None) is None


@pytest.mark.parametrize("given", [True, False, 5, {"every": "5s"}])
def test_what_is_no_time_is_refused_with_a_line_that_runs(given):
    with pytest.raises(CheckpointError, match=r"checkpoint=.* \.run\(checkpoint=sb\.checkpoint\('60s'\)\)"):
        checkpointing_of(given)


def test_a_bare_number_is_no_duration():
    with pytest.raises(TypeMismatch):
        sb.checkpoint(60)
