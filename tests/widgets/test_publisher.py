"""The publisher: one thread per cluster passes metrics to watchers, only while there are any."""

import threading

from figures import job, vertex
from shown import ScriptedClient

from sabotnb.errors import ClusterTimeout
from sabotnb.protocol import RunId
from sabotnb.widgets.publisher import MOST_SILENT, Publisher

RUNNING = job(vertex("source_0", "source sink"))


class Listener:
    """A watcher that records its calls, and removes itself after ``enough``."""

    def __init__(self, client, publisher, enough=2, fails=False):
        self.client, self.publisher, self.enough, self.fails = client, publisher, enough, fails
        self.run = RunId("late", 1)
        self.heard = []
        self.missed = []
        self.lost = []
        self.done = threading.Event()

    def take(self, metrics):
        if self.fails:
            raise ZeroDivisionError
        self.heard.append(metrics)
        if len(self.heard) >= self.enough:
            self.publisher.remove(self)
            self.done.set()

    def miss(self, why):
        self.missed.append(why)

    def lose(self, why):
        if self.fails:
            raise ZeroDivisionError
        self.lost.append(why)
        self.publisher.remove(self)
        self.done.set()


def publishers():
    return [thread for thread in threading.enumerate() if thread.name == "sabotnb-publisher"]


def test_the_thread_ends_with_the_last_listener_and_begins_again():
    publisher = Publisher(seconds=0.01)
    for _ in range(2):
        first, second = (Listener(ScriptedClient(RUNNING), publisher) for _ in "ab")
        publisher.add(first)
        publisher.add(second)
        assert first.done.wait(10)
        assert second.done.wait(10)
        for thread in publishers():
            thread.join(10)
        assert publishers() == []
        assert (len(first.heard), len(second.heard)) == (2, 2)


def test_runs_of_a_closed_cluster_and_unknown_runs_are_lost():
    publisher = Publisher(seconds=0.01)
    gone, unknown = (Listener(ScriptedClient(now), publisher) for now in ("gone", None))
    publisher.add(gone)
    publisher.add(unknown)
    assert gone.done.wait(10)
    assert unknown.done.wait(10)
    assert gone.lost == ["the cluster does not answer"]
    assert unknown.lost == ["the cluster no longer knows this run of 'late'"]


class Forgetful(ScriptedClient):
    """A client whose first calls time out."""

    def __init__(self, now, silent):
        super().__init__(now)
        self.silent = silent

    def watch(self, runs, seconds, known=None):
        self.silent -= 1
        if self.silent >= 0:
            raise ClusterTimeout("the cluster does not answer (TimeoutError)")
        return super().watch(runs, seconds, known)


def test_a_timeout_does_not_end_a_watcher():
    publisher = Publisher(seconds=0.001)
    listener = Listener(Forgetful(RUNNING, MOST_SILENT - 1), publisher, enough=1)
    publisher.add(listener)
    assert listener.done.wait(10)
    assert listener.missed == ["the cluster does not answer (TimeoutError)"] * (MOST_SILENT - 1)
    assert (len(listener.heard), listener.lost) == (1, [])


def test_a_silent_cluster_is_lost_after_several_timeouts():
    publisher = Publisher(seconds=0.001)
    listener = Listener(ScriptedClient("silent"), publisher)
    publisher.add(listener)
    assert listener.done.wait(10)
    assert len(listener.missed) == MOST_SILENT
    assert listener.lost == ["the cluster does not answer (TimeoutError)"]


def test_a_cluster_that_hangs_does_not_delay_others():
    go = threading.Event()

    class Hanging(ScriptedClient):
        def watch(self, runs, seconds, known=None):
            self.was_asked.set()
            assert go.wait(10)
            return super().watch(runs, seconds, known)

    publisher = Publisher(seconds=0.001)
    stuck, quick = Listener(Hanging(RUNNING), publisher, enough=1), Listener(ScriptedClient(RUNNING), publisher)
    publisher.add(stuck)
    assert stuck.client.was_asked.wait(10)
    publisher.add(quick)
    assert quick.done.wait(10)
    go.set()
    assert stuck.done.wait(10)


def test_a_defect_in_a_watcher_does_not_stop_others(caplog):
    caplog.set_level("WARNING")  # Dask silences every handler that it finds while there is a local cluster
    publisher = Publisher(seconds=0.01)
    client = ScriptedClient(RUNNING)
    broken, whole = Listener(client, publisher, fails=True), Listener(client, publisher)
    publisher.add(broken)
    publisher.add(whole)
    assert whole.done.wait(10)
    assert "the view of late is no longer updated" in caplog.text


def test_a_defect_in_a_lost_watcher_does_not_stop_others():
    publisher = Publisher(seconds=60)
    client = ScriptedClient(RUNNING)
    broken, whole = Listener(client, publisher, fails=True, enough=9), Listener(client, publisher, enough=9)
    publisher._watchers += [broken, whole]
    publisher._lose(broken, "closed")
    publisher.leave(client, "closed")
    assert whole.lost == ["closed"]


def test_settle_calls_watchers_at_once_and_leave_passes_the_reason():
    publisher = Publisher(seconds=60)
    client = ScriptedClient(RUNNING)
    listener = Listener(client, publisher, enough=1000)
    publisher._watchers.append(listener)  # without the thread: only settle and leave call it
    publisher.settle(client, RunId("late", 1))
    publisher.settle(client, ("other", 1))
    publisher.leave(client, "closed")
    assert len(listener.heard) == 2
    assert listener.lost == ["closed"]
