"""Access control for all pages and websockets of an HTTP server: requests without the token are refused.

Theory of operation
-------------------
The gate replaces the server's ``request_callback``, the point where tornado hands a request to the application. It
therefore covers every page, including those that Dask adds later, and websockets, which begin as a GET. A request is
decided when its headers are complete, before any of its body is passed on. The checks, in order:

1. *Host*: exactly one, and a known name. Otherwise a foreign domain that resolves to this machine (DNS rebinding) could
   read the pages from the user's browser.
2. *Origin*: if present, this server under one of its names. Browsers send cookies to every port of a host, and
   ``SameSite`` does not tell ports apart, so pages of another local server could otherwise use the user's cookie.
3. *Token*: programs send ``Authorization: Bearer TOKEN``, browsers the cookie.
4. *Link*: a browser opens a link with ``?token=TOKEN``, receives the cookie, and is redirected to the same page without
   the token, which keeps it out of the address line and of referrers.

The first two hold with a valid token, too. Connections that have not passed yet count as pending
(``pending_connections``), and have deadlines, so that strangers cannot use up all descriptors.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Collection
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
    parse_cookie,
)

from sabotnb.cluster.pending_connections import limit_requests, pending_connections

PARAMETER = "token"

REQUEST_SECONDS = 10.0
"""A connection is closed if it sends no request for this long, or if a request takes this long to arrive."""

MOST_BODY_BYTES = 1 << 20

Answer = tuple[int, str, dict[str, str]]
"""Status, text and headers."""


class HttpAccess:
    """Decides which requests may pass. ``hosts`` are the server's names besides those of the loopback interface."""

    def __init__(self, token: str, hosts: Collection[str] = ()) -> None:
        self._token = token
        self._hosts = frozenset(hosts)
        # browsers send cookies to every port of a host, so the cookie of each cluster needs its own name
        self._cookie = "sabotnb-" + hashlib.sha256(token.encode()).hexdigest()[:12]

    def answer(self, method: str, path: str, headers: HTTPHeaders) -> Answer | None:
        """Return the answer to a refused or redirected request; None if the request may pass."""
        hosts = headers.get_list("Host")
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return 403, "This server is not known by that name; set SABOTNB_DASHBOARD_HOSTS to allow it.\n", {}
        if not all(self._may_ask(origin, hosts[0]) for origin in headers.get_list("Origin")):
            return 403, "Pages of other servers may not read this one.\n", {}
        if self._is_token(_bearer(headers)) or self._is_token(_cookies(headers).get(self._cookie, "")):
            return None
        page, _, fields = path.partition("?")
        query = parse_qsl(fields, keep_blank_values=True)
        if method in ("GET", "HEAD") and any(self._is_token(value) for name, value in query if name == PARAMETER):
            return 303, "", self._passed(page, [pair for pair in query if pair[0] != PARAMETER])
        return 401, "Open the link of env.dashboard_link, or send its token.\n", {"WWW-Authenticate": "Bearer"}

    def _passed(self, path: str, query: list[tuple[str, str]]) -> dict[str, str]:
        """Headers that set the cookie and redirect to the page without the token; a relative link survives proxies."""
        page = "./" + path.rpartition("/")[2] + ("?" + urlencode(query) if query else "")
        return {"Location": page, "Set-Cookie": f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"}

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(errors="replace"), self._token.encode())

    def _is_known(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or _is_loopback(name)

    def _may_ask(self, origin: str, host: str) -> bool:
        asking = origin.partition("://")[2]
        return asking == host or _name(asking) in self._hosts


def _bearer(headers: HTTPHeaders) -> str:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _cookies(headers: HTTPHeaders) -> dict[str, str]:
    return parse_cookie("; ".join(headers.get_list("Cookie")))


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Gate(HTTPServerConnectionDelegate):
    """Stands between an ``HTTPServer`` and its application."""

    def __init__(self, application: HTTPServerConnectionDelegate, access: HttpAccess) -> None:
        self._application = application
        self._access = access

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Request(self._application.start_request(server_conn, request_conn), request_conn, self._access)


class _Request(HTTPMessageDelegate):
    """One request: passed on to the page, or answered here once its headers are read."""

    def __init__(self, page: HTTPMessageDelegate, connection: HTTPConnection, access: HttpAccess) -> None:
        self._page = page
        self._connection: Any = connection
        self._access = access
        self._passes = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        answer = self._access.answer(start_line.method, start_line.path, headers)
        if answer is None:
            self._passes = True
            pending_connections().discard(self._connection.stream)
            return self._page.headers_received(start_line, headers)
        status, text, more = answer
        body = text.encode()
        sent = HTTPHeaders({"Content-Type": "text/plain", "Cache-Control": "no-store", "Connection": "close", **more})
        sent["Content-Length"] = str(len(body))
        self._connection.write_headers(ResponseStartLine("HTTP/1.1", status, responses[status]), sent, body)
        self._connection.finish()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._page.data_received(chunk)  # never called after an answer of ours: tornado reads no body then

    def finish(self) -> None:
        if self._passes:
            self._page.finish()

    def on_connection_close(self) -> None:
        if self._passes:
            self._page.on_connection_close()


def close_to_strangers(server: HTTPServer, access: HttpAccess) -> None:
    """Put the gate in front of everything that ``server`` serves, now or later; call it before the first request."""
    assert isinstance(server.request_callback, HTTPServerConnectionDelegate)
    server.conn_params.header_timeout = server.conn_params.body_timeout = REQUEST_SECONDS
    server.conn_params.max_body_size = MOST_BODY_BYTES
    server.request_callback = _Gate(server.request_callback, access)
    limit_requests(server)
