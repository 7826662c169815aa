"""Evalsets: reading, checking, splitting. Only `load` touches the disk, the hub or the environment."""
