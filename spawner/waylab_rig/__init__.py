"""Container engines with simulated GPUs, for sites that have none."""
