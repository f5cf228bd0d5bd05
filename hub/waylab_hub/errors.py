"""What can go wrong around the hub.

    HubError
    ├── UserError         a user cannot be added, changed or removed
    ├── PasswordError     a password that is not accepted
    ├── StartError        Waylab cannot start (a port in use, a program that dies)
    └── ControlError      the supervisor does not run, or refuses

Each message is one sentence or two with the value seen and the remedy.
"""

from __future__ import annotations


class HubError(Exception):
    """Any error of this package."""


class UserError(HubError):
    """A user cannot be added, changed or removed."""


class PasswordError(HubError):
    """A password is not accepted."""


class StartError(HubError):
    """Waylab cannot start."""


class ControlError(HubError):
    """The supervisor does not run, does not answer, or refuses."""
