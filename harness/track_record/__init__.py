"""How often the advice held: predictions that were locked against what was measured."""
