"""Observations: SenML packs in, pages and CSV out."""
