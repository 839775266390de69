"""The library's own source on a page."""

import ast

import pytest

from textgan_lab import knobs
from textgan_lab.dashboard import show


def test_a_class_a_function_a_method_and_a_module_are_shown_whole():
    assert show(knobs.Turn).text.startswith("@dataclass(frozen=True)\nclass Turn:")
    assert show(knobs.Knobs.set).text.startswith("def set(self")
    assert show(show).text.startswith("def show(part")
    assert show(knobs).text.startswith('"""Knobs')
    for part in (knobs.Turn, knobs.Knobs.set, show, knobs):
        ast.parse(show(part).text)


def test_an_object_is_shown_as_its_class():
    assert show(knobs.Schedule()).text == show(knobs.Schedule).text
    assert repr(show(knobs.Schedule())).startswith("class Schedule:")


def test_a_notebook_gets_colours_and_escaped_text():
    html = show(knobs.Knob.check)._repr_html_()
    assert "<span style=" in html
    assert "&lt;=" in html
    assert "<= value" not in html


def test_what_has_no_source_here_is_refused():
    with pytest.raises(TypeError):
        show(3)
