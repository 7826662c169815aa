"""Models behind an API: addresses, limits, faults, budget, usage."""
