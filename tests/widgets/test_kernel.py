"""Jobs in a real kernel: widgets while they run, static cards at the end, and nothing left in the kernel."""

import json

import pytest
from kernels import WIDGET_VIEW, running_kernel

pytestmark = pytest.mark.cluster

START = """
import gc, threading, sys
import sabotnb as sb
from sabotnb import col
env = sb.local(workers=2, slots=8)
numbers = sb.Stream.from_rows([{"x": x, "even": x % 2 == 0} for x in range(100)])
endless = sb.Stream.from_rate(100)

def going():
    return list(sb.jobs().query("state not in ('FINISHED', 'FAILED', 'CANCELED')").job)

def left():
    gc.collect()
    import comm
    from ipywidgets.widgets import widget
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("sabotnb")]
    return sorted(threads), len(comm.get_comm_manager().comms), len(widget._instances)
"""


@pytest.fixture(scope="module")
def kernel():
    with running_kernel(START, "env.close()") as kernel:
        yield kernel


def command(kind, run, name="click-1", target="", rows=0):
    args = {"target": target, "rows": rows} if target else {}
    return {"type": "command", "id": name, "kind": kind, "run": run, "args": args}


def shown_widget(kernel, code, cell):
    """Run a cell that shows a job; return the id of the model, its state, and the output's name."""
    shown = kernel.run(code, cell)
    model = shown[WIDGET_VIEW]["model_id"]
    return model, kernel.models[model], shown["output"]


def left(kernel):
    return json.loads(kernel.run("import json; print(json.dumps(left()))", "looking")["stdout"])


def test_a_running_job_is_a_widget_and_becomes_a_card(kernel):
    model, state, output = shown_widget(kernel, "job = endless.sink_live().run('lives'); job", "lives")
    assert (state["_face"], state["graph"]["job"], state["graph"]["bounded"]) == ("job", "lives", False)
    assert [view["name"] for view in state["graph"]["picture"]["views"]] == ["logical", "optimized"]
    kernel.wait(lambda: state["live"]["metrics"]["rows_in"]["rows"] > 0)
    kernel.run("job.stop(); _ = job.wait()")
    left_over = kernel.outputs[output]
    assert WIDGET_VIEW not in left_over
    assert "<svg" in left_over["text/html"]
    assert left_over["text/plain"].startswith("lives FINISHED")
    assert model in kernel.closed
    assert state["live"]["metrics"]["state"] == "FINISHED"


def test_cells_share_a_widget_and_an_ended_job_has_none(kernel):
    model, _, output = shown_widget(kernel, "job = endless.sink_live().run('shared'); job", "a")
    again, _, other = shown_widget(kernel, "sb.attach('shared')", "b")
    assert again == model
    assert other != output
    kernel.run("job.cancel()", "c")
    kernel.wait(lambda: model in kernel.closed)
    assert all(kernel.outputs[name]["text/plain"].startswith("shared CANCELED") for name in (output, other))
    assert WIDGET_VIEW not in kernel.run("job", "d")


def test_clicks_are_carried_out_once_and_answered_each_time(kernel):
    model, state, _ = shown_widget(kernel, "job = endless.sink_live().run('clicked'); job", "e")
    run = state["graph"]["run"]
    kernel.wait(lambda: state["live"]["metrics"]["state"] == "RUNNING")
    kernel.click(model, command("pause", run))
    kernel.wait(lambda: "click-1" in kernel.answers)
    kernel.wait(lambda: state["live"]["metrics"]["paused"])
    kernel.click(model, command("pause", run))
    kernel.wait(lambda: len(kernel.answers["click-1"]) == 2)
    kernel.click(model, command("resume", run, "click-2"))
    kernel.wait(lambda: not state["live"]["metrics"]["paused"])
    kernel.click(model, command("cancel", run - 1, "click-3"))
    kernel.click(model, command("explode", run, "click-4"))
    kernel.wait(lambda: "click-3" in kernel.answers and "click-4" in kernel.answers)
    assert [kernel.answers[f"click-{n}"][0]["ok"] for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert kernel.answers["click-1"][0]["text"] == "clicked is paused"
    assert kernel.run("print(job.status.state)")["stdout"] == "RUNNING\n"
    kernel.click(model, command("cancel", run, "click-5"))
    kernel.wait(lambda: model in kernel.closed)
    assert kernel.answers["click-5"][0]["ok"]


def test_a_subshell_takes_clicks_while_a_cell_runs(kernel):
    model, state, _ = shown_widget(kernel, "job = endless.sink_live().run('blocked'); job", "f")
    subshell = kernel.subshell()
    kernel.start("job.wait()", "g")
    kernel.click(model, command("stop", state["graph"]["run"], "stop-1"), subshell)
    kernel.wait(lambda: "stop-1" in kernel.answers)
    kernel.wait(lambda: model in kernel.closed)
    assert state["live"]["metrics"]["state"] == "FINISHED"
    kernel.client.get_shell_msg(timeout=30)


def test_repeated_runs_of_a_cell_leave_no_widgets(kernel):
    kernel.run("sb.Stream.from_rate(50).sink_live().run()", "warm")
    kernel.run("[sb.attach(name).cancel() for name in going()]", "warm")
    kernel.wait(lambda: left(kernel)[0] == [])
    before = left(kernel)
    for rate in range(1, 51):
        kernel.run(f"sb.Stream.from_rate({rate // 2 + 1}).sink_live().run()", "again")
    (name,) = json.loads(kernel.run("import json; print(json.dumps(going()))", "looking")["stdout"])
    assert name.startswith("cell-")
    kernel.run(f"sb.attach({name!r}).cancel()")
    kernel.wait(lambda: left(kernel) == before)


def test_a_cell_that_shows_something_else_closes_its_widget(kernel):
    model, _, _ = shown_widget(kernel, "job = endless.sink_live().run('hidden'); job", "h")
    kernel.run("print(1)", "h")
    kernel.wait(lambda: model in kernel.closed)
    again, _, _ = shown_widget(kernel, "job", "h")
    assert again != model
    kernel.run("job.cancel()")
    kernel.wait(lambda: again in kernel.closed)


def test_pages_show_paused_and_waiting_jobs(kernel):
    paused, paused_state, _ = shown_widget(kernel, "job = endless.sink_live().run('rests'); job", "y")
    kernel.run("job.pause()")
    large = "endless.rebalance().map_batches(lambda batch: batch).named('many', parallelism=16).sink_live()"
    waiting, waiting_state, _ = shown_widget(kernel, f"late = {large}.run('waits'); late", "z")
    for state in (paused_state, waiting_state):
        seq = state["live"]["seq"]
        kernel.wait(lambda state=state, seq=seq: state["live"]["seq"] > seq + 1)
    assert (paused_state["live"]["metrics"]["paused"], waiting_state["live"]["metrics"]["state"]) == (True, "PENDING")
    kernel.run("job.cancel(); late.cancel()")
    kernel.wait(lambda: {paused, waiting} <= kernel.closed)


@pytest.mark.parametrize("shown", ["job", "job.live_table()"])
def test_a_page_that_was_loaded_later_keeps_the_widget_until_the_cell_runs_again(kernel, shown):
    kernel.run("job = endless.sink_live().run('reloaded')", "other")
    model, _, output = shown_widget(kernel, shown, "v")
    other, _, _ = shown_widget(kernel, "watched = job.live_table(); watched", "w")
    for page in ("before", "after"):
        kernel.click(model, {"type": "hello"}, page=page)
    kernel.click(other, {"type": "hello"})
    kernel.run("job.stop(); _ = job.wait()", "x")
    kernel.wait(lambda: other in kernel.closed and WIDGET_VIEW not in kernel.outputs[output])
    assert model not in kernel.closed
    kernel.run("job", "v")
    assert model in kernel.closed


def test_clicks_on_an_ended_job_are_answered_with_a_reason(kernel):
    model, state, _ = shown_widget(kernel, "job = endless.sink_live().run('ended'); job", "aa")
    kernel.click(model, {"type": "hello"}, page="loaded later")
    kernel.run("job.stop(); _ = job.wait()", "ab")
    kernel.wait(lambda: state["live"]["metrics"]["state"] == "FINISHED")
    clicks = {"late-1": "pause", "late-2": "cancel", "late-3": "probe"}
    for name, kind in clicks.items():
        kernel.click(model, command(kind, state["graph"]["run"], name, "source_0", 5))
    kernel.wait(lambda: clicks.keys() <= kernel.answers.keys())
    answers = [kernel.answers[name][0]["text"] for name in clicks]
    assert answers == [
        "ended has already FINISHED: nothing to pause",
        "ended has already FINISHED: nothing to cancel",
        "ended is FINISHED: no rows pass source_0",
    ]
    kernel.run("1", "aa")


@pytest.mark.parametrize(
    ("stream", "target", "columns"),
    [
        ("endless.with_columns(**{'<b>' * 4_000: col('value')}).named('<i>' + 'n' * 10_000)", "<i>", 3),
        ("endless.with_columns(**{f'c{n}': col('value') for n in range(500)}).named('wide')", "wide", 502),
        ("endless.filter(col('value') < 0).named('none')", "none", 0),
    ],
)
def test_long_wide_or_empty_values_are_cut_and_escaped(kernel, stream, target, columns):
    model, state, output = shown_widget(kernel, f"job = {stream}.sink_live().run('<u>'); job", "ac")
    assert len(json.dumps(state["graph"])) < 100_000
    kernel.wait(lambda: state["live"]["metrics"]["rows_in"]["rows"] > 0)
    for name, operator in (("good", target), ("bad", "nothing")):
        kernel.click(model, command("probe", state["graph"]["run"], f"{name} {target}", operator, 50))
    kernel.wait(lambda: f"bad {target}" in kernel.answers)
    good, bad = (kernel.answers[f"{name} {target}"][0] for name in ("good", "bad"))
    assert (good["ok"], len(good["sample"]["columns"]), bad["ok"]) == (True, columns, False)
    assert (len(json.dumps(good)) < 100_000, len(bad["text"]) <= 1000) == (True, True)
    kernel.run("job.cancel()", "ad")
    kernel.wait(lambda: model in kernel.closed)
    card = kernel.outputs[output]
    assert not any(tag in card["text/html"] for tag in ("<u>", "<i>", "<b><b>"))
    assert (len(card["text/html"]) < 20_000, len(card["text/plain"]) < 2_000) == (True, True)


def test_a_failed_job_shows_the_users_own_lines_and_await_raises(kernel):
    code = (
        "def halved(row):\n    return {'x': row['x'] // 0}\n"
        "job = numbers.map_rows(halved, schema={'x': 'int64'}).sink_live().run('fails')\n"
    )
    kernel.run(code, "i")
    waited = kernel.run("await job", "j")
    assert waited["error"].startswith("UserFunctionError") or waited["error"].startswith("JobFailed")
    card = kernel.run("job", "k")
    assert "ZeroDivisionError" in card["text/html"]
    assert "line 2, in halved" in card["text/html"]


def test_static_outputs_are_deterministic(kernel):
    kernel.run("import os; os.environ['SABOTNB_DISPLAY'] = 'static'")
    try:
        shown = [
            kernel.run("numbers.group_by('even').agg(n=sb.count()).sink_live().run('still')", "static") for _ in "12"
        ]
        endless = kernel.run("job = endless.sink_live().run('on'); job", "static")
    finally:
        kernel.run("del os.environ['SABOTNB_DISPLAY']; job.cancel()")
    first, second = ({kind: bundle[kind] for kind in ("text/html", "text/plain")} for bundle in shown)
    assert first == second
    assert WIDGET_VIEW not in shown[0]
    assert first["text/plain"].startswith("still FINISHED")
    assert endless["text/plain"].startswith("on RUNNING")


def test_a_live_table_follows_sink_live_and_leaves_its_last_rows(kernel):
    kernel.run("job = endless.sink_live(keep=30).run('kept'); table = job.live_table()", "l")
    model, state, output = shown_widget(kernel, "table", "m")
    assert state["_face"] == "table"
    kernel.wait(lambda: state["table"]["total"] > 30)
    assert [column["name"] for column in state["table"]["columns"]] == ["time", "value"]
    assert len(state["table"]["rows"]) == 30
    kernel.run("job.stop(); _ = job.wait()", "n")
    assert model in kernel.closed
    assert state["table"]["ended"]
    assert WIDGET_VIEW not in kernel.outputs[output]
    assert ", the last 20" in kernel.outputs[output]["text/plain"]


def test_live_redraws_in_place_and_continues_after_an_error(kernel):
    code = (
        "drawn = iter(range(100))\n"
        "def draw():\n    n = next(drawn)\n    if n == 2:\n        raise ValueError('no plot')\n"
        "    return f'plot {n}'\n"
        "plot = sb.live(draw, every='250ms')"
    )
    output = kernel.run(code, "s")["output"]
    kernel.wait(lambda: "ValueError: no plot" in kernel.outputs[output]["text/plain"])
    kernel.wait(lambda: "plot 4" in kernel.outputs[output]["text/plain"])
    kernel.run("1", "s")
    assert kernel.run("print(plot)")["stdout"] == "live: stopped\n"


def test_figures_of_live_plots_appear_in_no_other_cell(kernel):
    pytest.importorskip("matplotlib")
    code = (
        "def draw():\n    import matplotlib.pyplot as plt\n"
        "    figure, axes = plt.subplots(); axes.plot([1, 2]); return axes\n"
        "plot = sb.live(draw, every='60s')\n"
        "import matplotlib.pyplot as plt; print(plt.get_fignums())"
    )
    shown = kernel.run(code, "t")
    assert "image/png" in shown
    assert shown["stdout"] == "[]\n"
    kernel.run("plot.stop(); plot = sb.live(draw, every='200ms')", "u")
    assert kernel.run("plot.stop(); plt.get_fignums()")["text/plain"] == "[]"


def test_a_progress_bar_ends_at_100_percent_or_with_the_state(kernel):
    done = kernel.run("numbers.sink_live().run('bar').progress()")
    assert "bar: 100%" in done["stdout"].split("\r")[-1]
    code = "numbers.map_rows(lambda row: {'x': row['x'] // 0}, schema={'x': 'int64'}).sink_live().run('bad').progress()"
    failed = kernel.run(code)
    assert "bad FAILED" in failed["stdout"].split("\r")[-1]
    assert "ZeroDivisionError" in failed["error"]
    refused = kernel.run("endless.sink_live().run('on and on').progress()")["error"]
    assert refused.startswith("JobError: job 'on and on' is endless")
    kernel.run("sb.attach('on and on').cancel()")


def test_a_changed_cell_says_that_its_run_replaced_another(kernel):
    first, _, _ = shown_widget(kernel, "sb.Stream.from_rate(10).run('changes')", "u")
    again, _, _ = shown_widget(kernel, "sb.Stream.from_rate(10).run('changes')", "u")
    second, state, _ = shown_widget(kernel, "sb.Stream.from_rate(20).run('changes', fresh=True)", "u")
    assert again == first != second
    assert state["graph"]["note"] == "replaced the previous run (the graph or an option changed)"
    kernel.wait(lambda: first in kernel.closed)
    kernel.run("sb.attach('changes').cancel()")
    kernel.wait(lambda: second in kernel.closed)


def test_a_live_table_shows_the_rows_of_any_operator(kernel):
    kernel.run("job = endless.filter(col('value') % 2 == 0).named('evens').sink_live().run('looked')", "o")
    assert kernel.run("job.live_table('nothing')", "p")["error"].startswith("JobError")
    model, state, _ = shown_widget(kernel, "job.live_table('evens')", "p")
    kernel.wait(lambda: state["table"]["total"] > 0)
    assert {int(row[1]) % 2 for row in state["table"]["rows"]} == {0}
    kernel.run("job.cancel()", "q")
    kernel.wait(lambda: model in kernel.closed)


def test_probe_commands_return_rows(kernel):
    model, state, _ = shown_widget(kernel, "job = endless.sink_live().run('probed'); job", "r")
    run = state["graph"]["run"]
    kernel.click(model, command("probe", run, "probe-1", "source_0", 5))
    kernel.click(model, command("probe", run, "probe-2", "nothing", 5))
    kernel.wait(lambda: "probe-1" in kernel.answers and "probe-2" in kernel.answers)
    sample = kernel.answers["probe-1"][0]["sample"]
    assert [column["name"] for column in sample["columns"]] == ["time", "value"]
    assert not kernel.answers["probe-2"][0]["ok"]
    assert "source_0" in kernel.answers["probe-2"][0]["text"]
    kernel.run("job.cancel()", "r")
