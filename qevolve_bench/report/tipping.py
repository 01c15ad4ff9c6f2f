"""The section on tipping: of a ``tipping.json`` among the inputs.

`section` is the hook. It gets what the file holds and returns the section's content; the page puts
it under its heading and into the navigation. Results of an unknown schema are shown as they are:
nothing is drawn, or computed, from what this release does not know.
"""

from __future__ import annotations

import json
from typing import Any

from qevolve_bench.report.html import Markup, join, tag


def section(source: str, results: Any) -> Markup:
    """Content of the section for one file.

    Args:
        source: As it was named on the command line.
        results: The parsed JSON.
    """
    schema = results.get("schema") if isinstance(results, dict) else None
    return join(
        [
            tag(
                "p",
                f"{source} holds tipping results of schema {schema!r}, for which this release has"
                " no figure. They are shown as they are.",
            ),
            tag(
                "details",
                tag("summary", "The results"),
                tag("pre", json.dumps(results, indent=1, ensure_ascii=False)),
            ),
        ]
    )
