"""Sets Waylab up in a clone, with the standard library alone.

Not part of the installed product: it runs before anything is installed.
"""
