"""Set up .venv once, then run one target, as in `python3 bootstrap.py lab`.

Standard library only. Arguments after the target go on to the program it starts. TORCH in the
environment replaces the pinned torch, for example TORCH=torch==2.6.0.
"""

import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / ".stamp"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
INPUTS = ("pyproject.toml", "constraints.txt", "bootstrap.py")
OLDEST = (3, 11)
TORCH = os.environ.get("TORCH", "torch==2.13.0")
TOUR = "notebooks/00_tour.ipynb"


def interpreter():
    """Return a Python that is new enough, this one first; exit with what to install otherwise."""
    newer = ["python3.%d" % minor for minor in range(20, OLDEST[1] - 1, -1)]
    for name in [sys.executable, *newer, "python3", "python"]:
        path = shutil.which(name)
        if path and version(path) >= OLDEST:
            return path
    sys.exit(
        "bootstrap: needs Python %d.%d or newer; found only %s at %s. Install one from "
        "python.org or your package manager and try again."
        % (*OLDEST, ".".join(map(str, sys.version_info[:3])), sys.executable)
    )


def call(command, **options):
    """Run a program to its end; Ctrl+C reaches it too, and it alone decides what that means."""
    process = subprocess.Popen(command, **options)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def version(python):
    """Return the (major, minor) of an interpreter, (0, 0) when it does not run."""
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [str(python), "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return (0, 0)
    return tuple(map(int, answer.stdout.split()))


def wanted():
    """Return what a finished environment's stamp must say: its folder, Python, torch and inputs."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes() + b"\0")
    return {"folder": str(VENV), "torch": TORCH, "inputs": digest.hexdigest()}


def stamped():
    """Return what the stamp says; an empty mapping when an install never finished."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def install():
    """Bring .venv up to date; do nothing when its stamp is current."""
    stamp = stamped()
    usable = version(PYTHON) >= OLDEST
    if usable and stamp == wanted():
        return
    # A moved folder leaves scripts that point at the old place, so it is built anew.
    if not usable or stamp.get("folder", str(VENV)) != str(VENV):
        print("bootstrap: creating %s" % VENV, flush=True)
        python = interpreter()
        if call([python, "-m", "venv", "--clear", str(VENV)]) != 0:
            sys.exit(
                "bootstrap: %s could not create %s. On Debian and Ubuntu install python3-venv; "
                "then run the same command again." % (python, VENV)
            )
    if STAMP.exists():
        STAMP.unlink()
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-c"]
    pip.append(str(ROOT / "constraints.txt"))
    # torch goes first and stays named: an unnamed torch would be replaced by the newest build.
    for packages in ([TORCH], [TORCH, "-e", ".[test]"]):
        print("bootstrap: installing %s" % " ".join(packages), flush=True)
        if call(pip + packages, cwd=str(ROOT)) != 0:
            sys.exit(
                "bootstrap: pip failed (its message is above). Nothing is lost: run the same "
                "command again once the cause is gone."
            )
    quiet_news()
    scratch = STAMP.with_name(".stamp.tmp")
    scratch.write_text(json.dumps(wanted()), encoding="utf-8")
    os.replace(str(scratch), str(STAMP))  # last: a stamp means the install finished


def quiet_news():
    """Answer JupyterLab's question about news once, with no, so that a class does not meet it."""
    settings = VENV / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    answer = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "overrides.json").write_text(
        json.dumps({"@jupyterlab/apputils-extension:notification": answer}), encoding="utf-8"
    )


def has_display():
    """Tell whether a browser could show up: always but on a Linux without X or Wayland."""
    linux = sys.platform.startswith("linux")
    return not linux or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def free_port(first=8888):
    """Return the first free port of this machine from 8888 on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    sys.exit("bootstrap: ports %d to %d are all in use" % (first, first + 99))


def lab(arguments):
    """Start JupyterLab on the tour, for this machine only and with a token."""
    token = secrets.token_hex(24)
    port = free_port()
    page = "/lab/tree/" + TOUR if (ROOT / TOUR).exists() else "/lab"
    options = [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=%d" % port,
        "--ServerApp.port_retries=0",  # or the address printed here would be another's
        "--ServerApp.root_dir=%s" % ROOT,
        "--LabApp.default_url=%s" % page,
        # above any configuration file, where a token may have been emptied
        "--IdentityProvider.token=%s" % token,
    ]
    if not has_display():
        options.append("--no-browser")
    if os.name == "posix" and os.geteuid() == 0:
        options.append("--allow-root")  # containers; the server listens to this machine alone
    print("bootstrap: JupyterLab at http://127.0.0.1:%d%s?token=%s" % (port, page, token))
    print("bootstrap: open that address in a browser; Ctrl+C twice stops it.", flush=True)
    # Handed over in the environment: other users of the machine can read a command line.
    start = (
        "import json, os; from jupyterlab.labapp import main; "
        "main(json.loads(os.environ.pop('TEXTGAN_LAB_JUPYTER')))"
    )
    # One thread in the kernels unless told otherwise: training, drawing and the browser share the
    # machine, and models this small gain nothing from more.
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    handed = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "TEXTGAN_LAB_JUPYTER": json.dumps(options + arguments),
    }
    return call([str(PYTHON), "-c", start], cwd=str(ROOT), env=handed)


def pytest(*options):
    """Return a target that runs pytest with ``options``, one thread a process."""

    def target(arguments):
        command = [str(PYTHON), "-m", "pytest", *options, *arguments]
        return call(command, cwd=str(ROOT), env={**os.environ, "OMP_NUM_THREADS": "1"})

    return target


def suite(arguments):
    """Run every notebook headless into reports/index.html."""
    command = [str(PYTHON), "-m", "textgan_lab.cli", "suite", *arguments]
    return call(command, cwd=str(ROOT))


def bench(arguments):
    """Run every benchmark, one after the other; return the worst exit status."""
    scripts = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = [call([str(PYTHON), str(s), *arguments], cwd=str(ROOT), env=env) for s in scripts]
    return max(runs, default=0)


TARGETS = {
    "lab": (lab, "open JupyterLab on the tour"),
    # one file a process: the cells of a notebook share a kernel
    "test": (pytest("-n", "2", "--dist", "loadfile"), "run the tests"),
    "claims": (
        pytest("--nbval", "--nbval-current-env", "-n", "2", "--dist", "loadfile", "notebooks"),
        "run every notebook and compare what it claims with what it stores",
    ),
    "suite": (suite, "run every notebook headless into reports/index.html"),
    "slow": (
        pytest("-n", "2", "--dist", "loadfile", "-m", "slow", "--ignore", "tests/soak"),
        "run the tests of minutes",
    ),
    # one after the other: each keeps all cores busy, and kills what works there
    "soak": (
        pytest("-m", "slow", "tests/soak"),
        "kill, fill disks, fuzz; see that nothing is lost",
    ),
    "bench": (bench, "measure speed; results go to tests/benchmarks/results"),
}


def main(arguments):
    """Run the target that ``arguments`` name; return its exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        print("\n".join("  %-6s %s" % (name, about) for name, (_, about) in TARGETS.items()))
        return 0
    if arguments[0] not in TARGETS:
        print(
            "bootstrap: unknown target %r; known: %s" % (arguments[0], ", ".join(TARGETS)),
            file=sys.stderr,
        )
        return 2
    install()
    return TARGETS[arguments[0]][0](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
