"""What is recommended, shipped: export, registry, parity, import, serving."""
