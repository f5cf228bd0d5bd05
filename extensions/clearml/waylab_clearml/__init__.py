"""ClearML as Waylab sees it: submit, browse, follow, abort, repeat.

Talks to a ClearML server over HTTP with one client per credential, and never imports
the ClearML SDK. Everything raises `waylab_clearml.errors.ClearMLError`.
"""
