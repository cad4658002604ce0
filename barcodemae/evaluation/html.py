"""A report that stands alone: tables, figures and settings in one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader

from barcodemae.evaluation.figures import Picture
from barcodemae.evaluation.tables import Table, description


def render(results: dict, tables: Sequence[Table], pictures: Sequence[Picture]) -> str:
    """The page, with the PNG figures inside it and no link to anything outside."""
    environment = Environment(
        loader=PackageLoader("barcodemae.evaluation"), autoescape=True, trim_blocks=True
    )
    parts = ("settings", "models", "data", "versions", "machine")
    return environment.get_template("report.html.jinja").render(
        models=list(results["models"]),
        description=description(results).replace("`", ""),
        tables=tables,
        pictures=[{"title": picture.title, "png": _base64(picture.png)} for picture in pictures],
        warnings=results["warnings"],
        details={**{part: results[part] for part in parts}, "created": results["created"]},
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
