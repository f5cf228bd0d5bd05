"""Copies what a ClearML-compatible server keeps to another, by the public API alone."""
