"""What MLflow calls to predict; kept inside each logged model, with the library beside it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

from taxi_duration.errors import TaxiDurationError
from taxi_duration.models.estimator import Estimator


class ServedModel(PythonModel):
    """Predicts minutes, with a low and a high end, and rejects a ride that is not valid."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the files that were logged with the model."""
        self.estimator = Estimator.load(Path(context.artifacts["pipeline"]).parent)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return `duration`, `low` and `high`, in minutes."""
        try:
            return self.estimator.predict(model_input)
        except TaxiDurationError as problem:  # becomes status 400, with the message
            raise MlflowException(str(problem), error_code=INVALID_PARAMETER_VALUE) from problem


mlflow.models.set_model(ServedModel())
