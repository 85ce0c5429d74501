#!/usr/bin/env python3
"""Takes device memory by every path of the CUDA driver, for share_test.py, which reads and writes its standard streams.

A line in is `PATH BYTES`: takes blocks until it is refused, says `BLOCKS CODE`, and at the next line gives all back and says
`free`. `capture`, `time` and `quit` are deeds of their own."""

import ctypes
import sys
import time

MIB = 1 << 20
DEVICE, PINNED, FLOAT, GLOBAL = 1, 1, 0x20, 0
CUDA = ctypes.CDLL("libcuda.so.1")
U64, POINTER, SIZE, INT, UINT = ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint


class Location(ctypes.Structure):
    _fields_ = [("type", INT), ("id", INT)]


class Physical(ctypes.Structure):
    _fields_ = [("type", INT), ("handles", INT), ("location", Location), ("unused", POINTER), ("flags", U64)]


class PoolProperties(ctypes.Structure):
    _fields_ = [("type", INT), ("handles", INT), ("location", Location), ("unused", POINTER), ("most", SIZE),
                ("usage", ctypes.c_ushort), ("reserved", ctypes.c_ubyte * 54)]


class AllocNode(ctypes.Structure):
    _fields_ = [("pool", PoolProperties), ("access", POINTER), ("accesses", SIZE), ("bytes", SIZE), ("address", U64)]


class Array(ctypes.Structure):
    _fields_ = [("width", SIZE), ("height", SIZE), ("depth", SIZE), ("format", INT), ("channels", UINT), ("flags", UINT)]


class Refused(Exception):
    pass


def call(name, *arguments):
    code = getattr(CUDA, name)(*arguments)
    if code:
        raise Refused(code)


def new(kind, name, *arguments):
    made = kind()
    call(name, ctypes.byref(made), *arguments)
    return made


POOL = PoolProperties(PINNED, 0, Location(DEVICE, 0))


class Paths:
    """Each path: how a block is taken, and how it is given back."""

    def __init__(self):
        call("cuInit", 0)
        call("cuCtxSetCurrent", new(POINTER, "cuDevicePrimaryCtxRetain", 0))
        self.stream = new(POINTER, "cuStreamCreate", 1)
        self.own = new(POINTER, "cuMemPoolCreate", ctypes.byref(POOL))

    def data(self, size):
        return new(U64, "cuMemAlloc_v2", SIZE(size))

    def data_free(self, key):
        call("cuMemFree_v2", key)

    def managed(self, size):
        return new(U64, "cuMemAllocManaged", SIZE(size), UINT(1))

    managed_free = data_free

    def array(self, size):
        return new(POINTER, "cuArray3DCreate_v2", ctypes.byref(Array(1024, size // 16384, 0, FLOAT, 4, 0)))

    def array_free(self, key):
        call("cuArrayDestroy", key)

    def mipmap(self, size):
        shape = Array(1024, size // 16384, 0, FLOAT, 4, 0)
        return new(POINTER, "cuMipmappedArrayCreate", ctypes.byref(shape), UINT(5))

    def mipmap_free(self, key):
        call("cuMipmappedArrayDestroy", key)

    def virtual(self, size):
        return new(U64, "cuMemCreate", SIZE(size), ctypes.byref(Physical(PINNED, 0, Location(DEVICE, 0))), U64(0))

    def virtual_free(self, key):
        call("cuMemRelease", key)

    def mapped(self, size):
        """As growing segments of PyTorch have it: only the mapping holds it."""
        handle = self.virtual(size)
        address = new(U64, "cuMemAddressReserve", SIZE(size), SIZE(0), U64(0), U64(0))
        call("cuMemMap", address, SIZE(size), SIZE(0), handle, U64(0))
        call("cuMemRelease", handle)
        return address, size

    def mapped_free(self, key):
        call("cuMemUnmap", key[0], SIZE(key[1]))
        call("cuMemAddressFree", key[0], SIZE(key[1]))

    def pool(self, size):
        return new(U64, "cuMemAllocAsync", SIZE(size), self.stream)

    def pool_free(self, key):
        call("cuMemFreeAsync", key, self.stream)

    def ownpool(self, size):
        return new(U64, "cuMemAllocFromPoolAsync", SIZE(size), self.own, self.stream)

    ownpool_free = pool_free

    def graph(self, size):
        """One of two nodes that hold a half each, launched."""
        graph = new(POINTER, "cuGraphCreate", UINT(0))
        before = None
        addresses = []
        for _ in range(2):
            node, taken = POINTER(), AllocNode(POOL, None, 0, size // 2, 0)
            call("cuGraphAddMemAllocNode", ctypes.byref(node), graph, ctypes.byref(before) if before else None,
                 SIZE(1 if before else 0), ctypes.byref(taken))
            before = node
            addresses.append(taken.address)
        instance = new(POINTER, "cuGraphInstantiateWithFlags", graph, U64(0))
        call("cuGraphLaunch", instance, self.stream)
        return graph, instance, addresses

    def graph_free(self, key):
        graph, instance, addresses = key
        for address in addresses:
            call("cuMemFreeAsync", U64(address), self.stream)
        call("cuStreamSynchronize", self.stream)
        call("cuGraphExecDestroy", instance)
        call("cuGraphDestroy", graph)
        call("cuDeviceGraphMemTrim", 0)

    def capture(self, size):
        """A capture in which memory is taken is not spoiled by what the library asks meanwhile."""
        call("cuStreamBeginCapture_v2", self.stream, INT(GLOBAL))
        address = self.pool(size)
        self.pool_free(address)
        graph = POINTER()
        call("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        instance = new(POINTER, "cuGraphInstantiateWithFlags", graph, U64(0))
        for _ in range(2):
            call("cuGraphLaunch", instance, self.stream)
        call("cuStreamSynchronize", self.stream)
        call("cuGraphExecDestroy", instance)
        call("cuGraphDestroy", graph)
        call("cuDeviceGraphMemTrim", 0)


def until_refused(take, size):
    taken = []
    try:
        while len(taken) < 4096:
            taken.append(take(size))
    except Refused as refused:
        return taken, refused.args[0]
    return taken, 0


def microseconds(deed, times=2000):
    best = None
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            deed()
        spent = (time.perf_counter() - start) / times * 1e6
        best = spent if best is None else min(best, spent)
    return best


def times_of(paths):
    deeds = {"alloc 4 KiB": (paths.data, paths.data_free, 4096), "alloc 16 MiB": (paths.data, paths.data_free, 16 * MIB),
             "async 4 KiB": (paths.pool, paths.pool_free, 4096), "array 1 MiB": (paths.array, paths.array_free, MIB)}
    kept = paths.pool(4096)  # So that the pool keeps its memory.
    lines = [f"{name}: {microseconds(lambda t=take, g=give, s=size: g(t(s))):.2f}"
             for name, (take, give, size) in deeds.items()]
    paths.pool_free(kept)
    call("cuStreamSynchronize", paths.stream)
    return "; ".join(lines)


def say(line):
    print(line, flush=True)


def main():
    paths = Paths()
    say("ready")
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            break
        if words[0] == "time":
            say(times_of(paths))
            continue
        if words[0] == "capture":
            try:
                paths.capture(40 * MIB)
                say("captured 0")
            except Refused as refused:
                say(f"captured {refused.args[0]}")
            continue
        taken, code = until_refused(getattr(paths, words[0]), int(words[1]))
        say(f"{len(taken)} {code}")
        sys.stdin.readline()
        for key in taken:
            getattr(paths, words[0] + "_free")(key)
        call("cuCtxSynchronize")
        say("free")
    return 0


if __name__ == "__main__":
    sys.exit(main())
