"""Container images built on the spot, without a registry: a root directory, then `docker load`'s
archive format, which containerd imports. The archive is written here: it is a tar of three files.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import tarfile

from process import Failed, run


def needed_libraries(program):
    """What the loader maps for a program or library, the loader itself too: path -> file."""
    shown = run(["ldd", str(program)], timeout=20, check=False).stdout
    if "statically linked" in shown or "not a dynamic executable" in shown:
        return {}
    missing = re.findall(r"(\S+) => not found", shown)
    if missing:
        raise Failed(f"{program} needs libraries that are not here: {', '.join(missing)}")
    return {path: os.path.realpath(path) for path in re.findall(r"(/\S+) \(0x", shown)}


class RootDirectory:
    """An image's files, gathered in a directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    def add(self, source, inside, mode=0o755):
        target = self.directory / str(inside).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)

    def write(self, inside, text):
        target = self.directory / str(inside).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add_program(self, source, inside):
        self.add(source, inside)
        self.add_libraries_of(source)

    def add_libraries_of(self, source):
        """Each library at the path that the loader names: its own search list holds there too."""
        for path, file in needed_libraries(source).items():
            self.add(file, path)


def library_directory(program):
    """Where this machine's loader looks for libraries, taken from where it found libc."""
    for path in needed_libraries(program):
        if os.path.basename(path).startswith("libc.so"):
            return os.path.dirname(path)
    raise Failed(f"{program} does not use the C library: no place is known for libcuda.so.1")


def layer(root):
    """The directory as one tar, the same bytes for the same files."""
    def plain(member):
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(root.rglob("*")):
            archive.add(path, arcname=path.relative_to(root), recursive=False, filter=plain)
    return buffer.getvalue()


def write_archive(target, root, name, entrypoint, environment=(), machine="amd64"):
    """Writes `target` for `docker load` and `ctr images import`."""
    content = layer(root)
    digest = hashlib.sha256(content).hexdigest()
    config = json.dumps({
        "architecture": machine, "os": "linux",
        "config": {"Entrypoint": list(entrypoint),
                   "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *environment]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "tests/cluster/images.py"}],
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name],
                            "Layers": [f"{digest}/layer.tar"]}]).encode()
    with tarfile.open(target, "w") as archive:
        for path, data in ((config_name, config), (f"{digest}/layer.tar", content),
                           ("manifest.json", manifest)):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
