"""Notebooks as checked batch jobs with pages, and reproduction of what they trained."""
