"""What MLflow calls at prediction; kept inside each logged model, with the library beside it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from taxi_duration.persistence import load_pipeline


class ServedModel(PythonModel):
    """Rides in, minutes out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pipeline that was logged with the model."""
        self.pipeline = load_pipeline(Path(context.artifacts["pipeline"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return a column `duration`, in minutes."""
        return pd.DataFrame({"duration": self.pipeline.predict(model_input).astype(float)})


mlflow.models.set_model(ServedModel())
