#!/usr/bin/env python3
"""`gpunode facts`, `doctor` and `verify` on a real GPU machine (T3): they only read.

Needs a driver; exits with 77, a skip, where there is none. What the programs said is kept in --output, for who looks at it
afterwards. A machine that is well fails nothing: no bad finding, no failed check, and the same GPUs by PCI, NVML and CUDA. In a
container, which a lent machine often is, the kernel's own files may be another's: that a check is skipped is no failure."""

import argparse
import json
import pathlib
import subprocess
import sys

SKIPPED = 77
DRIVER = pathlib.Path("/proc/driver/nvidia")
LEVELS = ("pci.", "module.", "nvml.", "cuda.")


class Host:
    def __init__(self, options):
        self.options = options

    def run(self, name, *arguments):
        """The exit code and standard output of `gpunode arguments`, kept in a file."""
        done = subprocess.run([self.options.gpunode, *arguments], capture_output=True, text=True, timeout=1800, check=False)
        if self.options.output:
            folder = pathlib.Path(self.options.output)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(done.stdout)
            (folder / f"{name}.err").write_text(f"{done.stderr}exit code {done.returncode}\n")
        return done.returncode, done.stdout

    def verify(self, *arguments):
        return self.run("verify" + "".join(arguments).replace("-", "_"), "verify", "--probe", self.options.probe, *arguments)


def gpus_of_driver():
    return sorted(path.name for path in (DRIVER / "gpus").iterdir())


def problems_of_facts(host):
    code, text = host.run("facts.json", "facts", "--json")
    host.run("facts.txt", "facts")
    if code != 0:
        return [f"facts ends with {code}"]
    known = {gpu["address"] for gpu in json.loads(text)["gpus"]}
    return [f"facts does not have the GPU at {address}" for address in gpus_of_driver() if address not in known]


def problems_of_doctor(host):
    code, text = host.run("doctor.ndjson", "doctor", "--json")
    host.run("doctor.txt", "doctor")
    if code not in (0, 5):
        return [f"doctor ends with {code}"]
    findings = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [f"doctor: {one['check']}: {one['what']} ({one['seen']})" for one in findings if one["severity"] == "bad"]


def problems_of_verify(host):
    code, text = host.verify("--json")
    host.verify()
    if code not in (0, 7):
        return [f"verify ends with {code}"]
    checks = json.loads(text)["checks"]
    problems = [f"verify: {one['id']}: {one['evidence']}" for one in checks if one["verdict"] == "fail"]
    problems += [f"verify asked nothing of {level}" for level in LEVELS
                 if not any(one["id"].startswith(level) and one["verdict"] != "skip" for one in checks)]
    added = sum(one["id"] == "cuda.vectoradd" and one["verdict"] == "pass" for one in checks)
    if added == 0:
        problems.append("verify added vectors on no GPU")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpunode", required=True)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--output", help="folder for what the programs said")
    host = Host(parser.parse_args())
    if not (DRIVER / "version").exists():
        print("skipped: no NVIDIA driver is loaded here")
        return SKIPPED
    problems = problems_of_facts(host) + problems_of_doctor(host) + problems_of_verify(host)
    for problem in problems:
        print(problem)
    print(f"{len(gpus_of_driver())} GPUs, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
