"""Where adapters are kept as versions: a folder or any address fsspec can open."""
