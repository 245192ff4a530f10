"""A gate before all pages of an HTTP server, and their websockets: requests without the token are refused.

A program sends it as ``Authorization: Bearer TOKEN``. A browser opens a link with ``?token=TOKEN`` and is given a
cookie for the pages' own links and websockets. Requests under another name than the server's (a rebound domain), and
those that pages of other servers make, are refused whatever they bring.
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
"""A connection that asks for nothing for so long is closed, and so is one whose request takes so long to come."""

MOST_BODY_BYTES = 1 << 20

Answer = tuple[int, str, dict[str, str]]
"""Status, text and headers."""


class HttpAccess:
    """Decides who gets in. ``hosts`` are names that the server has besides those of the loopback interface."""

    def __init__(self, token: str, hosts: Collection[str] = ()) -> None:
        self._token = token
        self._hosts = frozenset(hosts)
        # browsers send cookies to every port of a host, so each cluster needs a name of its own
        self._cookie = "sabotnb-" + hashlib.sha256(token.encode()).hexdigest()[:12]

    def answer(self, method: str, path: str, headers: HTTPHeaders) -> Answer | None:
        """What is answered in place of the page; None if the request may pass."""
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
        """Remember the browser, and take the token out of its address line. A relative link survives a proxy."""
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
    """Takes the place of the application of an ``HTTPServer``."""

    def __init__(self, application: HTTPServerConnectionDelegate, access: HttpAccess) -> None:
        self._application = application
        self._access = access

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Request(self._application.start_request(server_conn, request_conn), request_conn, self._access)


class _Request(HTTPMessageDelegate):
    """One request: passed on to the page, or answered here as soon as its headers are read."""

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
        return self._page.data_received(chunk)  # tornado reads no body to us when the answer is finished already

    def finish(self) -> None:
        if self._passes:
            self._page.finish()

    def on_connection_close(self) -> None:
        if self._passes:
            self._page.on_connection_close()


def close_to_strangers(server: HTTPServer, access: HttpAccess) -> None:
    """Put the gate before everything that ``server`` serves, now and later; call it before the first request."""
    assert isinstance(server.request_callback, HTTPServerConnectionDelegate)
    server.conn_params.header_timeout = server.conn_params.body_timeout = REQUEST_SECONDS
    server.conn_params.max_body_size = MOST_BODY_BYTES
    server.request_callback = _Gate(server.request_callback, access)
    limit_requests(server)
