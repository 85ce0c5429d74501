#!/usr/bin/env python3
"""Builds the Kubernetes 1.20 programs that the cluster test runs, and caches them.

The source is Debian's own source package `kubernetes` (complete, with its vendor tree), the
compiler Debian's golang-1.19-go. Nothing of the machine's is changed: apt works on a list file and
state directories of its own, and everything lies under GPUNODE_CACHE (default /var/cache/gpunode):

    kubernetes/<source version>/bin/kubelet ...      published by one rename
    kubernetes/<source version>/complete.json        what was built, with what
    kubernetes/.work/                                an unfinished build; the next run resumes it

A published build is reused without asking the network. Prints the directory of the programs on its
last line of stdout; progress goes to stderr.

    python3 tests/cluster/build_kubernetes.py [--rebuild] [--quiet]
"""

import argparse
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

# A cached build that lacks one of them isn't reused.
PROGRAMS = ("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kube-proxy",
            "kubectl", "kubeadm", "crictl")

# Raise it when the steps below, or crictl/, change what they produce: a build of another recipe isn't reused.
RECIPE = 4

# What kubeadm talks to containerd by; it needs the source's own CRI.
CRICTL = pathlib.Path(__file__).resolve().parent / "crictl"

GO = "/usr/lib/go-1.19/bin/go"
SOURCES = "".join(
    kind + " [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} bookworm main\n"
    for kind in ("deb", "deb-src"))
MIRROR = "http://deb.debian.org/debian"

# Sources, Go's build cache and the programs, with room to link: measured 2.1 GiB.
DISK_NEEDED = 4 << 30

# Debian packages that a build needs; tools/setup installs them with those of the cluster itself.
PACKAGES = ("golang-1.19-go", "dpkg-dev", "debian-archive-keyring")


class BuildError(Exception):
    """A failure that a person can act on; its text says what, why and what next."""


class Progress:
    """One line a stage on stderr, with the seconds since the start."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.start = time.monotonic()

    def say(self, text):
        if not self.quiet:
            elapsed = time.monotonic() - self.start
            print(f"kubernetes: [{elapsed:4.0f} s] {text}", file=sys.stderr, flush=True)


def cache_root():
    return pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "kubernetes"


def tail(path, lines=25):
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def run(argv, log, *, progress, what, timeout, cwd=None, env=None):
    """Runs argv to its end with its output in `log`; says that it is alive once in 30 seconds."""
    with open(log, "wb") as out:
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)
        except OSError as error:
            raise BuildError(f"{what}: cannot start {argv[0]}: {error.strerror}") from error
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                code = process.wait(timeout=30)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise BuildError(
                        f"{what}: not done after {timeout} s\n{tail(log)}") from None
                progress.say(f"still {what}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # go starts compilers: the whole group goes.
            process.wait()
    if code != 0:
        raise BuildError(f"{what}: {pathlib.Path(argv[0]).name} ended with {code}\n{tail(log)}")


def published(root):
    """The directories of finished builds of this recipe, the newest first."""
    found = []
    for stamp in root.glob("*/complete.json"):
        try:
            facts = json.loads(stamp.read_text())
        except (OSError, ValueError):
            continue
        programs = all((stamp.parent / "bin" / name).is_file() for name in PROGRAMS)
        if facts.get("recipe") == RECIPE and programs:
            found.append((stamp.stat().st_mtime, stamp.parent))
    return [path for _, path in sorted(found, reverse=True)]


def check_machine(root):
    if not os.access(GO, os.X_OK):
        raise BuildError(
            f"{GO} is missing: Kubernetes 1.20 compiles with Go 1.19 only.\n"
            "    next: tools/setup, or apt-get install golang-1.19-go")
    version = subprocess.run([GO, "env", "GOVERSION"], capture_output=True, text=True, timeout=60,
                             env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
                                  "GOCACHE": "off"}, check=False).stdout.strip()
    if not version.startswith("go1.19"):
        raise BuildError(f"{GO} is {version or 'not working'}, wanted go1.19.x")
    for tool in ("apt-get", "dpkg-source"):
        if not shutil.which(tool):
            raise BuildError(f"{tool} is missing; next: apt-get install apt dpkg-dev")
    free = shutil.disk_usage(root).free
    if free < DISK_NEEDED:
        raise BuildError(
            f"{root} has {free >> 20} MiB free, the build needs {DISK_NEEDED >> 20} MiB.\n"
            "    next: free some, or set GPUNODE_CACHE to another disk")
    return version


class Apt:
    """apt-get on a source list and state directories of its own."""

    def __init__(self, directory, progress):
        self.directory = directory
        self.progress = progress
        for sub in ("lists/partial", "cache/archives/partial"):
            (directory / sub).mkdir(parents=True, exist_ok=True)
        self.mirror = os.environ.get("GPUNODE_DEBIAN_MIRROR") or MIRROR
        (directory / "sources.list").write_text(SOURCES.format(mirror=self.mirror))
        self.options = [
            "-o", f"Dir::Etc::sourcelist={directory}/sources.list",
            "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", f"Dir::State={directory}",
            "-o", f"Dir::State::lists={directory}/lists",
            "-o", f"Dir::Cache={directory}/cache",
            "-o", "APT::Sandbox::User=root",  # The cache need not be readable for _apt.
            "-o", "Acquire::Retries=3",
        ]
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                    **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}

    def get(self, *arguments, what, cwd=None):
        try:
            run(["apt-get", *self.options, *arguments], self.directory / "apt.log", cwd=cwd,
                env=self.env, progress=self.progress, what=what, timeout=600)
        except BuildError as error:
            raise BuildError(
                f"{error}\n    next: is {self.mirror} reachable from here? http_proxy and"
                " GPUNODE_DEBIAN_MIRROR are honoured") from None

    def update(self):
        self.get("-o", "APT::Update::Error-Mode=any", "update",
                 what="reading Debian's source index")

    def source_version(self):
        """The newest version of the source package in the list."""
        shown = subprocess.run(
            ["apt-cache", *self.options, "showsrc", "--only-source", "kubernetes"],
            capture_output=True, text=True, env=self.env, timeout=120, check=False)
        versions = [line.split(None, 1)[1] for line in shown.stdout.splitlines()
                    if line.startswith("Version: ")]
        if not versions:
            raise BuildError("Debian bookworm's index has no source package `kubernetes`\n"
                             + shown.stderr)
        newest = versions[0]
        for version in versions[1:]:
            if subprocess.run(["dpkg", "--compare-versions", version, "gt", newest],
                              check=False).returncode == 0:
                newest = version
        return newest


def unpack(work, apt, version, progress):
    """Leaves the patched source at work/gopath/src/k8s.io/kubernetes; a complete one is kept."""
    source = work / "gopath/src/k8s.io/kubernetes"
    if source.is_dir():
        return source
    progress.say(f"fetching Debian's source package kubernetes {version}")
    download = work / "download"
    download.mkdir(exist_ok=True)
    apt.get("source", "--download-only", "-qq", f"kubernetes={version}", cwd=download,
            what="fetching the source package")
    descriptions = list(download.glob("*.dsc"))
    if len(descriptions) != 1:
        raise BuildError(f"{download}: wanted one .dsc file, found {len(descriptions)}")
    progress.say("unpacking")
    half = work / "unpacking"
    shutil.rmtree(half, ignore_errors=True)
    # apt has checked the signature chain and the hashes; a maintainer's key need not be here.
    run(["dpkg-source", "--no-check", "-x", str(descriptions[0]), str(half)], work / "unpack.log",
        progress=progress, what="unpacking the source package", timeout=600)
    source.parent.mkdir(parents=True, exist_ok=True)
    half.rename(source)
    return source


# The vendored 1.0.1 walks maps by the layout that they had before Go 1.18: the API server dies of
# the first custom resource with a map in it.
REFLECT2 = "golang-github-modern-go-reflect2-dev"


def renew_reflect2(work, source, apt, progress):
    """Puts Debian's reflect2, which knows Go 1.19, in the place of the vendored one."""
    progress.say(f"fetching {REFLECT2}")
    download = work / "reflect2"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir()
    apt.get("download", "-qq", REFLECT2, cwd=download, what=f"fetching {REFLECT2}")
    packages = list(download.glob("*.deb"))
    if len(packages) != 1:
        raise BuildError(f"{download}: wanted one .deb file, found {len(packages)}")
    run(["dpkg-deb", "-x", str(packages[0]), str(download / "root")], work / "unpack.log",
        progress=progress, what=f"unpacking {REFLECT2}", timeout=60)
    path = "github.com/modern-go/reflect2"
    shutil.rmtree(source / "vendor" / path)
    shutil.copytree(download / "root/usr/share/gocode/src" / path, source / "vendor" / path,
                    ignore=shutil.ignore_patterns("*_test.go"))


def upstream_version(version):
    """1.20.5+really1.20.2-1.1 is upstream's 1.20.2: what kubectl and Helm are to be told."""
    upstream = version.split(":")[-1].rsplit("-", 1)[0]
    return upstream.split("really")[-1]


class GoBuild:
    """go build in GOPATH mode: module mode wants to rewrite go.mod with any current Go."""

    def __init__(self, work, source, version, progress):
        self.work, self.source, self.progress = work, source, progress
        vendored = "k8s.io/kubernetes/vendor/k8s.io"
        upstream = upstream_version(version)
        major, minor = upstream.split(".")[:2]
        self.ldflags = "-s -w"
        # The first is what a program says of itself, the second what /version says to Helm.
        for package in ("component-base/version", "client-go/pkg/version"):
            self.ldflags += (f" -X {vendored}/{package}.gitVersion=v{upstream}"
                             f" -X {vendored}/{package}.gitMajor={major}"
                             f" -X {vendored}/{package}.gitMinor={minor}")
        self.env = {
            "PATH": f"{pathlib.Path(GO).parent}:/usr/bin:/bin",
            "HOME": str(work), "GOPATH": str(work / "gopath"), "GOCACHE": str(work / "gocache"),
            "GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off", "CGO_ENABLED": "0",
            "LC_ALL": "C",
        }
        self.bin = work / "bin"
        self.bin.mkdir(exist_ok=True)

    def build(self, *packages):
        """Compiles and links the packages into self.bin, in one run: links overlap compiles."""
        names = ", ".join(package.rsplit("/", 1)[1] for package in packages)
        self.progress.say(f"compiling {names}")
        run([GO, "build", "-trimpath", "-ldflags", self.ldflags, "-o", f"{self.bin}/", *packages],
            self.work / "go.log", cwd=self.source, env=self.env, progress=self.progress,
            what=f"compiling {names}", timeout=5400)

    def openapi(self):
        """Writes the one generated file that the source package lacks and kube-apiserver needs."""
        self.build("./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
        generator = self.bin / "openapi-gen"
        packages = tagged_packages(self.source)
        self.progress.say(f"generating openapi for {len(packages)} packages")
        run([str(generator), "--go-header-file", "hack/boilerplate/boilerplate.generatego.txt",
             "--output-base", str(self.work / "gopath/src"),
             "--output-package", "k8s.io/kubernetes/pkg/generated/openapi",
             "--output-file-base", "zz_generated.openapi",
             "--report-filename", str(self.work / "openapi-violations.txt"),
             "--input-dirs", ",".join(packages)],
            self.work / "openapi.log", cwd=self.source, env=self.env, progress=self.progress,
            what="generating openapi", timeout=600)
        generator.unlink()


# Folders whose tagged packages no server serves.
NOT_SERVED = {"testdata", "_examples", "cmd"}


def tagged_packages(source):
    """Go import paths of the packages that carry an openapi-gen tag."""
    found = set()
    for top in ("staging/src/k8s.io", "pkg", "plugin"):
        for path in (source / top).rglob("*.go"):
            unused = not NOT_SERVED.isdisjoint(path.parts)
            if unused or path.name.endswith("_test.go"):
                continue
            with open(path, "rb") as text:
                if b"+k8s:openapi-gen=" in text.read():
                    found.add(path.parent.relative_to(source).as_posix())
    return sorted("k8s.io/kubernetes/" + directory.replace("staging/src/", "vendor/", 1)
                  for directory in found)


def build(root, progress):
    go_version = check_machine(root)
    work = root / ".work"
    work.mkdir(exist_ok=True)
    apt = Apt(work / "apt", progress)
    progress.say("reading Debian's source index")
    apt.update()
    version = apt.source_version()
    stamp = work / "version"
    if not stamp.exists() or stamp.read_text() != f"{version} {RECIPE} {go_version}":
        # Of another version: nothing of it can be used.
        for entry in ("gopath", "gocache", "bin", "download", "unpacking"):
            shutil.rmtree(work / entry, ignore_errors=True)
        stamp.write_text(f"{version} {RECIPE} {go_version}")
    source = unpack(work, apt, version, progress)
    renew_reflect2(work, source, apt, progress)
    shutil.copytree(CRICTL, source / "cmd/crictl", dirs_exist_ok=True)
    go = GoBuild(work, source, version, progress)
    go.openapi()
    go.build(*(f"./cmd/{name}" for name in PROGRAMS))
    return publish(root, work, go.bin, version, go_version, progress)


def publish(root, work, programs, version, go_version, progress):
    half = root / f".publish-{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    programs.rename(half / "bin")
    seconds = round(time.monotonic() - progress.start)
    facts = {"source": version, "recipe": RECIPE, "go": go_version, "seconds": seconds}
    (half / "complete.json").write_text(json.dumps(facts, indent=1) + "\n")
    target = root / version
    old = root / f".publish-{os.getpid()}-old"
    if target.exists():
        target.rename(old)  # Not removed first: somebody may run its programs.
    half.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    progress.say(f"built {version} into {target}")
    return target


def ensure(quiet=False, rebuild=False):
    """Returns the directory that holds the programs; builds them when there is none."""
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"{root}: {error.strerror}; next: set GPUNODE_CACHE to a directory"
                         " that you may write") from error
    progress = Progress(quiet)
    finished = published(root)
    if finished and not rebuild:
        return finished[0] / "bin"
    with open(root / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another build is under way: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
            finished = published(root)
            if finished:
                return finished[0] / "bin"
        for leftover in root.glob(".publish-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return build(root, progress) / "bin"


def main():
    parser = argparse.ArgumentParser(description="Build and cache Kubernetes for the cluster test.")
    parser.add_argument("--rebuild", action="store_true", help="build also when a build is cached")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # The compilers end too.
    try:
        print(ensure(arguments.quiet, arguments.rebuild))
    except BuildError as error:
        print(f"build_kubernetes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
