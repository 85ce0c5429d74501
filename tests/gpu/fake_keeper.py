#!/usr/bin/env python3
"""A turn_keeper (bench/load_group.py) that lays grants but keeps no turns: for tests of what runs beside one. What it was told
goes into the file that FAKE_KEEPER_LOG names; part 0.6666 is one that it refuses."""

import os
import pathlib
import shutil
import sys

import share_test


def main(directory, library, policy, *parts):
    if "0.6666" in parts:
        raise SystemExit("a part that is refused")
    uuid = share_test.Device().uuid
    for number in range(len(parts)):
        place = pathlib.Path(directory) / str(number)
        place.mkdir()
        share_test.lay(place, uuid)
        shutil.copyfile(library, place / "libgpunode-cuda.so")
    print("ready", flush=True)
    told = [line.strip() for line in sys.stdin]
    with open(os.environ.get("FAKE_KEEPER_LOG", os.devnull), "a", encoding="utf-8") as log:
        log.write(f"{policy} {' '.join(parts)}: {', '.join(told)}\n")
    for number in range(len(parts)):
        print(f"{100 + number}.5 {number + 10} 7.25 {number + 1000}")


if __name__ == "__main__":
    main(*sys.argv[1:])
