"""The flags that brand a report for its readers: company, logo, currency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.report.branding import Branding, Rate

Company = Annotated[
    str, typer.Option("--company", envvar="TOR_COMPANY", help="Name on the pages of PDF and HTML.")
]
Logo = Annotated[
    Path | None,
    typer.Option("--logo", envvar="TOR_LOGO", help="PNG, JPEG or SVG for the first page of PDF and HTML."),
]
CurrencyName = Annotated[
    str,
    typer.Option(
        "--currency", envvar="TOR_CURRENCY", help="USD, EUR at the use case's rate, or EUR=0.92, on pages."
    ),
]


def make_branding(company: str, logo: Path | None, currency: str, stated: Rate | None) -> Branding:
    """What the flags say.

    Raises:
        UsageError: for a logo or a currency that cannot be used.
    """
    from advisor.reading import Unreadable, read_bytes
    from harness.core.errors import UsageError
    from harness.report.branding import MOST_LOGO_BYTES, Branding, chosen_currency, image_kind

    data = b""
    if logo is not None:
        try:
            data = read_bytes(logo, MOST_LOGO_BYTES)
        except FileNotFoundError as error:
            raise UsageError("The logo does not exist.", got=str(logo)) from error
        except Unreadable as error:
            raise UsageError(f"The logo cannot be read: {error}.", got=str(logo)) from error
    return Branding(
        company=company,
        logo=data,
        logo_kind=image_kind(data) if logo is not None else "",
        currency=chosen_currency(currency, stated),
    )
