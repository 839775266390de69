"""Show the library's own source on a page, so that text and code cannot drift apart."""

import inspect
import textwrap
from typing import Any


class Source:
    """The source of a part, coloured in a notebook, plain elsewhere."""

    def __init__(self, part: Any):
        self.text = textwrap.dedent(inspect.getsource(part))

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        style = HtmlFormatter(noclasses=True, nobackground=True, prestyles="font-family:monospace")
        return highlight(self.text, PythonLexer(), style)


def show(part: Any) -> Source:
    """Return the source of a class or function of this library (of its class, for an object).

    >>> print(show(Source.__init__))
    def __init__(self, part: Any):
        self.text = textwrap.dedent(inspect.getsource(part))
    <BLANKLINE>
    """
    is_code = inspect.isclass(part) or inspect.isroutine(part) or inspect.ismodule(part)
    return Source(part if is_code else type(part))
