"""Who gets past the gate of Dask's pages."""

import asyncio

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerConnectionDelegate, ResponseStartLine

from sabotnb.cluster.http_gate import MOST_BODY_BYTES, HttpAccess, close_to_strangers

TOKEN = "0123456789abcdef" * 4
HERE = {"Host": "127.0.0.1:8787"}


def answer(path="/status", hosts=(), method="GET", **headers):
    fields = HTTPHeaders()
    for name, value in {**HERE, **headers}.items():
        for one in [value] if isinstance(value, str) else value:
            fields.add(name, one)
    return HttpAccess(TOKEN, hosts).answer(method, path, fields)


def cookie():
    return answer(f"/status?token={TOKEN}")[2]["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer ü"},
        {"Cookie": f"token={TOKEN}"},
        {"Cookie": "sabotnb-0=1; ==; \xff"},
    ],
)
@pytest.mark.parametrize("path", ["/status", "/", "/?token=", "/status?token=x", "//[", "/%00?token=%ff", "/a?b&token"])
def test_without_the_token_no_page_is_opened(headers, path):
    status, text, more = answer(path, **headers)
    assert (status, more) == (401, {"WWW-Authenticate": "Bearer"})
    assert TOKEN not in text


def test_programs_send_the_token_in_a_header():
    assert answer(Authorization=f"Bearer {TOKEN}") is None
    assert answer("/sabotnb/metrics", method="POST", Authorization=f"bearer  {TOKEN}") is None


@pytest.mark.parametrize(
    ("path", "then"),
    [
        (f"/status?token={TOKEN}", "./status"),
        (f"/?token={TOKEN}", "./"),
        (f"/info/main/workers.html?a=1&token={TOKEN}&b=%26", "./workers.html?a=1&b=%26"),
        (f"//evil.example/?token={TOKEN}", "./"),
    ],
)
def test_a_link_with_the_token_leaves_a_cookie_and_loses_the_token(path, then):
    status, _, more = answer(path)
    assert (status, more["Location"]) == (303, then)
    assert more["Set-Cookie"].endswith(f"={TOKEN}; Path=/; HttpOnly; SameSite=Strict")
    assert answer("/status/ws", Cookie=f"other=1; {cookie()}") is None


def test_a_link_opens_pages_but_does_nothing():
    assert answer(f"/api/v1/retire_workers?token={TOKEN}", method="POST")[0] == 401


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.8.8.8:5", "[::1]:8787", "a.localhost"])
def test_names_of_the_loopback_are_known(host):
    assert answer(Host=host, Authorization=f"Bearer {TOKEN}") is None


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8787", "10.0.0.1:8787", "", "[", "127.0.0.1@evil.example:80", []]
)
def test_other_names_are_refused_even_with_the_token(host):
    assert answer(Host=host, Authorization=f"Bearer {TOKEN}")[0] == 403


def test_two_names_are_refused():
    assert answer(Host=["localhost", "localhost"], Authorization=f"Bearer {TOKEN}")[0] == 403


def test_a_proxy_may_have_a_name():
    assert answer(Host="hub.example:443", hosts=["hub.example"], Authorization=f"Bearer {TOKEN}") is None
    proxied = {"Origin": "https://hub.example", "Cookie": cookie()}
    assert answer(Host="localhost:8787", hosts=["hub.example"], **proxied) is None
    assert answer(Host="localhost:8787", **proxied)[0] == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:9999", "null", "", "http://localhost:8787"]
)
def test_pages_of_other_servers_may_not_use_the_cookie(origin):
    assert answer("/status/ws", Origin=origin, Cookie=cookie())[0] == 403


def test_pages_of_the_server_itself_may():
    assert answer("/status/ws", Origin="http://127.0.0.1:8787", Cookie=cookie()) is None


def test_every_origin_counts():
    own = "http://127.0.0.1:8787"
    assert answer(Origin=[own, own], Cookie=cookie()) is None
    assert answer(Origin=[own, "http://evil.example"], Cookie=cookie())[0] == 403


class Pages(HTTPServerConnectionDelegate, HTTPMessageDelegate):
    """Answers every request, and keeps what reached it."""

    def __init__(self):
        self.reached = []

    def start_request(self, server_conn, request_conn):
        self.connection = request_conn
        return self

    def headers_received(self, start_line, headers):
        self.reached.append(start_line.path)

    def data_received(self, chunk):
        self.reached.append(chunk)

    def finish(self):
        self.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders({"Content-Length": "0"}))
        self.connection.finish()


def exchanged(*requests):
    """What reached the pages, and what was answered to ``requests`` on one connection until it was closed."""

    async def run():
        pages = Pages()
        server = HTTPServer(pages)
        server.listen(0, "127.0.0.1")
        close_to_strangers(server, HttpAccess(TOKEN))
        (port,) = (sock.getsockname()[1] for sock in server._sockets.values())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(requests))
        got = await reader.read()
        writer.close()
        server.stop()
        return pages.reached, got

    return asyncio.run(run())


REFUSED = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"


def passing(path, body=b"", more=b""):
    start = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    return start + more + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_nothing_of_a_refused_request_reaches_a_page_and_its_connection_ends():
    reached, got = exchanged(REFUSED)
    assert reached == []
    assert got.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nConnection: close\r\n" in got


def test_a_request_with_the_token_reaches_a_page_with_its_body():
    reached, got = exchanged(passing("/a", b"hello"), passing("/b", more=b"Connection: close\r\n"))
    assert reached == ["/a", b"hello", "/b"]
    assert got.count(b"HTTP/1.1 200 ") == 2


def test_a_body_has_a_limit():
    too_long = passing("/a", bytes(MOST_BODY_BYTES + 1))[: -MOST_BODY_BYTES - 1]
    reached, got = exchanged(too_long)
    assert reached == ["/a"]
    assert got.startswith(b"HTTP/1.1 400 ")
