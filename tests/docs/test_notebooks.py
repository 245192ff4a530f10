"""Recorded tutorials: readers on a web page see their outputs, and nothing of the machine they ran on."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ALLOWED_IN_PICTURES = {"svg", "g", "rect", "path", "text", "title", "desc", "img"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def outputs(request):
    """Everything that the notebook shows, by MIME type."""
    cells = [cell for cell in nbformat.read(request.param, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    return [output.get("data", {"text/plain": output.get("text", "")}) for cell in cells for output in cell.outputs]


def test_outputs_name_no_place_of_the_machine(outputs):
    written = "\n".join(text for shown in outputs for text in shown.values())
    assert re.findall(r"(?<![\w:/])/(?:home|root|Users|tmp|work|opt)/\S*", written) == []


def test_pictures_are_plain_enough_for_any_page(outputs):
    pictures = [svg for shown in outputs for svg in re.findall("<svg.*?</svg>", shown.get("text/html", ""), re.DOTALL)]
    assert pictures
    for svg in pictures:
        assert set(re.findall(r"<(\w+)", svg)) <= ALLOWED_IN_PICTURES
        assert not re.search(r"\s(style|class|on\w+|href)=", svg)
        assert re.findall(r'<img [^>]*src="([^,]*),', svg) == [
            "data:image/svg+xml;charset=utf-8"
        ]  # where SVG is not let in
