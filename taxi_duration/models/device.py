"""The device of boosted trees: the processor, or a GPU if XGBoost finds one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from taxi_duration.errors import EngineError, UsageError

if TYPE_CHECKING:
    from xgboost import XGBRegressor

DEVICE = re.compile(r"cpu|cuda(:\d+)?", re.ASCII)


def check_device(device: str) -> str:
    """Return a device that is there: without a GPU, XGBoost itself would only warn.

    Parameters
    ----------
    device : str
        "cpu", "cuda" for the first GPU, or "cuda:1" for another.

    Examples
    --------
    >>> check_device("cpu")
    'cpu'
    >>> check_device("gpu")
    Traceback (most recent call last):
    ...
    taxi_duration.errors.UsageError: Device 'gpu' is unknown. Take 'cpu', 'cuda' or 'cuda:1'.
    """
    import xgboost

    if not DEVICE.fullmatch(device):
        raise UsageError(f"Device {device!r} is unknown. Take 'cpu', 'cuda' or 'cuda:1'.")
    with xgboost.config_context(verbosity=0):
        booster = xgboost.Booster({"device": device, "num_feature": 1})
        found = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not found.startswith(device):  # "cuda:0" for "cuda"
        raise EngineError(
            f"Device {device!r} is not available: XGBoost finds no such GPU. Take 'cpu', or look "
            "at nvidia-smi."
        )
    return device


def move(regressor: XGBRegressor, device: str) -> None:
    """Have a fitted regressor predict on another device from now on."""
    # on a GPU, XGBoost would say each time that arrays have to be copied there
    regressor.set_params(device=device, verbosity=None if device == "cpu" else 0)
