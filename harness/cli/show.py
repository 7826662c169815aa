"""Print the report of a run on this terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.bakeoff.results import RunResults
    from harness.bakeoff.run_folder import RunFolder


def show_results(folder: RunFolder, results: RunResults, *, full: bool = False) -> None:
    """The terminal report, with colour where there is a terminal."""
    from harness.report.model import report_view
    from harness.report.text import print_view

    print_view(report_view(results, folder.manifest(), folder.command), sys.stdout, full=full)
