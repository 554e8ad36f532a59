"""Serve the page and its interface."""

import ipaddress
import mimetypes
import os
import secrets
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from fashionnet.app.api import make_router
from fashionnet.app.look import Looks
from fashionnet.app.queue import QueueFullError
from fashionnet.app.safety import Gate
from fashionnet.app.service import Service
from fashionnet.app.shown import VERSION
from fashionnet.app.snapshot import Snapshot
from fashionnet.describing import Network
from fashionnet.errors import RequestError
from fashionnet.photos import UnreadablePhotoError

# Some machines call scripts plain text, which a browser then refuses to run.
mimetypes.add_type("text/javascript", ".js")

TOKEN_VARIABLE = "FASHIONNET_TOKEN"
_SHORTEST_TOKEN = 16
_BACKLOG = 256


def make_app(service: Service) -> FastAPI:
    """Return the page and its interface as an ASGI application, without the gate before it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.adder.resume()
        service.read_colours_ahead()
        yield
        service.close()

    app = FastAPI(
        title="FashionNet",
        version="1.0.0",
        description="Learn a person's clothing style from photos and recommend items.",
        openapi_url=f"{VERSION}/openapi.json",
        # Both come from an address outside.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(make_router(service))
    packages: list[str | tuple[str, str]]
    packages = [("fashionnet.app", "page"), ("fashionnet.similarity", "page")]
    app.mount("/", StaticFiles(packages=packages, html=True))

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestError)
    async def wrong_request(_: Request, error: RequestError) -> JSONResponse:
        return _problem(422, str(error))

    @app.exception_handler(UnreadablePhotoError)
    async def unreadable(_: Request, error: UnreadablePhotoError) -> JSONResponse:
        return _problem(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        status = 400 if first["type"] == "json_invalid" and first["loc"][0] == "body" else 422
        return _problem(status, f"{place}: {first['msg']}" if place else first["msg"])

    @app.exception_handler(QueueFullError)
    async def busy(_: Request, error: QueueFullError) -> JSONResponse:
        return _problem(429, "too much is waiting: try again in a moment", {"retry-after": "2"})

    return app


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    # What was sent may hold half a surrogate pair, which no answer can.
    text = detail.encode("utf-8", "backslashreplace").decode()[:1000]
    return JSONResponse({"detail": text}, status, headers)


def serve(repository: Path, model: Path | None, look: Path | None, host: str, port: int) -> None:
    """Serve until interrupted; RequestError where that cannot begin."""
    listening = _listen(host, port)
    with listening:
        address = listening.getsockname()
        on_loopback = ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
        token = None if on_loopback else _token()
        snapshot = Snapshot(repository)
        network = _opened_beside(model, snapshot)
        service = Service(snapshot, network, os.cpu_count() or 1, Looks(look, model))
        service.adder.may_add = on_loopback
        # Whoever opens the address at once waits for the answer; nobody is turned away.
        listening.listen(_BACKLOG)
        app: ASGIApp = Gate(make_app(service), token)
        # The address of all networks is none that can be opened.
        shown = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
        shown = f"[{shown}]" if ":" in shown else shown
        url = f"http://{shown}:{address[1]}/" + (f"?token={token}" if token else "")
        print(f"FashionNet is at {url} (Ctrl-C stops it)")
        if snapshot.is_sample:
            count = len(snapshot.items)
            print(f"showing {count} drawn sample items; --repository names others", file=sys.stderr)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        return listening
    except (OSError, OverflowError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise RequestError(
            f"cannot listen on {host} port {port}: {reason}: name others with --host and --port"
        ) from error


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return secrets.token_urlsafe(24)
    if len(given) < _SHORTEST_TOKEN or not set(given) <= _TOKEN_LETTERS:
        raise RequestError(
            f"{TOKEN_VARIABLE}: expected {_SHORTEST_TOKEN} or more letters, digits, - and _"
        )
    return given


_TOKEN_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _opened_beside(model: Path | None, snapshot: Snapshot) -> Callable[[], Network]:
    """Compile the network in a thread, so that the page is there before it; return how to get it.

    RequestError, before anything is served, for a model that is not the repository's.
    """
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.network.folder import Model

    fingerprint = Model.load(model).fingerprint
    repository = snapshot.repository
    if fingerprint != repository.model_fingerprint:
        raise RequestError(
            f"the network is model {fingerprint}, repository {repository.path} was built "
            f"with model {repository.model_fingerprint}: name that one with --model, or build the "
            "repository again"
        )
    compiled: Future[Network] = Future()

    def compile_network() -> None:
        try:
            compiled.set_result(CompiledNetwork.open(model))
        except BaseException as error:
            compiled.set_exception(error)

    threading.Thread(target=compile_network, daemon=True).start()
    return compiled.result
