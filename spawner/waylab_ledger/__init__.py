"""The GPU ledger: who holds which device, who waits for one, and on what proof."""
