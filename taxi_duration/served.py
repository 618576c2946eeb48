"""What MLflow calls at prediction; kept inside each logged model, with the library beside it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from taxi_duration.intervals import Intervals
from taxi_duration.persistence import load_pipeline


class ServedModel(PythonModel):
    """Rides in, minutes out, with a low and a high end."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pipeline and the intervals that were logged with the model."""
        self.pipeline = load_pipeline(Path(context.artifacts["pipeline"]))
        self.intervals = Intervals.load(Path(context.artifacts["intervals"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return `duration`, `low` and `high`, in minutes."""
        minutes = self.pipeline.predict(model_input).astype(float)
        return self.intervals.around(minutes).assign(duration=minutes)[["duration", "low", "high"]]


mlflow.models.set_model(ServedModel())
