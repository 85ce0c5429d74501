#!/usr/bin/env python3
"""A Pod's container, as an engine makes it: what the kubelet was answered goes into an OCI bundle, which gpunode-runtime completes
and a low-level runtime runs.

    pod_container.py DIRECTORY WORD...

runs WORD... in a container of DIRECTORY/pod.json (Pod.write), by create, start and delete, with this program's own stdin and stdout,
and ends as it ends.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests/gpu"))

import bundle  # pylint: disable=wrong-import-position

PR_SET_CHILD_SUBREAPER = 36
CONTAINER = "main"


class Answer(typing.NamedTuple):
    """Of Allocate, for one container."""
    envs: dict
    mounts: list  # (host's path, container's path, is read-only)
    devices: list  # (host's path, container's path, permissions)
    annotations: dict


def answer_of(lines):
    """From what kubelet-double prints of it."""
    answer = Answer({}, [], [], {})
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "env":
            name, _, answer.envs[name] = rest.partition("=")
        elif word == "annotation":
            name, _, answer.annotations[name] = rest.partition("=")
        elif word == "mount":
            outside, _, inside = rest.partition(" -> ")
            answer.mounts.append((outside, inside.removesuffix(" ro"), inside.endswith(" ro")))
        elif word == "device":
            outside, _, inside = rest.partition(" -> ")
            answer.devices.append((outside, *inside.rsplit(" ", 1)))
    return answer


def field(number, data):
    """Of a protobuf message, of bytes."""
    data = data.encode() if isinstance(data, str) else data
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def response(answer):
    """The ContainerAllocateResponse that came over the wire: the kubelet keeps it, and gpunode-runtime asks for it there."""
    out = b"".join(field(1, field(1, name) + field(2, value)) for name, value in answer.envs.items())
    for outside, inside, is_read_only in answer.mounts:
        out += field(2, field(1, inside) + field(2, outside) + bytes([3 << 3, is_read_only]))
    for outside, inside, permissions in answer.devices:
        out += field(3, field(1, inside) + field(2, outside) + field(3, permissions))
    return out + b"".join(field(4, field(1, name) + field(2, value)) for name, value in answer.annotations.items())


class Pod:
    """Of one container, whose root has programs and what they are linked to, and nothing of a driver."""

    def __init__(self, directory, name, uid, answer, environment):
        self.directory, self.name, self.uid = pathlib.Path(directory), name, uid
        self.answer, self.environment = answer, environment
        self.root = self.directory / "rootfs"

    def write(self, runtime, config, programs):
        """`runtime`: words that all calls begin with; `config`: its config.toml."""
        self.directory.mkdir(parents=True)
        for program in programs:
            bundle.copy_program(self.root, program, program.name)
        for name in ("etc", "proc", "dev", "tmp"):
            (self.root / name).mkdir(exist_ok=True)
        (self.directory / "pod.json").write_text(json.dumps(
            {"runtime": [str(word) for word in runtime], "environment": {"NVIDIA_CTK_CONFIG_FILE_PATH": str(config)},
             "spec": self.spec()}))

    def spec(self):
        """config.json, but for what is run."""
        mounts = [{"destination": inside, "type": "bind", "source": outside,
                   "options": ["rbind", "rprivate", "ro" if is_read_only else "rw"]}
                  for outside, inside, is_read_only in self.answer.mounts]
        who = {"sandbox-uid": self.uid, "sandbox-namespace": "default", "sandbox-name": self.name, "container-name": CONTAINER}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": True,
                "env": ["PATH=/usr/local/bin:/usr/bin:/bin",
                        *(f"{name}={value}" for name, value in (self.environment | self.answer.envs).items())],
                "capabilities": {kind: list(bundle.CAPABILITIES) for kind in ("bounding", "effective", "permitted")}},
            "root": {"path": str(self.root)},
            "hostname": self.name,
            "mounts": [*bundle.MOUNTS, *mounts],
            "annotations": {f"io.kubernetes.cri.{key}": value for key, value in who.items()} | self.answer.annotations,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                      "resources": {"devices": [{"allow": False, "access": "rwm"}]}}}

    def program(self, name):
        """What is called as `name` would be and runs it in a container."""
        path = self.directory / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "pod_container.py"}" "{self.directory}" "/usr/bin/{name}" "$@"\n')
        path.chmod(0o755)
        return path

    def process(self):
        """Of the container that runs, as the host counts."""
        for path in self.directory.glob("run-*/pid"):
            return int(path.read_text())
        return None

    def end(self):
        """Whatever is left of its containers."""
        for path in self.directory.glob("run-*"):
            called(self.directory, "delete", "--force", name_of(path), output=subprocess.DEVNULL)


def name_of(place):
    return f"gpunode-{place.parent.name}-{place.name}"


def called(directory, *words, output=None, given=None):
    """Exit status of the runtime, whose words go to stderr; a container has what is `given` as its stdin and this one's stdout."""
    told = json.loads((directory / "pod.json").read_text())
    return subprocess.run([*told["runtime"], *map(str, words)], env=os.environ | told["environment"], check=False,
                          stdin=given or subprocess.DEVNULL, stdout=output).returncode


def run(directory, words):
    """The container's exit status, from create to delete."""
    place = directory / f"run-{os.getpid()}"
    place.mkdir()
    spec = json.loads((directory / "pod.json").read_text())["spec"]
    spec["process"]["args"] = words
    (place / "config.json").write_text(json.dumps(spec))
    name = name_of(place)
    try:
        status = called(directory, "create", "--bundle", place, "--pid-file", place / "pid", name, given=sys.stdin)
        if status == 0:
            pid = int((place / "pid").read_text())
            status = called(directory, "start", name)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if status == 0 else status
    finally:
        called(directory, "delete", "--force", name, output=subprocess.DEVNULL)
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


def main(argv):
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    # The container's first process is this one's child, to be waited for.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return run(pathlib.Path(argv[0]), argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
