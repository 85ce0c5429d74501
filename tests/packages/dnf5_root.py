#!/usr/bin/env python3
"""Makes a root that holds dnf 5 with all that it needs, of Debian sid: no other release has it.

Nothing is installed and the machine's apt is not touched (tests/engines/parts.py says how). The root
lies under GPUNODE_CACHE (default /var/cache/gpunode) in packages/<hash>/dnf5, where the hash is that
of what is taken, and is then used without asking the network. sid moves on: what is taken is what is
there that day, and packages/<hash>/dnf5.json says it.

    python3 tests/packages/dnf5_root.py
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engines"))
import parts  # noqa: E402

RELEASE = "sid"
PACKAGES = ("dnf5",)


def cache_root():
    return pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "packages"


def recipe():
    return hashlib.sha256(json.dumps([RELEASE, PACKAGES, parts.MERGED]).encode()).hexdigest()[:16]


def make(work):
    """Fills work/dnf5; returns what was taken."""
    root = work / "dnf5"
    parts.make_root(root)
    with tempfile.TemporaryDirectory(dir=work, prefix="apt-") as scratch:
        apt = parts.Apt(pathlib.Path(scratch), (RELEASE,))
        apt.run("update", "-o", "APT::Update::Error-Mode=any")
        apt.run("install", "-y", "--download-only", "--no-install-recommends", *PACKAGES)
        files = sorted((pathlib.Path(scratch) / "cache/archives").glob("*.deb"))
        for file in files:
            parts.unpack(file, root)
    for name in ("dev", "proc", "tmp", "etc"):
        (root / name).mkdir(exist_ok=True)
    # name_version_architecture.deb, with the epoch's colon as %3a.
    return dict(file.name.replace("%3a", ":").split("_")[:2] for file in files)


def ensure():
    """The root, made first if need be. Raises parts.PartsError."""
    cache = cache_root()
    final = cache / recipe()
    try:
        if (final / "dnf5.json").exists():
            return final / "dnf5"
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / "lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if (final / "dnf5.json").exists():
                return final / "dnf5"
            for path in cache.iterdir():  # Of other lists, and of makers that were killed.
                if path.is_dir():
                    shutil.rmtree(path)
            print(f"packages: unpacking dnf 5 of Debian {RELEASE} from {parts.mirror()}", flush=True)
            work = pathlib.Path(tempfile.mkdtemp(dir=cache, prefix="making-"))
            work.chmod(0o755)
            try:
                (work / "dnf5.json").write_text(json.dumps(make(work), indent=1))
                work.rename(final)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
    except OSError as error:
        raise parts.PartsError(f"{cache}: {error.strerror}; next: set GPUNODE_CACHE") from error
    return final / "dnf5"


def main():
    try:
        print(ensure())
    except parts.PartsError as error:
        sys.exit(f"packages: no dnf 5: {error}")


if __name__ == "__main__":
    main()
