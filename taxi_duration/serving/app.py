"""The service: MLflow's routes, and beside them plain JSON, figures and a page, over HTTP."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, TypeAlias

import numpy as np
import pandas as pd
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi import Path as Parameter
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.pyfunc import scoring_server
from starlette.datastructures import State

from taxi_duration.data.rides import LAST_ZONE, RIDE, ZONES, Columns
from taxi_duration.data.zone_names import zone_names
from taxi_duration.errors import SchemaError, SourceError, TaxiDurationError
from taxi_duration.evaluation.explanation import can_explain, explain
from taxi_duration.serving.current_models import EXAMPLE, Current, Models
from taxi_duration.serving.middleware import SERVED, Limits, Middleware, RequestError
from taxi_duration.serving.request import (
    MINUTES,
    Prediction,
    RidesError,
    parse_json,
    predict_rides,
    read_request,
)
from taxi_duration.serving.request_log import RequestLog, log_folder
from taxi_duration.serving.telemetry import CONTENT_TYPE, Metrics, log_json

SMALL = 16_384  # bytes of a body that is dealt with sooner than a thread is found for it
JSON = "application/json"
STOP_SECONDS = 2  # for requests at work
PAGE = files("taxi_duration.serving") / "templates" / "page" / "index.html"
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data:; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)
ABOUT = """How many minutes will this New York taxi ride take? A ride, or a list of rides, gets
minutes with a prediction interval, and says which version of which model has predicted it."""
RIDES = {"requestBody": {"required": True, "content": {"application/json": {"examples": {
    "one ride": {"value": EXAMPLE},
    "without distance": {"value": {name: EXAMPLE[name] for name in RIDE[:-1]}},
    "several rides": {"value": [EXAMPLE, EXAMPLE | {"trip_distance": 3.5}]},
}}}}}  # fmt: skip
ANSWERS = {
    200: {"description": "One object for one ride, else a list of them as `predictions`.",
          "content": {"application/json": {"example": {
              "duration": 9.6, "low": 7.1, "high": 13.0, "model": "taxi-duration", "version": 3,
              "request_id": "6a0c"}}}},
    400: {"description": "Not valid: which row and field, and the limit.",
          "content": {"application/json": {"example": {
              "error": "Not a valid ride: row 0: PULocationID is not one of TLC's zones 1 to 265, "
                       "got 9999.",
              "rejected": [{"row": 0, "field": "PULocationID", "got": "9999",
                            "limit": "is not one of TLC's zones 1 to 265"}],
              "request_id": "6a0c"}}}},
    408: {"description": "The body did not come in time."},
    413: {"description": "Too many bytes or rides."},
    415: {"description": "The body is not announced as application/json."},
    503: {"description": "Too many requests at once, or an answer that takes too long."},
}  # fmt: skip

Zone: TypeAlias = Annotated[int, Parameter(ge=1, le=LAST_ZONE)]
router = APIRouter()
logger = logging.getLogger(__name__)


def make_app(
    model: str, *, requests: str | Path | None = None, limits: Limits | None = None
) -> FastAPI:
    """Return the application that `serve` runs: our routes, and MLflow's as they are."""
    app = FastAPIOffline(redoc_url=None, title="taxi_duration", description=ABOUT, lifespan=_run)
    state = app.state
    state.current, state.log = Current(model), RequestLog(log_folder(requests))
    state.metrics, state.limits = Metrics(), limits or Limits()
    state.names = _known_names()
    app.add_middleware(
        Middleware, current=state.current, metrics=state.metrics, limits=state.limits
    )
    app.add_exception_handler(RequestError, lambda _request, problem: problem.response())
    app.include_router(router)
    mlflow_app = scoring_server.init(AnsweringModel(state))
    app.include_router(mlflow_app.router, dependencies=[Depends(_check_invocation)])
    return app


def _known_names() -> dict[int, str]:
    """Return the names of zones; none if their table is damaged, for numbers do as well."""
    try:
        return zone_names()
    except SourceError as problem:
        logger.warning("Zones have no names: %s", problem)
        return {}


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    """Follow the registry and write the log as long as the application runs."""
    stop = threading.Event()
    tasks = (app.state.current.follow, app.state.log.follow)
    threads = [threading.Thread(target=task, args=(stop,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    await asyncio.to_thread(threads[1].join)


@router.post("/predict", openapi_extra=RIDES, responses=ANSWERS, response_class=JSONResponse)
async def predict(request: Request) -> Response:
    """Predict a ride or a list of rides; those without distance by `quote`, if it is registered."""
    return JSONResponse(await _answered(request, _predict))


@router.post("/explain", openapi_extra=RIDES, responses=ANSWERS, response_class=JSONResponse)
async def explain_ride(request: Request) -> Response:
    """Predict one ride, and say how many minutes each of its `reasons` contributes."""
    return JSONResponse(await _answered(request, _explain))


@router.get("/map")
async def zone_map(request: Request) -> Response:
    """Return the zones' places in miles `east` and `north`, as the model has learned them.

    Beside them TLC's `names` of zones by their number, if they have been downloaded.
    """
    estimator = SERVED.get().models.main.estimator
    zones = []
    if can_explain(estimator):
        zones = estimator.pipeline[0].map_.places().astype({"zone": object}).round(3)
        zones = zones.to_dict("records")
    return JSONResponse({"zones": zones, "names": request.app.state.names})


@router.get("/map/{pickup}/{dropoff}")
async def usual_distance(pickup: Zone, dropoff: Zone) -> dict[str, float | None]:
    """Return the median distance between two zones in miles, if the model knows it."""
    estimator = SERVED.get().models.main.estimator
    if not can_explain(estimator):
        return {"trip_distance": None}
    ways = dict(zip(ZONES, (np.array([pickup]), np.array([dropoff])), strict=True))
    return {"trip_distance": round(estimator.pipeline[0].repair_.medians(ways).item(), 2)}


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Return 200 with what answers at present; 503 while no further request is taken."""
    if request.scope["full"]:
        raise RequestError(503, f"{request.app.state.limits.at_once} requests are at work.")
    return JSONResponse({"models": [each.label for each in SERVED.get().models if each]})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the figures of this process in Prometheus' text format."""
    text = request.app.state.metrics.text(SERVED.get().models)
    return Response(text, media_type=CONTENT_TYPE)


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page() -> Response:
    """Return the page with the map."""
    return HTMLResponse(PAGE.read_text("utf-8"), headers={"Content-Security-Policy": POLICY})


async def _answered(request: Request, answer: Callable[[Request, bytes], object]) -> object:
    """Return what the function makes of the body; a large one is left to a thread."""
    _checked_type(request, JSON)
    body = await request.body()
    if len(body) < SMALL and answer is _predict:
        return answer(request, body)
    return await asyncio.to_thread(answer, request, body)


def _checked_type(request: Request, *taken: str) -> str:
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in taken:
        send = " or ".join(map(repr, taken))
        raise RequestError(415, f"Content-Type is {found or 'missing'!r}. Send {send}.")
    return found


def _predict(request: Request, body: bytes) -> object:
    content = _parsed(request.app.state, body)
    rows = _predicted(request.app.state, content).rows()
    answer = rows[0] if isinstance(content, dict) else {"predictions": rows}
    return answer | {"request_id": SERVED.get().id}


def _explain(request: Request, body: bytes) -> object:
    content = _parsed(request.app.state, body)
    if not isinstance(content, dict):
        raise RequestError(400, "One ride is explained at a time. Send an object.")
    found = _predicted(request.app.state, content)
    (row,), (model,) = found.rows(), found.models
    columns, reasons = ["because", "value", "minutes"], []
    if can_explain(model.estimator):
        rides, names = pd.DataFrame(found.rides), request.app.state.names
        reasons = explain(model.estimator, rides, names=names)[columns].to_dict("records")
    level = model.estimator.intervals.level
    return row | {"level": level, "reasons": reasons, "request_id": SERVED.get().id}


def _parsed(state: State, body: bytes) -> object:
    try:
        content = parse_json(body)
    except SchemaError as problem:
        state.metrics.rejections.labels("not JSON").inc()
        raise RequestError(400, str(problem)) from problem
    if isinstance(content, list):
        _check_number(state, content)
    return content


def _check_number(state: State, rides: Sized) -> None:
    if len(rides) > state.limits.rides:
        raise RequestError(
            413, f"The request has {len(rides):,} rides, the limit is {state.limits.rides:,}."
        )


def _predicted(state: State, content: object) -> Prediction:
    served = SERVED.get()
    try:
        return _noted(state, read_request(content), served.models)
    except RidesError as problem:
        listed = [each._asdict() for each in problem.listed]
        raise RequestError(400, str(problem), rejected=listed) from problem
    except SchemaError as problem:
        state.metrics.rejections.labels("no ride").inc()
        raise RequestError(400, str(problem)) from problem


def _noted(state: State, given: Columns | pd.DataFrame, models: Models) -> Prediction:
    """Predict rides, and note in log and figures what became of them."""
    served = SERVED.get()
    try:
        found = predict_rides(given, models)
    except RidesError as problem:
        for reason in problem.reasons:
            state.metrics.rejections.labels(reason.partition(" (")[0]).inc()
        state.log.rejected(served.id, models.main, problem)
        raise
    state.log.predicted(served.id, found)
    counts = Counter(each.label for each in found.models)
    for label, number in counts.items():
        state.metrics.rides.labels(*label.rsplit("/", 1)).inc(number)
    served.by, served.rides = ", ".join(counts), counts.total()
    return found


class TooManyRides(MlflowException):
    """What MLflow's route answers with status 413: it has no code of its own for that."""

    def get_http_status_code(self) -> int:
        """Return the status."""
        return 413


class AnsweringModel:
    """What MLflow's routes take for their model: the one that answers at that moment."""

    metadata = SimpleNamespace(get_input_schema=lambda: None)

    def __init__(self, state: State) -> None:
        self.state = state

    def predict(
        self,
        data: object,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> list[dict[str, float]]:
        """Return `duration`, `low` and `high` in minutes, a dict a ride: frames are slower."""
        main = SERVED.get().models.main
        try:
            given = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
            _check_number(self.state, given)
            found = _noted(self.state, given, Models(main, None))
        except (TaxiDurationError, ValueError, TypeError) as problem:
            raise MlflowException(str(problem), error_code=INVALID_PARAMETER_VALUE) from problem
        except RequestError as problem:
            raise TooManyRides(str(problem)) from problem
        return [dict(zip(MINUTES, each, strict=True)) for each in found.minutes.T.tolist()]


async def _check_invocation(request: Request) -> None:
    """Reject a body on which MLflow's own route fails, or of which it drops a part.

    A megabyte of parquet, which it would take too, can hold a billion rows.
    """
    if request.method == "POST" and _checked_type(request, JSON, "text/csv") == JSON:
        body, parse = await request.body(), partial(_parsed, request.app.state)
        parse(body) if len(body) < SMALL else await asyncio.to_thread(parse, body)


def main(model: str, host: str, port: str, requests: str) -> None:
    """Run the service in this process until it is stopped."""
    log_json()
    app = make_app(model, requests=requests)
    uvicorn.run(
        app, host=host, port=int(port), log_config=None, access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
