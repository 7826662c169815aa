"""The command `harness`. Importing it is cheap: every command imports what it needs when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from harness.cli.app import run

    run()
