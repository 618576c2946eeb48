"""What each request to the service passes: an id, limits, a line in the log, its figures."""

from __future__ import annotations

import asyncio
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_duration.serving.current_models import Current, Models
from taxi_duration.serving.telemetry import Metrics

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
QUIET = {"/ping", "/health", "/ready", "/metrics"}  # asked every few seconds: not logged

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What the service takes; beyond it a request gets 413, 408 or 503."""

    body: int = 10_000_000  # bytes
    rides: int = 10_000  # in one request to /predict
    seconds: float = 30.0  # until a body is there, and then until its answer is
    at_once: int = 64  # requests


@dataclass
class Served:
    """A request at work: which it is, and what answers it."""

    id: str
    models: Models  # of the moment in which it came
    by: str  # name/version of what answered
    rides: int = 0  # predicted
    status: int | None = None
    started: float = field(default_factory=perf_counter)


SERVED: ContextVar[Served] = ContextVar("served")


class RequestError(Exception):
    """A request that gets a status and a sentence instead of minutes."""

    def __init__(self, status: int, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.status, self.more = status, more

    def response(self) -> JSONResponse:
        """Return the answer."""
        content = {"error": str(self), **self.more, "request_id": SERVED.get().id}
        headers = {"Retry-After": "1"} if self.status == 503 else {}
        return JSONResponse(content, self.status, headers)


class Middleware:
    """Wraps an application: each request is named, limited, logged and counted."""

    def __init__(self, app: ASGIApp, *, current: Current, metrics: Metrics, limits: Limits) -> None:
        self.app, self.current, self.metrics, self.limits = app, current, metrics, limits
        self.at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        models = self.current.models
        served = Served(_request_id(scope), models, models.main.label)
        SERVED.set(served)
        scope["full"] = self.at_work >= self.limits.at_once
        self.at_work += 1
        try:
            await self._answer(scope, receive, _with_headers(send, served))
        finally:
            self.at_work -= 1
            self._report(scope, served)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self.limits.seconds
        try:
            if scope["method"] == "POST":
                receive = await self._read(scope, receive)
            async with asyncio.timeout(limit):
                await self.app(scope, receive, send)
        except TimeoutError:
            problem = RequestError(503, f"The answer takes over {limit:g} s.")
            await problem.response()(scope, receive, send)
        except RequestError as problem:
            await problem.response()(scope, receive, send)
        except Exception:
            served = SERVED.get()
            logger.exception("unexpected error", extra={"fields": {"request_id": served.id}})
            if served.status is None:
                problem = RequestError(500, "Unexpected error; it is in the log.")
                await problem.response()(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> Receive:
        """Wait for the whole body; one that is too large is read to its end, and not kept."""
        limits, size, parts, more = self.limits, 0, [], True
        if scope["full"]:
            raise RequestError(503, f"{limits.at_once} requests are at work, the most at once.")
        try:
            async with asyncio.timeout(limits.seconds):
                while more:
                    message = await receive()
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    parts.append(part) if size <= limits.body else parts.clear()
        except TimeoutError:
            raise RequestError(
                408, f"The body was not there within {limits.seconds:g} s."
            ) from None
        if size > limits.body:
            raise RequestError(413, f"The body has {size:,} bytes, the limit is {limits.body:,}.")
        return _replay(b"".join(parts), receive)

    def _report(self, scope: Scope, served: Served) -> None:
        seconds = perf_counter() - served.started
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, served.status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if route not in QUIET:
            fields = {"request_id": served.id, "method": scope["method"], "path": scope["path"],
                      "status": served.status, "rides": served.rides, "model": served.by,
                      "ms": round(1000 * seconds, 2)}  # fmt: skip
            logger.info("request", extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    """Return the id that the client or a proxy has given, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    text = given.decode("latin-1")
    return text if REQUEST_ID.fullmatch(text) else uuid4().hex


def _with_headers(send: Send, served: Served) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            served.status = message["status"]
            ours = [(b"x-request-id", served.id.encode()), (b"x-model", served.by.encode())]
            message = message | {"headers": [*message["headers"], *ours]}
        await send(message)

    return send_with_headers


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives the body first, then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
