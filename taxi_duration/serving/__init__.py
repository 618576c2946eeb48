"""A registered model at work: batch, HTTP, monitoring."""
