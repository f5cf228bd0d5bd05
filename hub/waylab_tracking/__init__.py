"""Waylab."""
