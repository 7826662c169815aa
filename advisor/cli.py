"""`advisor`: interview, assess, cost, models, evidence.

`advisor assess CASE.yaml`, with no flag but --json or --verbose, does not go through typer: loading that
takes half of a cold start (it brings pydantic), and advice is to come within half a second. Everything else
does. Exit codes: 0 ok, 1 error, 2 usage (a wrong flag, or a use case that cannot be used).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PLAIN_FLAGS = {"--json", "--verbose", "-v"}


def main(argv: list[str] | None = None) -> None:
    """Run the command line; errors a user can fix are printed without a traceback."""
    from advisor.errors import CaseError
    from advisor.money.errors import CostError

    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        _check_words(arguments)
        _run(arguments)
    except CaseError as error:
        _fail(f"advisor: {error}", 2)
    except CostError as error:
        _fail(f"advisor: {error}", 1)
    except KeyboardInterrupt:
        _fail("advisor: stopped", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that closing it says nothing
        sys.exit(1)


def _run(arguments: list[str]) -> None:
    case = _only_assess(arguments)
    if case is not None:
        from advisor.commands import CommandPrices, assess_text

        verbose = bool({"--verbose", "-v"} & set(arguments))
        prices = CommandPrices(price_at=os.environ.get("TOR_PRICE_AT") or None)
        sys.stdout.write(assess_text(case, prices, as_json="--json" in arguments, verbose=verbose))
        sys.stdout.flush()
        return
    from advisor.cli_app import app

    app(args=arguments, prog_name="advisor")


def _check_words(arguments: list[str]) -> None:
    from advisor.errors import CaseError
    from advisor.reading import Unreadable, check_words

    own = [value for name, value in os.environ.items() if name.startswith("TOR_")]
    try:
        check_words([*arguments, *own])
    except Unreadable as error:
        raise CaseError(f"An argument or a TOR_ variable cannot be used: {error}.") from None


def _only_assess(arguments: list[str]) -> Path | None:
    """The case of a plain `assess`; None where flags or variables need the full command line."""
    if not arguments or arguments[0] != "assess" or {"TOR_PRICES", "TOR_GPU_HOUR_USD"} & set(os.environ):
        return None
    names = [a for a in arguments[1:] if a not in _PLAIN_FLAGS]
    if len(names) != 1 or (names[0].startswith("-") and names[0] != "-"):
        return None
    return Path(names[0])


def _fail(message: str, code: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
