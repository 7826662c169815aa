"""Route: what if a cheap arm answers when it is sure, and a dearer one answers the rest?"""

from __future__ import annotations

from dashboards import blocks, pieces
from harness.report.topics.arms import prices_section
from harness.report.topics.route import route_section

found = pieces.run_results(
    "Should two arms share the work?",
    "The cheap arm answers when its confidence is high enough; the other one answers the rest.",
)
if found is not None:
    c = pieces.context(*found)
    blocks.show(route_section(c), titled=False)
    if c.results.route is not None and c.results.route.curve:
        blocks.show(prices_section(c))
