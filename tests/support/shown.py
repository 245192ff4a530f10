"""A cluster whose answers are written down, and a screen that remembers what it showed."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa

from sabotnb.errors import ClusterLost, ClusterTimeout


class ScriptedClient:
    """Answers as ``ClusterClient`` does. ``now`` is how the run goes.

    None: it is not known; "gone": nobody answers any more; "silent": nobody answers this time.
    """

    def __init__(self, now):
        self.now = now
        self.asked = []
        self.was_asked = threading.Event()
        self.rows = pa.table({"x": [1, None]})

    def goes(self, **changes):
        """Let the run be another way from now on."""
        self.now = replace(self.now, version=self.now.version + 1, **changes)

    def views(self, job, epoch):
        return {}

    def metrics(self, job, epoch):
        return self.watch([(job, epoch)], 0.0)[0]

    def watch(self, runs, seconds, known=None):
        self.was_asked.set()
        if self.now == "gone":
            raise ClusterLost("the cluster does not answer")
        if self.now == "silent":
            raise ClusterTimeout("the cluster does not answer (TimeoutError)")
        return [self.now for _ in runs]

    def pause(self, job, epoch):
        self.asked.append("pause")
        return f"{job} is paused"

    def cancel(self, job, epoch):
        self.asked.append("cancel")
        raise ClusterLost("the cluster does not answer")

    def stop(self, job, epoch):
        raise ZeroDivisionError("a defect")

    def resume(self, job, epoch):
        self.asked.append("resume")
        return f"{job} resumed"

    def probe(self, job, epoch, target, rows, wait):
        return SimpleNamespace(
            operator=target, table=self.rows, seen=2, seconds=1.0, keys=("x",), hot=(("1", 0.5),), watermark=7, said=""
        )


class Paper:
    """A screen: what each output shows now, by its name."""

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
    """A screen that begins to replace an output, and goes on when it is told to."""

    def __init__(self):
        super().__init__()
        self.drawing, self.go = threading.Event(), threading.Event()

    def replace(self, bundle, output):
        self.drawing.set()
        assert self.go.wait(10)
        super().replace(bundle, output)


class InTurn:
    """A publisher without a thread: news come when a test says so."""

    def __init__(self):
        self.watchers = []

    def add(self, watcher):
        if watcher not in self.watchers:
            self.watchers.append(watcher)

    def remove(self, watcher):
        if watcher in self.watchers:
            self.watchers.remove(watcher)

    def round(self):
        """Tell every watcher how its run goes."""
        for one in list(self.watchers):
            one.take(one.client.now)
