"""Find the parts of a job's widget in a notebook as a screen reader does: by roles and names."""

import re

from playwright.sync_api import Locator, expect

SECONDS = 20_000
"""How long a person would wait at most, in milliseconds."""


class JobView:
    """The widget of a job in ``output``, or its card after the end."""

    def __init__(self, output: Locator) -> None:
        self.output = output

    def state(self, word: str) -> None:
        """Wait until the header of the widget shows ``word``."""
        expect(self.output.locator(".sabot-state")).to_have_text(word, timeout=SECONDS)

    def card(self, word: str) -> None:
        """Wait for the card of a job that has ended."""
        expect(self.output.locator(".sabot-job")).to_have_count(0, timeout=SECONDS)
        expect(self.output.get_by_text(word, exact=True).first).to_be_visible(timeout=SECONDS)

    def click(self, button: str) -> None:
        """Click the button of that name."""
        self.button(button).click()

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.output.get_by_role("button", name=name, exact=True)

    def node(self, first: str) -> Locator:
        """A box of the graph by its first operator; its accessible name has all of its metrics."""
        return self.output.get_by_role("button", name=re.compile(f"^{first}\\b"))

    def says(self, locator: Locator, pattern: str) -> None:
        """Wait until the accessible name of ``locator`` matches."""
        expect(locator).to_have_attribute("aria-label", re.compile(pattern), timeout=SECONDS)

    def figure(self, name: str) -> Locator:
        """A number of the header: ``in``, ``out``, ``up``."""
        return self.output.locator("dl > div").filter(has=self.output.page.get_by_text(name, exact=True)).locator("dd")

    def sentence(self) -> Locator:
        """The sentence about the state of the job."""
        return self.output.locator(".sabot-sentence")
