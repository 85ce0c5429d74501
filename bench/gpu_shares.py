#!/usr/bin/env python3
"""What shares cost on a real GPU, and how exact they are: programs with libgpunode-cuda.so, without it,
and with HAMi-core's library if that is given, in turn.

    python3 bench/gpu_shares.py --build-dir build/dev [--hami /usr/local/vgpu/libvgpu.so] [--rounds 10]

Or: make bench-gpu [HAMI=...]. HAMi-core looks for its own file in /usr/local/vgpu, so that is where it has to be. Takes a minute
or two and the GPU for itself. The limit is the whole
GPU where costs are measured, and 2 GiB where exactness is. Numbers are medians over the rounds; behind
them, how far the middle half of the rounds lies apart.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROWS = (("start_ms", "start-up to the first context, ms"),
        ("launch_us", "kernel launch, µs"),
        ("launch100_sync_us", "100 launches and a synchronise, µs"),
        ("sync_us", "cuStreamSynchronize, nothing to wait for, µs"),
        ("alloc_free_alone_4k_us", "cuMemAlloc + cuMemFree 4 KiB, no other block, µs"),
        ("alloc_free_4k_us", "cuMemAlloc + cuMemFree 4 KiB beside another, µs"),
        ("alloc_free_16m_us", "cuMemAlloc + cuMemFree 16 MiB, µs"),
        ("alloc_free_async_1m_us", "cuMemAllocAsync + cuMemFreeAsync 1 MiB, µs"),
        ("memory_info_us", "cuMemGetInfo, µs"))
LIMIT_MIB = 2048
BLOCK = 2 << 20


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("build/dev"))
    parser.add_argument("--hami", type=pathlib.Path, help="HAMi-core's libvgpu.so")
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args(argv)


class Bench:
    def __init__(self, arguments, scratch):
        self.program = (arguments.build_dir / "bench/share_bench").resolve()
        self.library = (arguments.build_dir / "src/share/intercept/libgpunode-cuda.so").resolve()
        self.hami = arguments.hami and arguments.hami.resolve()
        self.scratch = pathlib.Path(scratch)

    def environment(self, variant, mib):
        """Of a program that is held to so much; 0: to the whole GPU."""
        if variant == "ours":
            directory = self.scratch / f"share-{mib}"
            self.run("lay", directory, self.library, mib)
            return {"LD_PRELOAD": str(directory / "0/libgpunode-cuda.so")}
        if variant == "HAMi-core":
            limit = {"CUDA_DEVICE_MEMORY_LIMIT_0": f"{mib}m"} if mib else {}
            cache = self.scratch / f"hami-{mib}"
            cache.unlink(missing_ok=True)
            return limit | {"LD_PRELOAD": str(self.hami), "LIBCUDA_LOG_LEVEL": "0",
                            "CUDA_DEVICE_MEMORY_SHARED_CACHE": str(cache)}
        return {}

    def run(self, *words, environment=None):
        done = subprocess.run([str(self.program), *map(str, words)], text=True, capture_output=True,
                              env=os.environ | (environment or {}), timeout=300, check=False)
        numbers = {word: float(number) for word, number
                   in re.findall(r"^(\w+) (-?[\d.]+)$", done.stdout, re.MULTILINE)}
        if done.returncode != 0 and not numbers and words[0] != "lay":
            print(f"{words[0]}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return numbers


def measure(bench, variants, rounds):
    """variant -> word -> numbers, a round each; the order turns round by round."""
    found = {variant: {} for variant in variants}
    for turn in range(rounds):
        for variant in variants if turn % 2 else variants[::-1]:
            numbers = bench.run("probe", environment=bench.environment(variant, 0))
            for word, number in numbers.items():
                found[variant].setdefault(word, []).append(number)
    return found


def spread(numbers):
    if len(numbers) < 4:
        return 0.0
    low, _, high = statistics.quantiles(numbers, n=4)
    return high - low


def table(found, variants):
    print(f"{'':52}" + "".join(f"{variant:>24}" for variant in variants))
    for word, name in ROWS:
        bare = statistics.median(found["bare"].get(word, [float("nan")]))
        line = f"{name:52}"
        for variant in variants:
            numbers = found[variant].get(word)
            if not numbers:
                line += f"{'-':>24}"
                continue
            median = statistics.median(numbers)
            more = "" if variant == "bare" else f" {median - bare:+.2f}"
            line += f"{f'{median:.2f} ±{spread(numbers) / 2:.2f}{more}':>24}"
        print(line)


def exactness(bench, variants):
    print(f"\ncuMemAlloc of 2 MiB until refused, limit {LIMIT_MIB} MiB:")
    for variant in variants:
        if variant == "bare":
            continue
        got = bench.run("take", BLOCK, environment=bench.environment(variant, LIMIT_MIB))
        print(f"  {variant}: {got.get('taken_mib', float('nan')):.0f} MiB beside the context,"
              f" refused with {got.get('refused_with', float('nan')):.0f}")


def main(argv):
    arguments = parse(argv)
    variants = ["bare", "ours"] + (["HAMi-core"] if arguments.hami else [])
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments, scratch)
        if not bench.run("probe"):
            return 1
        table(measure(bench, variants, arguments.rounds), variants)
        exactness(bench, variants)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
