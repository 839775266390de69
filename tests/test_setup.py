"""Set-up: one mechanism behind every command, and files about versions that cannot drift apart."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CONSTRAINTS = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
CONDA_NAMES = {"torch": "pytorch"}  # the rest are the same there


def requirements(lines):
    found = map(Requirement, lines)
    return {canonicalize_name(need.name): need for need in found}


# Versions


def test_conda_asks_for_what_pip_asks_for():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["channels"][0] == "conda-forge"
    lines = [line for line in conda["dependencies"] if isinstance(line, str)]
    assert [entry for entry in conda["dependencies"] if not isinstance(entry, str)] == [
        {"pip": ["-e ."]}
    ]
    there = {name: str(need.specifier) for name, need in requirements(lines).items()}
    assert there.pop("python") == PROJECT["requires-python"]
    assert there.pop("pip") == ""
    here = requirements(PROJECT["dependencies"])
    assert there == {CONDA_NAMES.get(name, name): str(n.specifier) for name, n in here.items()}


def test_what_is_installed_satisfies_what_is_asked():
    extras = PROJECT["optional-dependencies"]["test"]
    for name, need in requirements([*PROJECT["dependencies"], *extras]).items():
        found = importlib.metadata.version(name)
        assert need.specifier.contains(found), f"{name} {found} is installed; needs {need}"


def test_constraints_are_plain_pins():
    names = []
    for line in CONSTRAINTS:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line)
        assert match, f"constraints.txt: {line!r} is not name==version"
        assert str(Version(match[2]))
        names.append(canonicalize_name(match[1]))
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith(("torch", "nvidia", "triton"))]


def test_constraints_pin_all_that_gets_installed_and_satisfy_it():
    """Follow the requirements of what is installed, but not through torch, which goes first."""
    pins = {canonicalize_name(n): v for n, v in (line.split("==") for line in CONSTRAINTS)}
    waiting = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        waiting += map(Requirement, extra)
    done = set()
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if name in ("torch", "textgan-lab"):  # the test extra asks for the other two by this name
            continue
        assert name in pins, f"constraints.txt: no pin for {need}"
        assert need.specifier.contains(pins[name]), f"constraints.txt: {pins[name]} is not {need}"
        for extra in ["", *need.extras]:
            if (name, extra) in done:
                continue
            done.add((name, extra))
            for line in importlib.metadata.requires(name) or ():
                further = Requirement(line)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    waiting.append(further)
    assert {name for name, _ in done} > {"jupyterlab", "ipykernel", "nbformat", "typer", "dask"}


def test_every_third_party_import_is_declared():
    """What the library imports is asked for, or comes with papermill and jupyterlab."""
    given = {"nbformat", "nbclient", "nbconvert", "ipykernel", "jupyter_client", "traitlets"}
    given |= {"zmq", "IPython", "packaging", "pygments", "requests", "tqdm"}
    named = {"yaml": "pyyaml", "mpl_toolkits": "matplotlib"}
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    asked = set(requirements([*PROJECT["dependencies"], *extras]))
    for file in sorted((ROOT / "textgan_lab").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops = {node.module.split(".")[0]}
            else:
                continue
            tops -= given | set(sys.stdlib_module_names) | {"textgan_lab"}
            missing = {top for top in tops if named.get(top, top) not in asked}
            assert not missing, f"{file.name}, line {node.lineno}: {missing} is not declared"


def test_a_wheel_carries_data_and_notebooks():
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {
        "data": "textgan_lab/_shipped",
        "notebooks": "textgan_lab/_shipped/notebooks",
    }
    assert PROJECT["scripts"] == {"textgan-lab": "textgan_lab.cli:main"}


# bootstrap.py


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """The script as a module in a folder of its own; programs are recorded, not run."""
    for name in ("bootstrap.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.delenv("TORCH", raising=False)
    spec = importlib.util.spec_from_file_location("bootstrap", tmp_path / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands, module.fails = [], ""

    def call(command, **options):
        module.commands.append(" ".join(map(str, command)))
        assert not module.STAMP.exists() or "pip" not in command, "stamped before pip was done"
        if "venv" in command:
            module.PYTHON.parent.mkdir(parents=True, exist_ok=True)
            module.PYTHON.unlink(missing_ok=True)
            module.PYTHON.symlink_to(sys.executable)
        return 1 if module.fails and module.fails in module.commands[-1] else 0

    monkeypatch.setattr(module, "call", call)
    return module


def test_a_bare_machine_gets_torch_first_pinned_then_the_package(bootstrap):
    assert bootstrap.main(["test", "-k", "nothing"]) == 0
    venv, torch, package, tests = bootstrap.commands
    assert venv.endswith(f"-m venv --clear {bootstrap.VENV}")
    constraints = f"-c {bootstrap.ROOT / 'constraints.txt'}"
    assert torch.endswith(f"-m pip install --disable-pip-version-check {constraints} torch==2.13.0")
    assert package.endswith(f"{constraints} torch==2.13.0 -e .[test]")
    assert tests == f"{bootstrap.PYTHON} -m pytest -n 2 --dist loadfile -k nothing"


def test_claims_are_compared_by_nbval_a_notebook_a_process(bootstrap):
    assert bootstrap.main(["claims"]) == 0
    compare = "-m pytest --nbval --nbval-current-env -n 2 --dist loadfile notebooks"
    assert bootstrap.commands[-1] == f"{bootstrap.PYTHON} {compare}"


def test_a_second_call_installs_nothing(bootstrap):
    bootstrap.main(["test"])
    bootstrap.commands.clear()
    assert bootstrap.main(["suite", "--fast"]) == 0
    assert bootstrap.commands == [f"{bootstrap.PYTHON} -m textgan_lab.cli suite --fast"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "bootstrap.py"])
def test_a_changed_input_installs_again_into_the_same_environment(bootstrap, name):
    bootstrap.main(["test"])
    bootstrap.commands.clear()
    with (bootstrap.ROOT / name).open("a") as file:
        file.write("\n# changed\n")
    bootstrap.main(["test"])
    assert [("pip" in c, "venv --clear" in c) for c in bootstrap.commands] == [
        (True, False),
        (True, False),
        (False, False),
    ]


def test_another_torch_installs_again(bootstrap, monkeypatch):
    bootstrap.main(["test"])
    bootstrap.commands.clear()
    monkeypatch.setattr(bootstrap, "TORCH", "torch==2.6.0")
    bootstrap.main(["test"])
    assert bootstrap.commands[0].endswith("constraints.txt torch==2.6.0")


@pytest.mark.parametrize("fails", ["-m venv", "constraints.txt torch==2.13.0", "-e .[test]"])
def test_a_failed_install_is_not_stamped_and_says_what_to_do(bootstrap, fails):
    bootstrap.fails = fails
    with pytest.raises(SystemExit) as caught:
        bootstrap.main(["test"])
    assert "same command again" in str(caught.value)
    assert not bootstrap.STAMP.exists()
    assert "-m pytest" not in bootstrap.commands[-1]


def test_an_environment_whose_python_is_gone_is_built_anew(bootstrap):
    bootstrap.main(["test"])
    bootstrap.PYTHON.unlink()
    bootstrap.commands.clear()
    bootstrap.main(["test"])
    assert "venv --clear" in bootstrap.commands[0]


def test_a_moved_folder_builds_its_environment_anew(bootstrap):
    bootstrap.main(["test"])
    stamp = json.loads(bootstrap.STAMP.read_text())
    bootstrap.STAMP.write_text(json.dumps({**stamp, "folder": "/elsewhere/.venv"}))
    bootstrap.commands.clear()
    bootstrap.main(["test"])
    assert "venv --clear" in bootstrap.commands[0]


def test_an_unknown_target_exits_2_and_installs_nothing(bootstrap, capsys):
    assert bootstrap.main(["demo"]) == 2
    known = ", ".join(bootstrap.TARGETS)
    assert f"unknown target 'demo'; known: {known}" in capsys.readouterr().err
    assert bootstrap.commands == []


def test_an_old_python_is_told_so(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "version", lambda python: (3, 9))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        bootstrap.main(["test"])


def test_bootstrap_parses_on_old_pythons():
    """Or an old interpreter would show a syntax error instead of the message above."""
    source = (ROOT / "bootstrap.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))


def test_the_lab_listens_here_alone_and_always_with_a_token(bootstrap, monkeypatch, capsys):
    seen = {}
    monkeypatch.setattr(bootstrap, "install", lambda: None)
    monkeypatch.setattr(bootstrap, "call", lambda command, **o: seen.update(o, command=command))
    monkeypatch.setattr(bootstrap, "has_display", lambda: False)
    bootstrap.main(["lab"])
    options = json.loads(seen["env"]["TEXTGAN_LAB_JUPYTER"])
    token = next(o for o in options if "token" in o).removeprefix("--IdentityProvider.token=")
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert "--ServerApp.ip=127.0.0.1" in options
    assert "--no-browser" in options
    port = next(o for o in options if "port=" in o).removeprefix("--ServerApp.port=")
    address = re.search(r"http://\S+", capsys.readouterr().out)[0]
    assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/lab\S*\?token={token}", address)
    assert token not in " ".join(seen["command"])  # any user can list the command lines


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X and Wayland are Linux's")
def test_a_display_is_looked_for(bootstrap, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not bootstrap.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert bootstrap.has_display()


# make and continuous integration


@pytest.mark.skipif(shutil.which("make") is None, reason="no make; bootstrap.py is its twin")
def test_make_calls_bootstrap_from_any_folder_with_any_name(tmp_path, bootstrap):
    folder = tmp_path / "it's a  copy"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "bootstrap.py").write_text("import sys; print(__file__, *sys.argv[1:])")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for target in bootstrap.TARGETS:
        command = ["make", "-f", str(folder / "Makefile"), f"PYTHON={sys.executable}", target]
        answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=outer)
        assert answer.stdout == f"{folder / 'bootstrap.py'} {target}\n", answer.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to read .ci/run with")
def test_continuous_integration_runs_the_same_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("\nmake test\nexec make claims")
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert [s["with"]["python-version"] for s in job["steps"] if "setup-python" in str(s)] == [
        oldest
    ]
