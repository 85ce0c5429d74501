#!/usr/bin/env python3
"""Writes a container image of ours as an archive, without an engine and without root.

The archive is an OCI image layout in a tar, with Docker's manifest.json beside it: what
`ctr images import`, `podman load`, `docker load` and `skopeo copy oci-archive:` read. The same files
give the same bytes, whoever builds it, where and when.

What is in it: of the agent's image, the agent under its names (one is gpunode, for `kubectl exec`), the
probe that loads NVML for that, the C library that both were linked with, and the places where a node's
directories are mounted; of the host's (`gpunode bring`), programs for a host, the first of which runs
here as well. No shell, no package manager, nothing else that runs.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

NAMES = ("nvidia-device-plugin", "gpu-feature-discovery", "config-manager", "gpunode")
# As Debian lays it, so that a container runtime finds the layout that it knows.
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin", "var/run": "../run"}
# A read-only root must have the places that something is mounted on.
PLACES = ("available-configs", "dev", "driver-root", "etc", "mps", "proc", "run/cdi", "run/gpunode/allocations", "sys", "tmp",
          "var/lib/gpunode", "var/lib/kubelet/device-plugins")
# Where the agent has it from (--share-library).
SHARE_LIBRARY = "usr/lib/gpunode/libgpunode-cuda.so"
HOST_PLACES = ("dev", "etc/gpunode-bring", "proc", "run", "sys", "tmp")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LOADERS = {"amd64": "usr/lib64/ld-linux-x86-64.so.2", "arm64": "usr/lib/ld-linux-aarch64.so.1"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def stripped(program, strip):
    with tempfile.TemporaryDirectory() as directory:
        target = pathlib.Path(directory) / "program"
        subprocess.run([strip, "--strip-all", "-o", str(target), str(program)], check=True)
        return target.read_bytes()


def library_path(name, machine):
    loader = LOADERS[machine]
    return loader if loader.endswith("/" + name) else f"usr/lib/{TRIPLETS[machine]}/{name}"


def contents(arguments):
    """path -> (mode, bytes of a file, or text of a link, or None for a directory)."""
    found = {}
    for program in arguments.host_program + arguments.beside:
        found[f"usr/bin/{program.name}"] = (0o755, stripped(program, arguments.strip))
    if arguments.agent:
        found["usr/bin/gpunode-agent"] = (0o755, stripped(arguments.agent, arguments.strip))
        for name in NAMES:
            found[f"usr/bin/{name}"] = (0o777, "gpunode-agent")
    for library in arguments.library:
        name, _, file = library.partition("=")
        found[library_path(name, arguments.machine)] = (0o755, pathlib.Path(file).read_bytes())
    if arguments.share_library:
        found[SHARE_LIBRARY] = (0o755, stripped(arguments.share_library, arguments.strip))
    for document in arguments.document:
        found[f"usr/share/doc/gpunode/{document.name}"] = (0o644, document.read_bytes())
    for link, target in LINKS.items():
        found[link] = (0o777, target)
    for place in PLACES if arguments.agent else HOST_PLACES:
        found[place] = (0o755, None)
    found["tmp"] = (0o1777, None)
    for path in list(found):
        for parent in pathlib.PurePosixPath(path).parents:
            if str(parent) != ".":
                found.setdefault(str(parent), (0o755, None))
    return dict(sorted(found.items()))


def member(path, mode, content):
    one = tarfile.TarInfo(path)
    one.mode = mode
    if content is None:
        one.type = tarfile.DIRTYPE
    elif isinstance(content, str):
        one.type, one.linkname = tarfile.SYMTYPE, content
    else:
        one.size = len(content)
    return one


def tar_of(files):
    """A tar of the files, owned by root, of the year 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (mode, content) in files.items():
            data = io.BytesIO(content) if isinstance(content, bytes) else None
            archive.addfile(member(path, mode, content), data)
    return buffer.getvalue()


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Layout:
    """The blobs of an image by digest."""

    def __init__(self):
        self.files = {}

    def add(self, media_type, data):
        """Keeps a blob; returns its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = (0o644, data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def path(self, descriptor):
        return f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"


def runs_as(arguments):
    """What is run in a container, with which environment, and what the image is called."""
    if not arguments.agent:
        # No word of GPUs: a container of it sees none.
        return arguments.host_program[0].name, ["PATH=/usr/bin"], "gpunode-host"
    # As NVIDIA's image: a container of it sees every GPU.
    return "gpunode-agent", ["PATH=/usr/bin", "NVIDIA_DISABLE_REQUIRE=true", "NVIDIA_VISIBLE_DEVICES=all",
                             "NVIDIA_DRIVER_CAPABILITIES=compute,utility"], "gpunode-agent"


def image(arguments):
    """The whole archive, and the manifest's digest."""
    layout = Layout()
    program, environment, title = runs_as(arguments)
    content = tar_of(contents(arguments))
    layer = layout.add(LAYER, gzip.compress(content, compresslevel=9, mtime=0))
    config = layout.add(CONFIG, as_json({
        "architecture": arguments.machine, "os": "linux",
        "config": {
            "Entrypoint": [f"/usr/bin/{program}"], "User": "0:0", "WorkingDir": "/",
            "Env": environment,
            "Labels": {"org.opencontainers.image.title": title,
                       "org.opencontainers.image.version": arguments.version,
                       "org.opencontainers.image.licenses": "Apache-2.0"},
        },
        "rootfs": {"type": "layers",
                   "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
        "history": [{"created_by": "deploy/image/build_image.py"}],
    }))
    manifest = layout.add(MANIFEST, as_json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}))
    named = manifest | {
        "platform": {"architecture": arguments.machine, "os": "linux"},
        "annotations": {"io.containerd.image.name": arguments.name,
                        "org.opencontainers.image.ref.name": arguments.name}}
    layout.files["oci-layout"] = (0o644, as_json({"imageLayoutVersion": "1.0.0"}))
    layout.files["index.json"] = (0o644, as_json({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}))
    layout.files["manifest.json"] = (0o644, as_json([{
        "Config": layout.path(config), "RepoTags": [arguments.name],
        "Layers": [layout.path(layer)]}]))
    return tar_of(dict(sorted(layout.files.items()))), manifest["digest"]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    content = parser.add_mutually_exclusive_group(required=True)
    content.add_argument("--agent", type=pathlib.Path)
    content.add_argument("--host-program", type=pathlib.Path, action="append", default=[],
                         help="for a host; the first is run in the container, too")
    parser.add_argument("--beside", type=pathlib.Path, action="append", default=[],
                        help="a program that the agent's runs")
    parser.add_argument("--version", required=True)
    parser.add_argument("--name", required=True, help="repository:tag")
    parser.add_argument("--machine", choices=sorted(LOADERS), default="amd64")
    parser.add_argument("--strip", default="strip", help="the program that strips symbols")
    parser.add_argument("--library", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--share-library", type=pathlib.Path,
                        help="what holds containers to their share of a GPU")
    parser.add_argument("--document", action="append", default=[], type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    return parser.parse_args(argv)


def main(argv):
    arguments = parse(argv)
    archive, digest = image(arguments)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    half = arguments.output.with_suffix(".half")
    half.write_bytes(archive)
    half.replace(arguments.output)
    print(f"{arguments.name} {digest}, {len(archive) / 1e6:.1f} MB in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
