"""A notebook as a document: find it, read it, what its cells printed, what git keeps."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from .records import CHECKOUT, PACKAGE

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class NotebookError(ValueError):
    """A notebook that cannot be found or read, or whose parameters are not plain literals."""


def folder() -> Path:
    """Return the folder of the shipped notebooks: in the checkout, or inside an installed wheel."""
    if (CHECKOUT / "pyproject.toml").exists():
        return CHECKOUT / "notebooks"
    return PACKAGE / "_shipped" / "notebooks"


def find(name: str | Path) -> Path:
    """Return the path of a notebook given by path, or by the name of a shipped one.

    Raises:
        NotebookError: there is none; the message lists the shipped ones.
    """
    path = Path(name)
    try:
        if path.exists():
            return path
    except OSError as error:  # too long a name, no right to look
        raise NotebookError(f"{name}: {error.strerror}; give a notebook (.ipynb)") from None
    shipped = {file.stem: file for file in sorted(folder().glob("*.ipynb"))}
    if str(name).removesuffix(".ipynb") in shipped:
        return shipped[str(name).removesuffix(".ipynb")]
    raise NotebookError(f"{name}: no such notebook; shipped: {', '.join(shipped) or 'none'}")


def read(path: str | Path) -> nbformat.NotebookNode:
    """Return a valid notebook whose cells are numbered by their ids, ``cell-00`` and so on.

    Raises:
        NotebookError: no file, no notebook, or one of a format before 4.
    """
    try:
        notebook = nbformat.reader.reads(Path(path).read_text(encoding="utf-8"))
        if notebook.nbformat != 4:
            raise NotebookError(
                f"{path}: notebook format {notebook.nbformat}; open and save it in JupyterLab"
            )
        notebook.nbformat_minor = 5
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number:02}"
        nbformat.validate(notebook)
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, nbformat.reader.NotJSONError, AttributeError, TypeError) as error:
        raise NotebookError(f"{path}: not a notebook (.ipynb, UTF-8 JSON)") from error
    except nbformat.ValidationError as error:
        raise NotebookError(f"{path}: not a valid notebook: {error.message}") from error
    return notebook


def tagged(cell: Mapping[str, Any], tag: str) -> bool:
    """Tell whether ``cell`` is a code cell that carries ``tag``."""
    return cell["cell_type"] == "code" and tag in cell["metadata"].get("tags", ())


def printed(cell: Mapping[str, Any]) -> str:
    """Return all that a code cell wrote to standard output."""
    streams = [out for out in cell.get("outputs", ()) if out["output_type"] == "stream"]
    return "".join(out["text"] for out in streams if out["name"] == "stdout")


def claims(notebook: Mapping[str, Any]) -> list[str]:
    """Return what the cells tagged ``claim`` printed."""
    return [printed(cell).strip() for cell in notebook["cells"] if tagged(cell, "claim")]


def tidy(path: str | Path, check: bool = False) -> bool:
    """Rewrite a notebook so that its stored outputs are exactly its claims; return if it was so.

    What stays: sources, tags, the kernel's name, the ``textgan_lab`` metadata, and what the cells
    tagged ``claim`` printed, with an execution count, without which nbval does not compare. Ids
    and counts follow from the position, so that running a notebook again changes nothing.

    Args:
        path: the notebook.
        check: only look.

    Raises:
        NotebookError: no notebook.
    """
    path = Path(path)
    notebook = read(path)
    own = notebook.metadata.get("textgan_lab")
    notebook.metadata = {"kernelspec": KERNELSPEC, **({"textgan_lab": own} if own else {})}
    number = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
        if cell.cell_type != "code":
            cell.source = cell.source.rstrip()  # two blanks at the end of a line mean a new line
            continue
        number += 1
        cell.source = _stripped(cell.source)
        text = printed(cell) if "claim" in (tags or ()) else ""
        stream = {"output_type": "stream", "name": "stdout", "text": text}
        cell.outputs = [stream] if text else []
        cell.execution_count = number if text else None
    # keys in order and one line of text a line: a change to a cell is a change to its lines
    content = nbformat.writes(nbformat.from_dict(notebook), version=nbformat.NO_CONVERT) + "\n"
    was = path.read_bytes() == content.encode()
    if not (was or check):
        path.write_bytes(content.encode())
    return was


def _stripped(source: str) -> str:
    """Return code without blanks at the ends of lines, unless they are part of a string."""
    stripped = "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")
    try:
        same = ast.dump(ast.parse(stripped)) == ast.dump(ast.parse(source))
    except SyntaxError:  # IPython magic
        same = True
    return stripped if same else source.rstrip()
