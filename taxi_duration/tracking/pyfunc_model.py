"""What MLflow calls at prediction; kept inside each logged model, with the library beside it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

from taxi_duration.errors import TaxiDurationError
from taxi_duration.models.estimator import Estimator


class ServedModel(PythonModel):
    """Rides in, minutes out, with a low and a high end; a ride that is not valid is rejected."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load what was logged with the model."""
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
        except TaxiDurationError as problem:  # a server answers 400, and says what is wrong
            raise MlflowException(str(problem), error_code=INVALID_PARAMETER_VALUE) from problem


mlflow.models.set_model(ServedModel())
