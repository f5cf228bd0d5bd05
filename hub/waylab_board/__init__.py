"""The service that owns the GPU ledger: grants, the waiting page and the board."""
