"""Each training and search, remembered by MLflow."""
