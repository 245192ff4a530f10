"""A detached cluster continues without its kernel, and the next kernel shows its jobs with their history."""

import os
import signal

import pytest
from kernels import SECONDS, WIDGET_VIEW, running_kernel

from sabotnb.cluster.detached import end_detached

pytestmark = pytest.mark.cluster

START = "import sabotnb as sb\nenv = sb.local(workers=1, detached=True)"
PID = "import os; print(env.client.run_on_scheduler(os.getpid))"


def test_attaching_after_a_restart_shows_the_widget_with_its_history(tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    try:
        with running_kernel(START, env=environment) as kernel:
            shown = kernel.run("job = sb.Stream.from_rate(100).run('outlives'); job")
            state = kernel.models[shown[WIDGET_VIEW]["model_id"]]
            kernel.wait(lambda: len(state["live"]["metrics"]["vertices"][0]["history"]) > 1)
            before = state["live"]["metrics"]["vertices"][0]["history"]
        with running_kernel(START, env=environment) as kernel:
            shown = kernel.run("job = sb.attach('outlives'); job")
            model = shown[WIDGET_VIEW]["model_id"]
            state = kernel.models[model]
            assert state["graph"]["picture"]["views"]
            assert not state["graph"]["bounded"]
            assert len(state["live"]["metrics"]["vertices"][0]["history"]) >= len(before)
            kernel.run("job.stop(); _ = job.wait()", "other")
            assert model in kernel.closed
            assert kernel.outputs[shown["output"]]["text/plain"].startswith("outlives FINISHED")
    finally:
        end_detached(tmp_path / "sabotnb")


def test_running_the_cell_again_after_a_restart_attaches_to_its_job(tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    cell = "job = sb.Stream.from_rate(100).run('outlives'); job.run_id.number"
    try:
        with running_kernel(START, env=environment) as kernel:
            run = kernel.run(cell)["text/plain"]
        with running_kernel(START, env=environment) as kernel:
            assert kernel.run(cell)["text/plain"] == run
            kernel.run("job.cancel()")
    finally:
        end_detached(tmp_path / "sabotnb")


def test_a_lost_cluster_is_shown_in_the_card(tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    try:
        with running_kernel(START, env=environment) as kernel:
            shown = kernel.run("job = sb.Stream.from_rate(100).run('left alone'); job")
            os.kill(int(kernel.run(PID, "other")["stdout"]), signal.SIGKILL)
            kernel.wait(lambda: shown[WIDGET_VIEW]["model_id"] in kernel.closed)
            assert "sb.local() starts another" in kernel.outputs[shown["output"]]["text/plain"]
            assert "sb.local() starts another" in kernel.run("job", "other")["text/plain"]
    finally:
        end_detached(tmp_path / "sabotnb")


def test_a_card_whose_cluster_ends_with_its_kernel_guesses_no_crash():
    with running_kernel("import sabotnb as sb\nenv = sb.local(workers=1)") as kernel:
        shown = kernel.run("job = sb.Stream.from_rate(100).sink_live().run('ends'); job")
        kernel.manager.restart_kernel()
        kernel.wait(lambda: shown[WIDGET_VIEW]["model_id"] in kernel.closed)
        card = kernel.outputs[shown["output"]]
        assert card["text/plain"].startswith("ends DISCONNECTED")
        assert "the session was closed" in card["text/html"]
        kernel.client.wait_for_ready(timeout=SECONDS)
