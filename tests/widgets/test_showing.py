"""Showings: one run in the outputs of a process, without a kernel."""

import re
import threading
from dataclasses import replace

import pytest
from figures import job, vertex
from shown import InTurn, Paper, ScriptedClient, SlowPaper

from sabotnb.errors import EnvError
from sabotnb.ipython import shell
from sabotnb.protocol import RunId
from sabotnb.widgets.cell_outputs import WIDGET_VIEW
from sabotnb.widgets.publisher import Publisher
from sabotnb.widgets.showing import Showing, showing_of

RUNNING = job(vertex("source_0", "source sink"))


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch):
    monkeypatch.setenv("SABOTNB_DISPLAY", "widget")


@pytest.fixture
def client():
    return ScriptedClient(RUNNING)


@pytest.fixture
def showing(client):
    return Showing(client, RunId("late", 1), "", Paper(), InTurn())


def views(showing):
    return [WIDGET_VIEW in bundle for bundle in showing._screen.shown.values()]


def test_every_output_of_a_running_job_has_a_view_of_one_widget(showing):
    showing.display()
    showing.display()
    models = {bundle[WIDGET_VIEW]["model_id"] for bundle in showing._screen.shown.values()}
    assert views(showing) == [True, True]
    assert len(models) == 1


def test_changed_metrics_are_sent_once(showing, client):
    showing.display()
    client.goes(paused=True)
    showing._news.round()
    showing._news.round()
    live = showing._widget.live
    assert (live["seq"], live["metrics"]["paused"]) == (2, True)


def test_unchanged_metrics_are_sent_every_two_seconds(showing, client):
    showing.display()
    heard = []
    for _ in range(8):  # half a second each
        client.now = replace(client.now, at=client.now.at + 0.5)
        showing._news.round()
        heard.append(showing._widget.live["seq"])
    assert heard == [1, 1, 2, 2, 2, 3, 3, 3]


def test_pages_are_sent_no_tasks_and_the_card_has_them_all(showing, client):
    showing.display()
    assert showing._widget.live["metrics"]["tasks"] == ()
    client.goes(state="FINISHED")
    showing._news.round()
    assert "1 task" in next(iter(showing._screen.shown.values()))["text/html"]


def test_older_metrics_are_ignored(showing, client):
    showing.display()
    client.goes(paused=True)
    showing._news.round()
    client.now = replace(client.now, version=client.now.version - 1, paused=False, at=client.now.at + 60)
    showing._news.round()
    assert showing._widget.live["metrics"]["paused"]


def test_at_the_end_every_output_is_a_card_and_there_is_no_watcher(showing, client):
    showing.display()
    showing.display()
    widget = showing._widget
    client.goes(state="FINISHED")
    showing._news.round()
    showing.display()
    assert views(showing) == [False, False, False]
    assert all(text.startswith("late FINISHED") for text in showing._screen.texts)
    assert showing._news.watchers == []
    assert (widget.comm, widget.layout.comm) == (None, None)


def test_settle_waits_for_a_card_that_is_being_drawn():
    client, news, paper = ScriptedClient(RUNNING), Publisher(seconds=0.01), SlowPaper()
    showing = Showing(client, RunId("late", 1), "", paper, news)
    showing.display()
    client.goes(state="FINISHED")
    assert paper.drawing.wait(10)
    client.was_asked.clear()
    texts = []
    settling = threading.Thread(target=lambda: [news.settle(client, showing.run), texts.extend(paper.texts)])
    settling.start()
    assert client.was_asked.wait(10)
    paper.go.set()
    settling.join(10)
    assert texts[0].startswith("late FINISHED")


def test_embedded_is_a_widget_that_stays_and_after_the_end_a_card(showing, client):
    widget = showing.embedded()
    assert showing.embedded() is widget
    client.goes(state="FINISHED")
    showing._news.round()
    assert widget.live["metrics"]["state"] == "FINISHED"
    assert widget.comm is not None
    assert showing._news.watchers == []
    assert "FINISHED" in showing.embedded().data
    widget.close()


def test_the_card_of_a_lost_cluster_says_so_until_it_answers_again(showing, client):
    showing.display()
    showing.lose("the cluster does not answer")
    (bundle,) = showing._screen.shown.values()
    assert bundle["text/plain"].startswith("late DISCONNECTED · 9.0 s · 336,776 rows in")
    assert re.search(r"Last seen RUNNING at \d\d:\d\d:\d\d: the cluster does not answer$", bundle["text/plain"])
    assert views(showing) == [False]
    client.now = "gone"
    showing.display()
    assert views(showing) == [False, False]
    client.now = RUNNING
    showing.display()
    assert views(showing) == [False, False, True]


def test_pages_show_a_timeout_until_the_next_answer(showing, client):
    showing.display()
    showing.miss("the cluster does not answer (TimeoutError)")
    assert showing._widget.live["trouble"] == "the cluster does not answer (TimeoutError)"
    assert views(showing) == [True]
    showing._news.round()
    assert showing._widget.live["trouble"] == ""


def test_an_unknown_run_is_shown_as_text():
    client = ScriptedClient("gone")
    showing = Showing(client, RunId("late", 1), "", Paper(), InTurn())
    showing.display()
    assert showing._screen.texts == ["late: the cluster does not answer"]


def test_a_cell_that_runs_again_keeps_the_widget_only_if_it_shows_it(showing, monkeypatch):
    monkeypatch.setattr(shell, "cell_id", lambda: "a")
    showing.display()
    first = showing._widget
    outputs = showing._outputs
    outputs.cell_started("a")
    showing.display()
    outputs.cell_ended("a")
    assert showing._widget is first
    outputs.cell_started("a")
    outputs.cell_ended("a")
    assert showing._widget is None
    assert showing._news.watchers == []


def test_the_widget_stays_for_a_page_that_was_loaded_later_until_its_cell_runs_again(showing, client, monkeypatch):
    page = iter("11122").__next__
    monkeypatch.setattr(shell, "page", page)
    monkeypatch.setattr(shell, "cell_id", iter("ab").__next__)
    showing.display()
    showing.display()
    widget = showing._widget
    outputs = showing._outputs
    outputs.note_page()
    outputs.note_page()
    client.goes(state="FINISHED")
    showing._news.round()
    assert views(showing) == [False, False]
    assert (widget.comm is not None, widget.live["metrics"]["state"]) == (True, "FINISHED")
    assert widget.card["model"] == widget.model_id
    assert widget.card["data"]["text/plain"].startswith("late FINISHED")
    assert showing._news.watchers == []
    for cell in "ab":
        assert widget.comm is not None
        outputs.cell_started(cell)
        outputs.cell_ended(cell)
    assert (widget.comm, widget.layout.comm) == (None, None)


def test_one_showing_per_run():
    client = ScriptedClient(RUNNING)
    first = showing_of(client, RunId("late", 1))
    assert showing_of(client, RunId("late", 1)) is first
    assert showing_of(client, RunId("late", 2)) is not first
    assert showing_of(ScriptedClient(RUNNING), RunId("late", 1)) is not first


def test_an_invalid_display_setting_is_refused(monkeypatch, showing):
    monkeypatch.setenv("SABOTNB_DISPLAY", "statik")
    with pytest.raises(EnvError, match="SABOTNB_DISPLAY is 'statik'; choose one of auto, widget, static, text"):
        showing.display()
