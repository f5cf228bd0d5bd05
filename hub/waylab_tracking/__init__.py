"""The embedded ClearML-compatible tracking server: API, files and a small web UI."""
