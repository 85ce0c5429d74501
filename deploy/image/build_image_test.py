#!/usr/bin/env python3
"""build_image.py: the same bytes whoever builds, and an image that is what its index says."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

BUILDER = pathlib.Path(__file__).resolve().parent / "build_image.py"
NAME = "gpunode.example/gpunode-agent:9.9"


def build(directory, umask=0o022, zone="UTC", when=None, library="libc.so.6"):
    """An image of a program that is this machine's own; returns the archive's bytes."""
    directory.mkdir()
    program, libc = directory / "agent", directory / "libc-file"
    probe = directory / "gpunode-probe"
    for path in (program, probe):
        path.write_bytes(pathlib.Path("/bin/true").read_bytes())
    libc.write_bytes(b"a library")
    notice = directory / "NOTICE"
    notice.write_text("whose it is\n")
    for path in (program, probe, libc, notice):
        os.utime(path, (when or time.time(),) * 2)
    output = directory / "out/image.tar"
    subprocess.run(
        ["sh", "-c", f'umask {umask:o}; exec "$@"', "sh", sys.executable, str(BUILDER),
         "--agent", str(program), "--beside", str(probe), "--version", "9.9", "--name", NAME,
         "--library", f"{library}={libc}", "--library", f"ld-linux-x86-64.so.2={libc}",
         "--share-library", str(program), "--document", str(notice), "--output", str(output)],
        check=True, capture_output=True, timeout=120,
        env={"PATH": os.environ["PATH"], "TZ": zone, "PYTHONHASHSEED": str(umask)})
    return output.read_bytes()


class Image(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def files(self, data):
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}

    def layer(self, files):
        manifest = json.loads(files["manifest.json"])[0]
        return tarfile.open(fileobj=io.BytesIO(files[manifest["Layers"][0]]))

    def test_two_builds_are_the_same_bytes(self):
        one = build(self.directory / "one")
        other = build(self.directory / "another-place", 0o077, "Asia/Tokyo", when=86400)
        self.assertEqual(hashlib.sha256(one).hexdigest(), hashlib.sha256(other).hexdigest())

    def test_other_contents_are_another_image(self):
        one = build(self.directory / "one")
        other = build(self.directory / "other", library="libm.so.6")
        self.assertNotEqual(one, other)

    def test_every_blob_has_its_digest_and_size(self):
        files = self.files(build(self.directory / "one"))
        index = json.loads(files["index.json"])["manifests"][0]
        manifest = json.loads(self.blob(files, index))
        for descriptor in (manifest["config"], *manifest["layers"]):
            self.blob(files, descriptor)
        config = json.loads(self.blob(files, manifest["config"]))
        content = gzip.decompress(self.blob(files, manifest["layers"][0]))
        self.assertEqual(config["rootfs"]["diff_ids"],
                         ["sha256:" + hashlib.sha256(content).hexdigest()])
        self.assertEqual(index["annotations"]["io.containerd.image.name"], NAME)
        self.assertEqual(json.loads(files["manifest.json"])[0]["RepoTags"], [NAME])

    def blob(self, files, descriptor):
        data = files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
        self.assertEqual(hashlib.sha256(data).hexdigest(), descriptor["digest"][7:])
        self.assertEqual(len(data), descriptor["size"])
        return data

    def test_what_is_in_it_and_nothing_else_that_runs(self):
        with self.layer(self.files(build(self.directory / "one"))) as layer:
            members = {one.name: one for one in layer}
        programs = {name for name, one in members.items() if one.isfile() and one.mode & 0o111}
        self.assertEqual(programs, {"usr/bin/gpunode-agent", "usr/bin/gpunode-probe",
                                    "usr/lib/gpunode/libgpunode-cuda.so",
                                    "usr/lib64/ld-linux-x86-64.so.2",
                                    "usr/lib/x86_64-linux-gnu/libc.so.6"})
        for name in ("nvidia-device-plugin", "gpu-feature-discovery", "config-manager", "gpunode"):
            self.assertEqual(members[f"usr/bin/{name}"].linkname, "gpunode-agent")
        self.assertEqual(members["lib64"].linkname, "usr/lib64")
        for place in ("var/lib/kubelet/device-plugins", "driver-root", "run/cdi", "run/gpunode/allocations",
                      "proc"):
            self.assertTrue(members[place].isdir(), place)
        for one in members.values():
            self.assertEqual((one.uid, one.gid, one.mtime), (0, 0, 0))
            self.assertFalse(one.mode & 0o6000 or (one.isfile() and one.mode & 0o022), one.name)

    def test_parents_come_before_children(self):
        with self.layer(self.files(build(self.directory / "one"))) as layer:
            seen = set()
            for name in layer.getnames():
                parent = str(pathlib.PurePosixPath(name).parent)
                self.assertTrue(parent == "." or parent in seen, name)
                seen.add(name)


class HostImage(unittest.TestCase):
    def test_has_programs_alone_and_no_word_of_gpus(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            for program in ("gpunode", "gpunode-runtime"):
                (directory / program).write_bytes(pathlib.Path("/bin/true").read_bytes())
            output = directory / "host.tar"
            subprocess.run([sys.executable, str(BUILDER), "--host-program", str(directory / "gpunode"),
                            "--host-program", str(directory / "gpunode-runtime"), "--version", "9.9",
                            "--name", "x/gpunode-host:9.9", "--output", str(output)],
                           check=True, capture_output=True, timeout=120)
            with tarfile.open(output) as archive:
                manifest = json.load(archive.extractfile("manifest.json"))[0]
                config = json.load(archive.extractfile(manifest["Config"]))["config"]
                layer = tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0]))
                files = {one.name for one in layer if one.isfile()}
                places = set(layer.getnames())
        self.assertEqual(files, {"usr/bin/gpunode", "usr/bin/gpunode-runtime"})
        self.assertIn("etc/gpunode-bring", places)
        self.assertEqual(config["Entrypoint"], ["/usr/bin/gpunode"])
        self.assertEqual(config["Env"], ["PATH=/usr/bin"])


if __name__ == "__main__":
    unittest.main()
