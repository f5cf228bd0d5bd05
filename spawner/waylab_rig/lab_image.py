"""The same as `waylab_rig.lab_images`."""

from waylab_rig.lab_images import REFERENCE, TEMPLATES, ensure, plant

__all__ = ["REFERENCE", "TEMPLATES", "ensure", "plant"]
