"""Who may ask, from where and how much: checked before any request reaches the interface."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashionnet.app.limits import (
    BODIES_BYTES,
    BODY_SECONDS,
    JSON_BYTES,
    PHOTO_BYTES,
    PHOTO_TYPES,
)

COOKIE = "fashionnet"
LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
_READING = frozenset(("GET", "HEAD", "OPTIONS"))


class Gate:
    """Stands before the interface.

    Without a token only requests to a name of this machine's own are let in, so that no page of
    another site can reach it under a name of its own. With a token every request must bring it:
    as a bearer, in the cookie that the page's address sets, or in that address.
    """

    def __init__(self, inner: ASGIApp, token: str | None) -> None:
        self._inner = inner
        self._token = token
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, its body bounded in size and time, or refuse it."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                # What a person's photos say is kept by no cache; the page asks for changes.
                fresh = b"no-store" if scope["path"].startswith("/api/") else b"no-cache"
                kept = any(name == b"cache-control" for name, _ in given)
                caching = [] if kept else [(b"cache-control", fresh)]
                message["headers"] = [*given, *_HEADERS, *caching]
            await send(message)

        try:
            if self._token is None:
                _check_host(headers)
            elif self._brings_token_in_address(scope):
                await _redirect_with_cookie(send_guarded, self._token)
                return
            elif not self._brings_token(headers):
                raise HTTPException(401, "open the address with the token that the server printed")
            if scope["method"] not in _READING:
                _check_origin(headers)
            await self._serve(scope, receive, send_guarded, _most_bytes(headers))
        except HTTPException as refusal:
            await _refuse(send_guarded, refusal)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        """Serve a request whose body may have so many bytes, and all bodies only so many more."""
        _check_length(scope, most)
        read = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def receive_bounded() -> Message:
            nonlocal read, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the request took too long to arrive") from None
            size = len(message.get("body", b""))
            read += size
            self._held += size
            complete = not message.get("more_body", False)
            if read > most:
                raise _too_large(most)
            if self._held > BODIES_BYTES:
                detail = "too much is being sent at once: try again in a moment"
                raise HTTPException(429, detail, {"retry-after": "2"})
            return message

        try:
            await self._inner(scope, receive_bounded, send)
        finally:
            self._held -= read

    def _brings_token_in_address(self, scope: Scope) -> bool:
        if scope["path"] != "/" or scope["method"] != "GET":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        return self._is_token(given[0])

    def _brings_token(self, headers: Mapping[str, str]) -> bool:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        return self._is_token(bearer) or (cookie is not None and self._is_token(cookie.value))

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self._token or "").encode())


def _check_host(headers: Mapping[str, str]) -> None:
    host = headers.get("host", "").lower()
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name not in LOOPBACK_NAMES:
        raise HTTPException(421, "this server answers to localhost and 127.0.0.1 only")


def _check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site sends; programs that are no browser send neither."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "requests from pages of other sites are refused")
    origin = headers.get("origin")
    try:
        place = None if origin is None else urlsplit(origin).netloc
    except ValueError:
        place = ""
    if place is not None and place != headers.get("host", ""):
        raise HTTPException(403, "requests from pages of other sites are refused")


def _most_bytes(headers: Mapping[str, str]) -> int:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return PHOTO_BYTES if kind in PHOTO_TYPES else JSON_BYTES


def _check_length(scope: Scope, most: int) -> None:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length[:15]) > most:
        raise _too_large(most)


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"larger than {most // 2**20} MiB")


async def _refuse(send: Send, refusal: HTTPException) -> None:
    body = json.dumps({"detail": refusal.detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # What is left of a body that was refused is not read.
        (b"connection", b"close"),
    ]
    if refusal.status_code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect_with_cookie(send: Send, token: str) -> None:
    # Lax, not strict: the address may be opened from a mail or a chat.
    cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/"
    headers = [
        (b"location", b"/"),
        (b"set-cookie", cookie.encode()),
        (b"cache-control", b"no-store"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
