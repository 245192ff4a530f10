"""A scripted client of a cluster, and displays that record what they show."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa

from sabotnb.errors import ClusterLost, ClusterTimeout


class ScriptedClient:
    """Answers requests as ``ClusterClient`` does. ``now`` are the current metrics of the run.

    None: the run is not known; "gone": the cluster is lost; "silent": this request times out.
    """

    def __init__(self, now):
        self.now = now
        self.asked = []
        self.was_asked = threading.Event()
        self.rows = pa.table({"x": [1, None]})
        self.sampled = []

    def goes(self, **changes):
        """Change fields of the current metrics."""
        self.now = replace(self.now, version=self.now.version + 1, **changes)

    def levels(self, run):
        return None

    def metrics(self, run):
        return self.watch([run], 0.0)[0]

    def watch(self, runs, seconds, known=None):
        self.was_asked.set()
        if self.now == "gone":
            raise ClusterLost("the cluster does not answer")
        if self.now == "silent":
            raise ClusterTimeout("the cluster does not answer (TimeoutError)")
        return [self.now for _ in runs]

    def pause(self, run):
        self.asked.append("pause")
        return f"{run.job} is paused"

    def cancel(self, run):
        self.asked.append("cancel")
        raise ClusterLost("the cluster does not answer")

    def stop(self, run):
        raise ZeroDivisionError("a defect")

    def resume(self, run):
        self.asked.append("resume")
        return f"{run.job} resumed"

    def samples(self, run):
        return self.sampled

    def probe(self, run, target, rows, wait):
        return SimpleNamespace(
            operator=target, table=self.rows, seen=2, seconds=1.0, keys=("x",), hot=(("1", 0.5),), watermark=7, note=""
        )


class Paper:
    """A display that records the current content of each output by name."""

    def __init__(self):
        self.shown = {}

    def show(self, bundle, output):
        self.shown[output] = dict(bundle)

    def replace(self, bundle, output):
        assert output in self.shown
        self.shown[output] = dict(bundle)

    @property
    def texts(self):
        """First lines of all outputs, in the order in which they were added."""
        return [bundle.get("text/plain", "").partition("\n")[0] for bundle in self.shown.values()]


class SlowPaper(Paper):
    """A display that blocks while it replaces an output, until ``go`` is set."""

    def __init__(self):
        super().__init__()
        self.drawing, self.go = threading.Event(), threading.Event()

    def replace(self, bundle, output):
        self.drawing.set()
        assert self.go.wait(10)
        super().replace(bundle, output)


class InTurn:
    """A publisher without a thread: a test calls ``round`` to publish."""

    def __init__(self):
        self.watchers = []

    def add(self, watcher):
        if watcher not in self.watchers:
            self.watchers.append(watcher)

    def remove(self, watcher):
        if watcher in self.watchers:
            self.watchers.remove(watcher)

    def round(self):
        """Send every watcher the current metrics of its run."""
        for watcher in list(self.watchers):
            watcher.take(watcher.client.now)
