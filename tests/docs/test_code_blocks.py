"""Every Python block of README and docs runs, page by page, in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text())]


@pytest.mark.cluster
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_code_blocks_run(page, tmp_path):
    code = "\n".join(BLOCK.findall(page.read_text()))
    body = "".join(f"    {line}\n" if line else "\n" for line in code.splitlines())
    script = tmp_path / "page.py"
    script.write_text(f'if __name__ == "__main__":\n{body}')
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_pages_with_code_are_found():
    assert ROOT / "README.md" in WITH_CODE
