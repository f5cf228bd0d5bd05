"""Backups of a site, made while it runs, and their restoration."""
