#!/usr/bin/env python3
"""systemd reads the units as they will be installed, and the udev rules name
nothing that is not there. Exit 77: this machine has no systemd-analyze."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIP = 77


def lay_units(root: pathlib.Path) -> list[pathlib.Path]:
    """Writes the units to root, with programs where gpunode's will be."""
    for name in ("gpunode", "gpunode-agent"):
        program = root / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    units = []
    for template in sorted(HERE.glob("*.in")):
        text = template.read_text().replace("@GPUNODE_BINDIR@", str(root))
        if "@" in re.sub(r"@system-service", "", text):
            sys.exit(f"{template.name}: a placeholder that nobody fills")
        # The machine that builds may have no modules to load.
        text = text.replace("/sbin/modprobe", str(program))
        unit = root / template.stem
        unit.write_text(text)
        units.append(unit)
    return units


def check_rules() -> None:
    text = (HERE / "90-gpunode-cdi.rules").read_text()
    labels = set(re.findall(r'LABEL="(\w+)"', text))
    for target in re.findall(r'GOTO="(\w+)"', text):
        if target not in labels:
            sys.exit(f"90-gpunode-cdi.rules: no label {target}")
    for unit in re.findall(r"[\w-]+\.service", text):
        if not (HERE / (unit + ".in")).exists():
            sys.exit(f"90-gpunode-cdi.rules: no unit {unit}")


def check_agent() -> None:
    """The agent's unit asks for what the program knows, and for no more rights than the chart."""
    text = (HERE / "gpunode-agent.service.in").read_text()
    for wanted in ("NoNewPrivileges=yes", "ProtectSystem=strict", "SystemCallFilter=@system-service",
                   "CapabilityBoundingSet=CAP_SYS_ADMIN\n"):
        if wanted not in text:
            sys.exit(f"gpunode-agent.service: {wanted.strip()} is missing")
    if "agent" in (HERE / "80-gpunode.preset").read_text():
        sys.exit("80-gpunode.preset: the agent would run beside the chart's on every node")


def main() -> int:
    check_rules()
    check_agent()
    if shutil.which("systemd-analyze") is None:
        print("skipped: no systemd-analyze here")
        return SKIP
    with tempfile.TemporaryDirectory() as directory:
        units = lay_units(pathlib.Path(directory))
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *map(str, units)],
            capture_output=True, text=True, timeout=60, check=False)
    # Other units of the machine may have faults of their own.
    ours = [line for line in result.stderr.splitlines() if "gpunode" in line]
    for line in ours:
        print(line)
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main())
