"""Search over the training rows: lexical, dense, fused; clients are passed in, no model is imported here."""
