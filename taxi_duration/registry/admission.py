"""What a run has to show before its model is registered."""

from __future__ import annotations

from taxi_duration.errors import ModelError
from taxi_duration.registry.loading import verified_files
from taxi_duration.tracking.runs import Record, files_of

__all__ = ["check_run"]


def check_run(record: Record) -> None:
    """Refuse a run whose model nobody should use.

    Raises
    ------
    ModelError
        If it has not finished, has no model with a signature, comes from changed code whose
        patch was not kept, is no better than "median", or its files are not those it recorded.
    TrackingError
        If the store does not answer.
    """
    if record.status != "FINISHED" or not record.model_id:
        state = "has no model" if record.status == "FINISHED" else f"is {record.status}"
        raise ModelError(f"Run {record.run_id!r} {state}. Register a finished run of a model.")
    valid, naive_valid = (record.metrics.get(f"{each}valid_rmse") for each in ("", "naive_"))
    if valid is None or naive_valid is None or not valid < naive_valid:
        raise ModelError(
            f"Run {record.run_id!r} has an rmse of {valid} on the valid month, no better than the "
            f"{naive_valid} of 'median'. Register a run that is."
        )
    if record.tags.get("tree") == "changed" and "code.patch" not in files_of(record.run_id):
        raise ModelError(
            f"Run {record.run_id!r} comes from changed code, and its patch was not kept. "
            "Commit, and train again."
        )
    _check_signature(record)


def _check_signature(record: Record) -> None:
    from mlflow.models import Model

    with verified_files(record) as folder:
        if Model.load(str(folder)).signature is None:
            raise ModelError(
                f"The model of run {record.run_id!r} does not say what it takes and gives. "
                "Log it with a signature."
            )
