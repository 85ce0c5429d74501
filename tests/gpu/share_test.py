#!/usr/bin/env python3
"""Every path to device memory under a limit, on a real GPU (T3): libgpunode-cuda.so in a program beside files that a node would
have made, and beside it a view of the whole device by a process that has no library.

Ends with 77, a skip, where there is no driver. It wants the GPU for itself: what others take meanwhile counts as ours. With
--double it does the same on the CUDA double, where no process sees another's memory, so that the ledger alone is looked at."""

import argparse
import ctypes
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77
MIB = 1 << 20
OUT_OF_MEMORY = 2
SLOTS = 64
LINE = 64
HERE = pathlib.Path(__file__).resolve().parent

# Path, bytes of a block, and how many of it a limit of 1 GiB beside the context has room for.
LIMIT = 1024 * MIB
PATHS = [("data", 64 * MIB, 16), ("data", 33 * MIB, 30), ("managed", 64 * MIB, None), ("array", 64 * MIB, 16),
         ("array", 15 * MIB, 64), ("mipmap", 16 * MIB, 46), ("virtual", 64 * MIB, 16), ("mapped", 64 * MIB, 16),
         ("pool", 64 * MIB, 16), ("pool", 20 * MIB, 32), ("pool", 100 * MIB, 8), ("ownpool", 48 * MIB, 16),
         ("graph", 64 * MIB, 16)]
# Of managed memory nothing is on the device before it is touched.
NOT_ON_DEVICE = ("managed",)


def lay(directory, uuid):
    """The two files, as docs/formats/ledger.md has them."""
    limits = struct.pack("<8sIIII", b"GNODLMT1", 1, 1, SLOTS, 0).ljust(LINE, b"\0")
    limits += struct.pack("<48sQQ", uuid.encode(), LIMIT, 0).ljust(2 * LINE, b"\0") + bytes(4 * SLOTS)
    (directory / "limits").write_bytes(limits)
    ledger = struct.pack("<8sIIIIQ", b"GNODLGR1", 1, 1, SLOTS, 0, 0).ljust(LINE, b"\0")
    (directory / "ledger").write_bytes(ledger + bytes(LINE + SLOTS * 2 * LINE))


CONTEXT = 5  # Of the eight kinds in a cell.


def kinds(directory):
    """Bytes that all slots hold of the device, by kind."""
    ledger = (directory / "ledger").read_bytes()
    cells = [struct.unpack_from("<8Q", ledger, (3 + 2 * slot) * LINE) for slot in range(SLOTS)]
    return [sum(kind) for kind in zip(*cells)]


def charged(directory):
    """Bytes beside contexts."""
    held = kinds(directory)
    return sum(held) - held[CONTEXT]


def make_room_for_the_context(directory):
    """The program has one by now: the limit is what comes beside it. In place, as the node does."""
    with open(directory / "limits", "r+b") as limits:
        limits.seek(LINE + 48)
        limits.write(struct.pack("<Q", LIMIT + kinds(directory)[CONTEXT]))


class Device:
    """The device as a process without a limit sees it."""

    def __init__(self):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        context, uuid = ctypes.c_void_p(), (ctypes.c_ubyte * 16)()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self.call("cuCtxSetCurrent", context)
        self.call("cuDeviceGetUuid_v2", uuid, 0)
        text = bytes(uuid).hex()
        self.uuid = "GPU-" + "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def call(self, name, *arguments):
        code = getattr(self.cuda, name)(*arguments)
        if code:
            raise SystemExit(f"{name} gives {code}")

    def free(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value


class Taker:
    def __init__(self, library=None):
        environment = dict(os.environ)
        if library:
            environment["LD_PRELOAD"] = str(library)
        self.process = subprocess.Popen([sys.executable, str(HERE / "share_taker.py")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        self.read()

    def read(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit(f"the taker ended: {self.process.wait()}")
        return line

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        return self.process.wait()


# A real pool puts blocks into pieces of what it has; the double's takes a step for each.
IN_PIECES = ("pool", "ownpool")


def judge(path, expected, answer, held, ledger, rest):
    """What is wrong: `held` and `ledger` at the limit, `rest` of the ledger after all was given back."""
    blocks, code = (int(word) for word in answer.split())
    problems = []
    if code != OUT_OF_MEMORY:
        problems.append(f"refused with {code}, not {OUT_OF_MEMORY}")
    is_real_pool = held is not None and path in IN_PIECES
    if expected is not None and (blocks < expected if is_real_pool else blocks != expected):
        problems.append(f"{blocks} blocks, not {expected}")
    if ledger > LIMIT:
        problems.append(f"{ledger} bytes are charged, above the limit")
    if held is not None and path not in NOT_ON_DEVICE and held != ledger:
        problems.append(f"the device has given {held / MIB} MiB, and {ledger / MIB} are charged")
    if rest != 0:
        problems.append(f"{rest} bytes stay charged after all was given back")
    return problems


def run(options, directory):
    device = Device()
    lay(directory, device.uuid)
    library = directory / "libgpunode-cuda.so"
    shutil.copyfile(options.library, library)
    taker = Taker(library)
    problems = []
    taker.ask("data 2097152")  # Makes the context, if nothing has.
    taker.ask("give")
    make_room_for_the_context(directory)
    for path, size, expected in PATHS:
        if options.double and path == "graph":
            continue  # It can't free what a launched graph took.
        before = device.free()
        answer = taker.ask(f"{path} {size}")
        held = None if options.double else before - device.free()
        ledger = charged(directory)
        taker.ask("give")
        wrong = judge(path, expected, answer, held, ledger, charged(directory))
        print(f"{path} of {size / MIB} MiB: {answer}, held {held if held is None else held / MIB}, charged {ledger / MIB}: "
              + ("; ".join(wrong) or "well"), flush=True)
        problems += wrong
    if not options.double:
        answer = taker.ask("capture")
        problems += [] if answer == "captured 0" else [answer]
        print(f"{answer}\nwith the library, us: {taker.ask('time')}")
        bare = Taker()
        print(f"without it, us: {bare.ask('time')}")
        bare.end()
    taker.end()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--double", action="store_true")
    options = parser.parse_args()
    if not options.double and not pathlib.Path("/proc/driver/nvidia").exists():
        print("no NVIDIA driver here")
        return SKIPPED
    with tempfile.TemporaryDirectory() as directory:
        problems = run(options, pathlib.Path(directory))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
