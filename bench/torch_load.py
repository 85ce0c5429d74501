#!/usr/bin/env python3
"""A PyTorch program that keeps a GPU at work, and says what it got done: bench/gpu_turns.py runs several beside each other.

    python3 bench/torch_load.py KIND [--seconds S]

It is spoken with as gpu_load is (bench/gpu_load.cc): it says "opened" when its model is built and warm, waits for "calibrate", says
"ready", and works at each line "go" or "go SECONDS", after which it says what came of it and "done".
"""

import argparse
import collections
import sys
import time
import typing

MOST_PIECES = 2  # That are under way.
REQUEST_EVERY = 0.01  # Seconds.
BATCH = 16 << 20  # Bytes of a copy from the host.


def layers(torch, width, count):
    """A model of so many linear layers."""
    made = []
    for _ in range(count):
        made += [torch.nn.Linear(width, width), torch.nn.ReLU()]
    return torch.nn.Sequential(*made)


def training(torch, model, batch):
    """A step of it."""
    with torch.no_grad():
        target = torch.zeros_like(model(batch))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step():
        optimizer.zero_grad()
        (model(batch) - target).square().mean().backward()
        optimizer.step()
    return step


def train(torch):
    """Eager, of small layers: its launches take longer than its kernels."""
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(),
                          nn.Linear(16 * 16 * 16, 256), layers(torch, 256, 6), nn.Linear(256, 10))
    return training(torch, model.to("cuda"), torch.randn(32, 3, 16, 16, device="cuda"))


def train_big(torch):
    """Eager, of layers that fill the GPU."""
    model = layers(torch, 4096, 8).to("cuda", torch.bfloat16)
    return training(torch, model, torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16))


def infer(torch):
    """A request of one sequence to twelve layers of a transformer."""
    one = [torch.nn.TransformerEncoderLayer(768, 12, batch_first=True) for _ in range(12)]
    model = torch.nn.Sequential(*one).to("cuda", torch.bfloat16).eval()
    tokens = torch.randn(1, 128, 768, device="cuda", dtype=torch.bfloat16)

    def step():
        with torch.no_grad():
            model(tokens)
    return step


def graph(torch):
    """Twenty layers, captured once."""
    model = layers(torch, 1024, 20).to("cuda", torch.bfloat16)
    batch = torch.randn(64, 1024, device="cuda", dtype=torch.bfloat16)
    captured = torch.cuda.CUDAGraph()
    with torch.no_grad():
        warm = torch.cuda.Stream()
        warm.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm):
            for _ in range(3):
                model(batch)
        torch.cuda.current_stream().wait_stream(warm)
        with torch.cuda.graph(captured):
            model(batch)

    # What it reads lives as long as it does.
    def step(kept=(model, batch)):
        del kept
        captured.replay()
    return step


def matrices(torch, width, count):
    return [torch.randn(width, width, device="cuda", dtype=torch.bfloat16) for _ in range(count)]


def gemm(torch):
    """A product of cuBLAS."""
    one, other, product = matrices(torch, 4096, 3)
    return lambda: torch.mm(one, other, out=product)


def copy(torch):
    """Within the device."""
    source = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def from_host(torch, is_pinned):
    source = torch.zeros(BATCH, dtype=torch.uint8, pin_memory=is_pinned)
    target = torch.empty(BATCH, dtype=torch.uint8, device="cuda")
    return lambda: target.copy_(source, non_blocking=is_pinned)


def h2d(torch):
    return from_host(torch, True)


def h2d_pageable(torch):
    return from_host(torch, False)


def streams(torch):
    """Products in eight streams of one thread, which are waited for together."""
    lanes = [(torch.cuda.Stream(), matrices(torch, 1024, 3)) for _ in range(8)]
    for lane, _ in lanes:
        lane.wait_stream(torch.cuda.current_stream())

    def step():
        for lane, (one, other, product) in lanes:
            with torch.cuda.stream(lane):
                for _ in range(4):
                    torch.mm(one, other, out=product)
        for lane, _ in lanes:
            torch.cuda.current_stream().wait_stream(lane)
    return step


class Kind(typing.NamedTuple):
    make: typing.Callable  # Of the module torch: what does a unit.
    units: int = 1  # Of a piece: about half a millisecond, or one.
    is_asked: bool = False  # Units are requests that come in a rhythm.


KINDS = {"train": Kind(train), "train_big": Kind(train_big), "infer": Kind(infer, is_asked=True), "graph": Kind(graph, 4),
         "gemm": Kind(gemm, 3), "copy": Kind(copy, 16), "h2d": Kind(h2d, 2), "h2d_pageable": Kind(h2d_pageable), "streams": Kind(streams)}


def inside(begin, end, close):
    """How much of what took from `begin` to `end` was before `close`."""
    if end <= close:
        return 1.0
    return max(0.0, (close - begin) / (end - begin))


def keep_busy(torch, kind, step, seconds):
    """What got done."""
    seen = time.monotonic()
    close = seen + seconds
    under_way = collections.deque()
    units, launches = 0.0, 0
    while under_way or time.monotonic() < close:
        is_open = time.monotonic() < close
        if is_open:
            for _ in range(kind.units):
                step()
            mark = torch.cuda.Event(blocking=True)
            mark.record()
            under_way.append(mark)
            launches += kind.units
        if under_way and (len(under_way) > MOST_PIECES or not is_open):
            under_way.popleft().synchronize()
            before, seen = seen, time.monotonic()
            units += kind.units * inside(before, seen, close)
    return {"units_done": units, "launches": launches}


def quantile(numbers, fraction):
    """Nearest rank; 0 of nothing."""
    return sorted(numbers)[int(fraction * (len(numbers) - 1))] if numbers else 0.0


def answer_requests(torch, step, seconds):
    """What got done. Nobody asks twice: what came during another request is given up."""
    due = time.monotonic()
    close = due + seconds
    latencies, missed, in_time = [], 0, 0
    while due < close:
        while due + REQUEST_EVERY < min(time.monotonic(), close):
            due += REQUEST_EVERY
            missed += 1
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() >= close:
            break
        step()
        torch.cuda.current_stream().synchronize()
        end = time.monotonic()
        latencies.append((end - due) * 1e6)
        in_time += end < close
        due += REQUEST_EVERY
    return {"units_done": in_time, "launches": len(latencies), "requests": len(latencies),
            "requests_missed": missed, "latency_p50_us": quantile(latencies, 0.5), "latency_p99_us": quantile(latencies, 0.99),
            "latency_max_us": quantile(latencies, 1)}


def work(torch, kind, step, seconds):
    done = answer_requests(torch, step, seconds) if kind.is_asked else keep_busy(torch, kind, step, seconds)
    for word, number in (done | {"elapsed_ms": seconds * 1e3}).items():
        print(f"{word} {number:.3f}")
    print("done", flush=True)


def give_up(why):
    raise SystemExit(f"torch_load: {why}")


def seconds_of(line, usual):
    """Of a line "go" or "go SECONDS"."""
    words = line.split()
    if words[:1] != ["go"] or len(words) > 2:
        give_up(f"instead of the line 'go' came '{line.strip()}'")
    try:
        seconds = float(words[1]) if len(words) == 2 else usual
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        give_up(f"go takes seconds, above 0 and up to 3600, not '{words[-1]}'")
    return seconds


def warmed(torch, kind):
    """What does a unit, having done it."""
    step = kind.make(torch)
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    return step


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args(argv)
    try:
        import torch  # pylint: disable=import-outside-toplevel  # Takes seconds, which bad words need not.
    except ImportError as problem:
        give_up(f"this Python has no PyTorch: {problem}")
    if not torch.cuda.is_available():
        give_up("this PyTorch finds no GPU")
    torch.set_num_threads(1)  # Several of these are beside each other.
    kind = KINDS[options.kind]
    step = warmed(torch, kind)
    print("opened", flush=True)
    line = sys.stdin.readline()
    if line.strip() != "calibrate":
        give_up(f"instead of the line 'calibrate' came '{line.strip()}'")
    print("ready", flush=True)
    for line in sys.stdin:
        work(torch, kind, step, seconds_of(line, options.seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
