"""A node's container engine: its client, and what a container may be made of."""
