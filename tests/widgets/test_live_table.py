"""Live tables: the last rows of an active run, and the static table at its end."""

import pyarrow as pa
import pytest
from figures import job, vertex
from shown import InTurn, Paper, ScriptedClient

from sabotnb.errors import JobError
from sabotnb.protocol import RunId
from sabotnb.widgets.cell_outputs import WIDGET_VIEW
from sabotnb.widgets.live_table import LiveTable, Seen

RUNNING = job(vertex("source_0", "source sink"))


class Stand:
    """A live table over rows that a test changes."""

    def __init__(self):
        self.client = ScriptedClient(RUNNING)
        self.rows = pa.table({"x": range(25)})
        self.error = None
        self.complete = True
        self.paper, self.news = Paper(), InTurn()
        self.table = LiveTable(
            self.client, RunId("late", 1), "late", self.look, lambda: self.complete, self.paper, self.news
        )

    def look(self):
        if self.error is not None:
            raise self.error
        return Seen(self.rows, self.rows.num_rows)

    def text(self):
        return next(iter(self.paper.shown.values()))["text/plain"]


@pytest.fixture
def stand(monkeypatch):
    monkeypatch.setenv("SABOTNB_DISPLAY", "widget")
    return Stand()


def test_it_leaves_the_last_rows(stand):
    stand.table._ipython_display_()
    assert [WIDGET_VIEW in bundle for bundle in stand.paper.shown.values()] == [True]
    stand.client.goes(state="FINISHED")
    stand.news.round()
    assert [WIDGET_VIEW in bundle for bundle in stand.paper.shown.values()] == [False]
    assert stand.text().splitlines()[2].strip() == "5"
    assert stand.text().splitlines()[-1] == "late: 25 rows, the last 20"
    assert stand.news.watchers == []


def test_without_a_page_it_returns_the_current_rows(stand):
    assert repr(stand.table).splitlines()[-1] == "late: 25 rows, the last 20"
    stand.rows = pa.table({"x": [7]})
    assert repr(stand.table).splitlines()[-1] == "late: 1 row"
    assert stand.table.table.to_pylist() == [{"x": 7}]
    stand.table.stop()
    stand.rows = pa.table({"x": [8]})
    assert stand.table.table.to_pylist() == [{"x": 7}]


def test_it_waits_for_rows_in_channels(stand):
    stand.table._ipython_display_()
    stand.complete = False
    stand.client.goes(state="FINISHED")
    stand.news.round()
    assert len(stand.news.watchers) == 1
    stand.complete = True
    stand.news.round()
    assert stand.news.watchers == []


@pytest.mark.parametrize("error", [JobError("late is CANCELED"), ZeroDivisionError("late is CANCELED")])
def test_an_error_of_a_look_is_shown(stand, error):
    stand.table._ipython_display_()
    stand.error = error
    stand.client.goes(state="CANCELED")
    stand.news.round()
    assert stand.text().splitlines()[-1].endswith("late is CANCELED")


def test_a_lost_cluster_is_shown(stand):
    stand.table._ipython_display_()
    stand.table.lose("the cluster does not answer")
    assert stand.text() == "late: 0 rows\nthe cluster does not answer"


def test_names_and_values_are_escaped_and_cut(stand):
    stand.rows = pa.table({"<b>" * 4000: ["<script>" * 4000]})
    stand.table._ipython_display_()
    stand.client.goes(state="FINISHED")
    stand.news.round()
    html = next(iter(stand.paper.shown.values()))["text/html"]
    assert "<script>" not in html
    assert "<b>" not in html
    assert len(html) < 5000
