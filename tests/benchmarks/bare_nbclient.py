"""Runs a notebook with nbclient and nothing else: the floor of every runner."""

import importlib
import sys
from typing import Any

nbclient: Any = importlib.import_module("nbclient")
nbformat: Any = importlib.import_module("nbformat")

if __name__ == "__main__":
    source, target = sys.argv[1:]
    notebook = nbformat.read(source, as_version=4)
    nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
    nbformat.write(notebook, target)
