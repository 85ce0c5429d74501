#!/usr/bin/env python3
"""Fail if a file includes what docs/layers.txt does not let its room include."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def read_table(path):
    """Returns (rooms, headers, problems); rooms and headers map to lists."""
    rooms, headers, bad = {}, {}, []
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, allowed = line.partition(":")
        name, allowed = name.strip(), allowed.split()
        if name.startswith("<"):
            headers[name.strip("<>")] = allowed
            continue
        # Allowing only names above makes a cycle impossible to write.
        bad += [f"{path.name}: {name} lists {a}, which is not above it"
                for a in allowed if a not in rooms]
        rooms[name] = allowed
    return rooms, headers, bad


def room_of(relative):
    """('base/core', True) for src/base/core/x.h; ('apps/agent', False) for apps/."""
    parts = relative.parts
    if parts[0] == "src":
        return "/".join(parts[1:3]), True
    return "/".join(parts[:2]), False


def angle_allowed(header, headers, room, path):
    for prefix, who in headers.items():
        matches = header == prefix or (prefix.endswith("/") and header.startswith(prefix))
        if matches and room not in who and not ("*.cc" in who and path.suffix == ".cc"):
            return False
    return True


def check(root):
    rooms, headers, bad = read_table(root / "docs/layers.txt")
    files = [p for top in ("src", "apps") for p in sorted((root / top).rglob("*"))
             if p.suffix in (".h", ".cc")]
    for path in files:
        relative = path.relative_to(root)
        room, in_house = room_of(relative)
        if in_house and room not in rooms:
            bad.append(f"{relative}: room {room} is not in docs/layers.txt")
            continue
        test = path.stem.endswith(("_test", "_bench", "_fuzz"))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            hit = INCLUDE.match(line)
            if not hit:
                continue
            quoted, angle = hit.groups()
            if angle:
                if not test and not angle_allowed(angle, headers, room, path):
                    bad.append(f"{relative}:{number}: {room} may not include <{angle}>")
                continue
            target = "/".join(quoted.split("/")[:2])
            if quoted.startswith("apps/") and in_house:
                bad.append(f"{relative}:{number}: nothing includes apps/")
            elif quoted.startswith("tests/") and not test:
                bad.append(f"{relative}:{number}: production code includes {quoted}")
            elif in_house and target in rooms and target != room and target not in rooms[room]:
                bad.append(f"{relative}:{number}: {room} may not include {target}")
            elif in_house and "/" not in quoted and not quoted.endswith(".pb.h"):
                bad.append(f"{relative}:{number}: write the path from src/: {quoted}")
    return bad


def unbuilt_tests(root):
    """Tests that exist but that no CMakeLists.txt names (leveldb's lesson)."""
    bad = []
    for top in ("src", "apps", "tests", "bench"):
        for path in sorted((root / top).rglob("*_test.cc")) + sorted((root / top).rglob("*_fuzz.cc")):
            folder, named = path.parent, False
            while folder != root.parent and not named:
                lists = folder / "CMakeLists.txt"
                named = lists.exists() and path.name in lists.read_text()
                folder = folder.parent
            if not named:
                bad.append(f"{path.relative_to(root)}: no CMakeLists.txt builds this test")
    return bad


if __name__ == "__main__":
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = check(top) + unbuilt_tests(top)
    print("\n".join(problems) or "layers: every include stays within its room")
    sys.exit(bool(problems))
