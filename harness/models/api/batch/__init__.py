"""Providers' batch interfaces: many questions handed in at once, answered within a day, at a lower price."""
