"""The messages between page and kernel have the same types on both sides."""

import dataclasses
import json
from pathlib import Path

import pytest

from sabotnb.widgets import messages, typescript

FRONT_END = Path(__file__).parents[2] / "widgets" / "src" / "messages.ts"


def test_the_front_end_has_the_types_that_are_generated():
    assert FRONT_END.read_text() == typescript.source()


@pytest.mark.parametrize("message", messages.MESSAGES, ids=lambda message: message.__name__)
def test_every_field_of_a_message_is_in_its_interface(message):
    body = typescript.source().split(f"export interface {message.__name__} {{\n")[1].split("}")[0]
    assert [line.strip().split(":")[0] for line in body.splitlines()] == [
        field.name for field in dataclasses.fields(message)
    ]


def test_a_command_of_a_page_is_read_as_it_is_typed():
    sent = json.loads('{"type":"command","id":"7","kind":"probe","run":3,"args":{"target":"by_k","rows":50}}')
    assert dataclasses.asdict(messages.Command(**sent)) == sent
