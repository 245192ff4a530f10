"""Renders streams, previews and jobs as HTML, SVG and text. Pure: no threads, no cluster."""

from sabotnb.display import job_card, job_line, operator_labels, row_table, saved, svg_picture, theme
from sabotnb.display.job_picture import JobPicture
from sabotnb.display.picturing import job_picture
from sabotnb.display.scene import Scene, scene_of
from sabotnb.display.submitted import scenes

__all__ = [
    "JobPicture",
    "Scene",
    "job_card",
    "job_line",
    "job_picture",
    "operator_labels",
    "row_table",
    "saved",
    "scene_of",
    "scenes",
    "svg_picture",
    "theme",
]
