"""Where a host stands: a region that its operator's documentation ties to its name, or nothing.

A provider's global address answers from wherever there is room; so its region is not known, and a plan that
ties data to a region does not allow it. A region in a host's name is the operator's promise, which nobody
can check from here.
"""

from __future__ import annotations

import re

# Source of each: the operator's documentation of its regional endpoints, read 2026-11.
_REGIONS: tuple[tuple[str, str], ...] = (
    (r"eu\.api\.openai\.com", "EU"),  # projects with European data residency
    (r"us\.api\.openai\.com", "US"),
    (r"bedrock-runtime(?:-fips)?\.eu-(?:central|west|north|south)-\d\.amazonaws\.com", "EU"),
    (r"bedrock-runtime(?:-fips)?\.us-(?:gov-)?(?:east|west)-\d\.amazonaws\.com", "US"),
    (r"runtime\.sagemaker\.eu-(?:central|west|north|south)-\d\.amazonaws\.com", "EU"),
    (r"runtime\.sagemaker\.us-(?:east|west)-\d\.amazonaws\.com", "US"),
    (r"europe-(?:west|north|central|southwest)\d+-aiplatform\.googleapis\.com", "EU"),
    (r"aiplatform\.eu\.rep\.googleapis\.com", "EU"),
    (r"us-(?:east|west|central|south)\d+-aiplatform\.googleapis\.com", "US"),
    (r"aiplatform\.us\.rep\.googleapis\.com", "US"),
    (r"(?:codestral|api)\.mistral\.ai", "EU"),
    (r"[\w.-]+\.kepler\.ai\.cloud\.ovh\.net", "EU"),
    (r"eu-(?:de|gb|es)\.ml\.cloud\.ibm\.com", "EU"),
    (r"us-(?:south|east)\.ml\.cloud\.ibm\.com", "US"),
)
_NOT_IN_THE_UNION = re.compile(
    r"\beu-west-2\b|\beu-central-2\b|europe-west2-|europe-west6-|eu-gb\."  # London, Zürich
)


def region_of(host: str) -> str:
    """The region that a host's name promises; '' where it promises none."""
    name = host.casefold().rstrip(".")
    if _NOT_IN_THE_UNION.search(name):
        return ""
    return next((region for pattern, region in _REGIONS if re.fullmatch(pattern, name)), "")
