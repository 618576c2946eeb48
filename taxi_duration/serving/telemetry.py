"""What a service says of itself: a line of JSON for each request, and figures for Prometheus."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import prometheus_client as prometheus

from taxi_duration.serving.current_models import Models

CONTENT_TYPE = prometheus.exposition.CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON, what is in its `fields` beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_json() -> None:
    """Have every logger of this process write lines of JSON to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Metrics:
    """Figures of a service, in the names and units that Prometheus recommends."""

    def __init__(self) -> None:
        prometheus.disable_created_metrics()  # they double the lines, and say nothing
        self._registry = prometheus.CollectorRegistry()
        how = {"registry": self._registry, "namespace": "taxi_duration"}
        self.requests = prometheus.Counter(
            "requests", "Requests by route and status.", ["route", "status"], **how
        )
        self.seconds = prometheus.Histogram(
            "request_seconds", "Time that a request takes.", ["route"], buckets=SECONDS, **how
        )
        self.rides = prometheus.Counter("rides", "Predicted rides.", ["model", "version"], **how)
        self.rejections = prometheus.Counter(
            "rejections", "Rejected rides and requests.", ["reason"], **how
        )
        self._model = prometheus.Gauge(
            "model", "1 for each version that answers.", ["model", "version"], **how
        )

    def text(self, models: Models) -> bytes:
        """Return all figures as Prometheus reads them."""
        self._model.clear()
        for each in filter(None, models):
            self._model.labels(each.name, each.version).set(1)
        return prometheus.generate_latest(self._registry)
