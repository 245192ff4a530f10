"""Clusters that sabotnb starts are closed to everybody but their owner: other users of the machine, and web pages."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import distributed
import psutil
import pytest
from cluster_jobs import collected, line, numbers, submit

from sabotnb.cluster import connect, detached_cluster, end_detached, http_gate, local_cluster
from sabotnb.cluster.announcement import Announcement, find_detached
from sabotnb.errors import EnvError
from sabotnb.private_files import private_folder

pytestmark = pytest.mark.cluster

PAGES = [
    "/",
    "/status",
    "/json",
    "/json/counts.json",
    "/info/main/workers.html",
    "/info/call-stacks/x.html",
    "/metrics",
]
PAGES += [
    "/health",
    "/sitemap.json",
    "/sabotnb/metrics",
    "/individual-cpu",
    "/statics/css/base.css",
    "/api/v1",
    "/nothing",
]
PAGES += ["/proxy/8787/127.0.0.1/status", "/eventstream", "/status/ws", "/dashboard"]

STRANGER = """
import asyncio, json, os, socket, ssl, sys, urllib.error, urllib.request
import distributed, distributed.comm.tcp, encodings.idna
from distributed import Security

SECONDS = 3.0

def attempt(act):
    try:
        return f"let in: {act()!r}"
    except Exception as error:
        return type(error).__name__

async def ask(address, security):
    comm = await distributed.core.connect(address, timeout=SECONDS, **security.get_connection_args("client"))
    await comm.write({"op": "identity", "reply": True})
    return await asyncio.wait_for(comm.read(), SECONDS)

def dask(address, security):
    return attempt(lambda: asyncio.run(ask(address, security)))

def send(path_or_port, hello, secured):
    unix = isinstance(path_or_port, str)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as sock:
        sock.settimeout(SECONDS)
        sock.connect(path_or_port if unix else ("127.0.0.1", path_or_port))
        if secured:
            context = ssl._create_unverified_context()
            sock = context.wrap_socket(sock)
        sock.sendall(hello)
        return sock.recv(1) or 1 / 0

def page(url):
    return attempt(lambda: urllib.request.urlopen(url, timeout=SECONDS).status)

def all_of(told):
    mine, hello = Security.temporary(), bytes.fromhex(told["hello"])
    found = {}
    for address in told["dask"]:
        plain = address.replace("tls://", "tcp://")
        found[address] = [dask(address, mine), dask(plain, Security())]
    for url in told["pages"]:
        found[url] = [page(url)]
    for path in told["files"]:
        found[path] = [attempt(lambda: open(path).read()), attempt(lambda: os.listdir(os.path.dirname(path)))]
    for path in told["unix"]:
        found[path] = [attempt(lambda: send(path, hello, False))]
    for port in told["tcp"]:
        found[str(port)] = [attempt(lambda: send(port, hello, secured)) for secured in (False, True)]
    return found

told = json.load(sys.stdin)
all_of({**told, "dask": ["tls://127.0.0.1:1"], "pages": ["http://127.0.0.1:1/"], "tcp": [1], "unix": [], "files": []})
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(json.dumps(all_of(told)))
"""
"""Tries everything once as root, as modules imported later may be closed to other users, then as another user."""


@pytest.fixture(scope="module")
def announced():
    """A detached cluster whose folder is in a place that everybody can reach, and the folder."""
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    folder = parent / "run"
    cluster = detached_cluster(1, 2, folder=folder)
    yield cluster, folder
    cluster.close()
    end_detached(folder)


@pytest.fixture(scope="module")
def local():
    cluster = local_cluster(1, 2)
    yield cluster
    cluster.close()


@pytest.fixture(params=["local", "detached"])
def private(request):
    return request.getfixturevalue("local") if request.param == "local" else request.getfixturevalue("announced")[0]


def port_of_pages(cluster):
    return cluster.client.scheduler_info()["services"]["dashboard"]


def addresses(cluster):
    """Of the scheduler, and of every worker and its nanny."""
    workers = cluster.client.scheduler_info()["workers"]
    return [cluster.address, *workers, *(worker["nanny"] for worker in workers.values())]


def endpoints(cluster):
    """Where the agents listen."""

    def look(dask_worker):
        transport = dask_worker.plugins["sabotnb-agent"]._session._exchange._transport
        unix, tcp = (listener.getsockname() for listener in transport._listeners)
        return unix, tcp[1]

    return list(cluster.client.run(look).values())


def processes(cluster):
    """The process of the scheduler, and all that it has started."""
    scheduler = psutil.Process(cluster.client.run_on_scheduler(os.getpid))
    return [scheduler, *scheduler.children(recursive=True)]


async def identity(address, security):
    async with distributed.rpc(address, connection_args=security.get_connection_args("client")) as node:
        return await node.identity()


def status(url, **headers):
    """The status of the answer, and its body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; CI runs as root")
def test_another_user_gets_nowhere(private, announced):
    _, folder = announced
    port = port_of_pages(private)
    told = {
        "dask": addresses(private),
        "pages": [f"http://127.0.0.1:{port}{page}" for page in PAGES],
        "files": [str(folder / "cluster.json"), str(folder / "cluster.log")],
        "unix": [unix for unix, _ in endpoints(private)],
        "tcp": [tcp for _, tcp in endpoints(private)],
        "hello": b"\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{}".hex(),
    }
    command = [sys.executable, "-c", STRANGER]
    asked = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=True)
    found = json.loads(asked.stdout)
    assert len(told["dask"]) == 3
    refused = {"CommClosedError", "FatalCommClosedError", "OSError", "TimeoutError", "StreamClosedError"}
    for address in told["dask"]:
        assert set(found[address]) <= refused, found[address]
        assert asyncio.run(identity(address, private.client.security))["id"]  # while it answers its owner
    assert {url: found[url] for url in told["pages"]} == {url: ["HTTPError"] for url in told["pages"]}
    for path in told["files"] + told["unix"]:
        assert set(found[path]) == {"PermissionError"}, path
        assert Path(path).exists()
    for tcp in told["tcp"]:
        plain, secured = found[str(tcp)]
        assert not plain.startswith("let in: b'\\x02"), plain
        assert secured in {"SSLError", "SSLEOFError", "ConnectionResetError", "BrokenPipeError"}, secured


def test_pages_want_the_token_and_the_right_name(private):
    at = f"http://127.0.0.1:{port_of_pages(private)}"
    bearer = {"Authorization": f"Bearer {private.http_token}"}
    assert {page: status(at + page)[0] for page in PAGES} == dict.fromkeys(PAGES, 401)
    assert {page: status(at + page, Host="evil.example", **bearer)[0] for page in PAGES} == dict.fromkeys(PAGES, 403)
    there = ["/json/counts.json", "/info/main/workers.html", "/metrics", "/health", "/sitemap.json", "/sabotnb/metrics"]
    assert {page: status(at + page, **bearer)[0] for page in there} == dict.fromkeys(there, 200)


def test_the_link_opens_the_dashboard_and_a_cookie_its_other_pages(private):
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(private.dashboard_link) as page:
        assert (page.status, urlsplit(page.url).path, urlsplit(page.url).query) == (200, "/status", "")
    with browser.open(f"http://127.0.0.1:{port_of_pages(private)}/info/main/workers.html") as page:
        assert page.status == 200


def test_everything_listens_on_the_loopback_and_workers_have_no_pages(announced):
    cluster, _ = announced
    listening = {
        connection.laddr
        for process in processes(cluster)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    known = [urlsplit(address).port for address in addresses(cluster)]
    known += [port_of_pages(cluster), *(tcp for _, tcp in endpoints(cluster))]
    assert sorted(address.port for address in listening) == sorted(known)


def test_secrets_are_in_no_command_line_environment_log_or_open_file(announced):
    cluster, folder = announced
    secrets = [cluster.http_token, cluster.client.security.tls_client_key.splitlines()[1], "PRIVATE KEY"]
    shown = [str(process.cmdline()) + str(process.environ()) for process in processes(cluster)]
    shown.append((folder / "cluster.log").read_text())
    assert not [secret for secret in secrets for text in shown if secret in text]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "cluster.json": 0o600,
        "cluster.lock": 0o600,
        "cluster.log": 0o600,
    }


def test_working_directories_are_where_nobody_else_can_put_something(private):
    def look(dask_worker):
        return dask_worker.local_directory

    own = f"sabotnb-{os.getuid()}"
    for directory in private.client.run(look).values():
        folder = next(path for path in Path(directory).parents if path.name == own)
        assert stat.S_IMODE(folder.lstat().st_mode) == 0o700
    inside = private.client.run_on_scheduler(lambda: [path for path in sys.path if "dask-scratch-space" in path])
    assert inside
    assert all(own in path for path in inside)


def test_a_session_of_the_same_user_connects_by_the_address(announced, monkeypatch):
    cluster, folder = announced
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder.parent))
    folder.rename(folder.parent / "sabotnb")
    try:
        assert find_detached().address == cluster.address
        other = connect(cluster.address)
        assert submit(other, "by-address", line(numbers(5), collected()), 1).table().num_rows == 5
        with pytest.raises(EnvError, match=r"a detached cluster with sb\.local\(detached=True\)"):
            other.scale(2)
        other.close()
        with pytest.raises(EnvError, match="is not a cluster that sabotnb runs for this user"):
            connect("tls://127.0.0.1:1")
    finally:
        (folder.parent / "sabotnb").rename(folder)


def test_a_local_cluster_is_announced_to_its_user_as_long_as_it_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    killed = Announcement("tls://127.0.0.1:1", 1, 1, 1).write(
        private_folder(tmp_path / "sabotnb", "move"), "local-1-1.json"
    )
    cluster = local_cluster(1, 1)
    (announced,) = (tmp_path / "sabotnb").iterdir()
    assert announced != killed
    assert stat.S_IMODE(announced.stat().st_mode) == 0o600
    other = connect(cluster.address)
    assert other.slots() == cluster.slots()
    assert other.dashboard_link == cluster.dashboard_link
    other.close()
    cluster.close()
    assert list((tmp_path / "sabotnb").iterdir()) == []


def test_workers_that_come_later_belong_to_it(local):
    (before,) = local.slots()
    local.client.cluster.adapt(minimum=2, maximum=2, interval="100ms")
    local.jobs.wait_agents(2, 30)
    local.client.cluster.adapt(minimum=1, maximum=2).stop()
    local.kill_worker(0)
    while before["agent"] in [row["agent"] for row in local.slots()]:
        continue
    local.jobs.wait_agents(2, 30)
    assert submit(local, "later", line(numbers(5), collected())).table().num_rows == 5


def test_agents_in_this_process_serve_pages_on_the_loopback_alone():
    before = {c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN}
    cluster = local_cluster(1, 1, processes=False)
    added = {c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN} - before
    assert {address.ip for address in added} == {"127.0.0.1"}
    assert len(added) == 2  # the scheduler's pages, and the agent
    assert status(cluster.dashboard_link.partition("?")[0])[0] == 401
    bearer = {"Authorization": f"Bearer {cluster.http_token}"}
    assert status(f"http://127.0.0.1:{port_of_pages(cluster)}/health", **bearer)[0] == 200
    cluster.close()


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_request_that_does_not_come_is_not_waited_for(begun, monkeypatch):
    monkeypatch.setattr(http_gate, "REQUEST_SECONDS", 0.2)
    cluster = local_cluster(1, 1, processes=False)
    with socket.create_connection(("127.0.0.1", port_of_pages(cluster)), timeout=30) as sock:
        sock.sendall(begun)
        while sock.recv(4096):
            continue
    assert status(f"http://127.0.0.1:{port_of_pages(cluster)}/")[0] == 401
    cluster.close()


def test_pages_of_a_cluster_of_the_users_own_are_as_they_were():
    options = {"n_workers": 0, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**options) as deployer, distributed.Client(deployer, set_as_default=False) as client:
        cluster = connect(client)
        assert cluster.http_token == ""
        assert "token" not in cluster.dashboard_link
