"""A scheduler and workers that were started by hand, with TLS and client certificates."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from cluster_jobs import collected, line, numbers, submit
from distributed import Security

from sabotnb.cluster import connect, launch
from sabotnb.errors import ClusterLost
from sabotnb.graph import Aggregate, AggregateColumn, Operator

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One self-signed certificate for everybody: (options of the command line, Security of the client)."""
    temporary = Security.temporary()
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_text(temporary.tls_ca_file)
    key.write_text(temporary.tls_client_key)
    files = {"ca-file": certificate, "cert": certificate, "key": key}
    options = [part for name, path in files.items() for part in (f"--tls-{name}", str(path))]
    return options, Security(
        tls_ca_file=str(certificate),
        tls_client_cert=str(certificate),
        tls_client_key=str(key),
        require_encryption=True,
    )


@pytest.fixture(scope="module")
def address(certificate, tmp_path_factory):
    """A TLS scheduler with two workers of two slots each, at two addresses: they meet by TCP, not by a unix socket."""
    options, _ = certificate
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            process("scheduler", "--host", "tls://127.0.0.1:0", "--no-dashboard", "--no-show", *options)
        )
        found = next(line for line in scheduler.stderr if "Scheduler at" in line)
        where = found.rpartition(" ")[2].strip()
        for name, host in {"one": "127.0.0.1", "two": "127.0.0.2"}.items():
            folder = str(tmp_path_factory.mktemp(name))
            workers = [
                "--host",
                host,
                "--nthreads",
                "1",
                "--resources",
                "slot=2",
                "--no-dashboard",
                "--local-directory",
                folder,
            ]
            stack.enter_context(process("worker", where, "--name", name, *workers, *options))
        yield where


class process:  # noqa: N801 - reads as a verb
    """A ``dask`` command, ended with its whole group."""

    def __init__(self, *arguments):
        self._command = [sys.executable, "-m", "dask", *arguments]

    def __enter__(self):
        self._running = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        return self._running

    def __exit__(self, *_):
        os.killpg(self._running.pid, 9)
        self._running.communicate()


def test_a_job_runs_over_tls(address, certificate):
    _, security = certificate
    cluster = connect(address, security)
    cluster.client.wait_for_workers(2)
    cluster.jobs.wait_agents(2, 30)
    assert [row["slots"] for row in cluster.slots()] == [2, 2]
    run = submit(cluster, "over-tls", line(numbers(100_000), collected()))
    assert run.table().num_rows == 100_000
    assert {row.agent for row in run.wait().tasks} == {row["agent"] for row in cluster.slots()}
    assert [finding for finding in cluster.check() if finding.subject == "cluster"] == []
    cluster.close()


def links(cluster):
    """The kinds of connections that each agent has with others."""

    def look(dask_worker):  # inside, so that it travels by value: agents cannot import this module
        transport = dask_worker.plugins["sabotnb-agent"]._session._exchange._transport
        return [type(link._stream).__name__ for link in transport._links()]

    return list(cluster.client.run(look).values())


def test_rows_are_shuffled_over_tls(address, certificate):
    _, security = certificate
    cluster = connect(address, security)
    cluster.jobs.wait_agents(2, 30)
    assert {row["host"] for row in cluster.slots()} == {"127.0.0.1", "127.0.0.2"}
    source = numbers(300_000)
    by_n = Operator("by_n", Aggregate(("n",), (AggregateColumn("count", "count"),), source.spec.schema))
    run = submit(cluster, "shuffled-over-tls", line(source, by_n, collected()))
    assert sorted(run.table()["n"].to_pylist()) == list(range(300_000))
    assert run.wait().topology.edges[0].type == "hash"
    assert links(cluster) == [["TlsStream", "TlsStream"]] * 2
    cluster.close()


def test_strangers_are_refused(address, monkeypatch):

    monkeypatch.setattr(launch, "CONNECT_SECONDS", 1.0)
    with pytest.raises(ClusterLost, match="no scheduler answers"):
        connect(address, Security.temporary())
    with pytest.raises(ClusterLost, match="no scheduler answers"):
        connect(address.replace("tls://", "tcp://"))
