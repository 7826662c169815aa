"""Route: what if a cheap arm answers when it is sure, and a dearer one, or today's way, does the rest?"""

from __future__ import annotations

from dashboards import blocks, pieces
from harness.report.topics.arms import prices_section
from harness.report.topics.route import route_section, route_steps_section, to_today_section

found = pieces.run_results(
    "Who should share the work?",
    "A cheap arm answers when its confidence is high enough; another, or what is done today, does the rest.",
)
if found is not None:
    c = pieces.context(*found)
    today = to_today_section(c)
    if today.blocks:
        blocks.show(today, route_steps_section(c))
    if not today.blocks or c.results.route_asked or c.results.route is not None:
        blocks.show(route_section(c), titled=bool(today.blocks))
    if c.results.route is not None and c.results.route.curve:
        blocks.show(prices_section(c))
