"""What an answer costs: usage, prices, ledgers, serving, training, break-even and totals over a horizon.

Pure but for loaders named `load_...`. Ledger money is Decimal; simulations are float and never enter a
ledger; an unknown price or count stays unknown.
"""
