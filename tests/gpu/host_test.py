#!/usr/bin/env python3
"""`gpunode facts`, `doctor`, `verify` and `support-bundle` on a real GPU machine (T3): they only read.

Needs a driver; exits with 77, a skip, where there is none. What the programs said is kept in --output, for who looks at it
afterwards. A machine that is well fails nothing: no bad finding, no failed check, as many GPUs by PCI, NVML and CUDA as
`nvidia-smi -L` has, and exit codes that are those of what was found. In a container, which a lent machine often is, the kernel's
own files may be another's: that a check is skipped is no failure."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

SKIPPED = 77
DRIVER = pathlib.Path("/proc/driver/nvidia")
LEVELS = ("pci.", "module.", "nvml.", "cuda.")
WELL, SOMEBODY_SHOULD_ACT, FAILED = 0, 5, 7


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


def counted_by(nvidia_smi):
    """How many GPUs `nvidia-smi -L` has; the lines of MIG devices are further in."""
    return sum(bool(re.match(r"GPU \d+: ", line)) for line in nvidia_smi.splitlines())


def driven_of(facts):
    """The addresses of the GPUs that are NVIDIA's driver's: what nvml.count counts on the bus."""
    return sorted(gpu["address"] for gpu in facts["gpus"]
                  if not gpu["isSwitch"] and not gpu["physicalFunction"] and gpu["driver"] != "vfio-pci")


def other_count(what, seen, counted):
    return [] if seen == counted else [f"{what} {seen} GPUs, and `nvidia-smi -L` has {counted}"]


def other_code(name, code, meant):
    return [] if code == meant else [f"{name} ends with {code}, and what it found means {meant}"]


def find_in_facts(facts, in_proc, counted):
    known = {gpu["address"] for gpu in facts["gpus"]}
    lacking = [f"facts does not have the GPU at {address}" for address in in_proc if address not in known]
    return lacking + other_count("facts has", len(driven_of(facts)), counted)


def find_in_doctor(findings, codes):
    """`codes`: how it ended, by the name of the run."""
    meant = SOMEBODY_SHOULD_ACT if any(one["severity"] != "note" for one in findings) else WELL
    problems = [f"doctor: {one['check']}: {one['what']} ({one['seen']})" for one in findings if one["severity"] == "bad"]
    return problems + [line for name, code in codes.items() for line in other_code(name, code, meant)]


def is_passed_over(check):
    """A GPU that no kernel was started on, and that need not be one's fault: divided by MIG, or busy."""
    return check["verdict"] == "warn" or (check["verdict"] == "skip" and "MIG" in check["evidence"])


def find_in_additions(checks, counted):
    """Of cuda.vectoradd, which is there once for each GPU."""
    tried = [one for one in checks if one["id"] == "cuda.vectoradd" and "vfio-pci has it" not in one["evidence"]]
    problems = other_count("verify tells of vectors on", len(tried), counted)
    problems += [f"verify added no vectors: {one['evidence']}" for one in tried
                 if one["verdict"] == "skip" and not is_passed_over(one)]
    if not any(one["verdict"] == "pass" for one in tried):
        problems.append("verify added vectors on no GPU")
    return problems


def find_in_verify(report, codes, counted):
    """`codes`: how it ended, by the name of the run."""
    checks = report["checks"]
    failed = [one for one in checks if one["verdict"] == "fail"]
    problems = [f"verify: {one['id']}: {one['evidence']}" for one in failed]
    problems += [f"verify asked nothing of {level}" for level in LEVELS
                 if not any(one["id"].startswith(level) and one["verdict"] != "skip" for one in checks)]
    if (report["verdict"] == "fail") != bool(failed):
        problems.append(f"verify: the verdict is {report['verdict']}, and {len(failed)} checks have failed")
    for name, code in codes.items():
        problems += other_code(name, code, FAILED if failed else WELL)
    return problems + find_in_additions(checks, counted)


def problems_of_facts(host, counted):
    code, text = host.run("facts.json", "facts", "--json")
    as_text, _ = host.run("facts.txt", "facts")
    if code != WELL or as_text != WELL:
        return [f"facts ends with {code}, as text with {as_text}"]
    return find_in_facts(json.loads(text), gpus_of_driver(), counted)


def problems_of_doctor(host):
    code, text = host.run("doctor.ndjson", "doctor", "--json")
    as_text, _ = host.run("doctor.txt", "doctor")
    if code not in (WELL, SOMEBODY_SHOULD_ACT):
        return [f"doctor ends with {code}"]
    findings = [json.loads(line) for line in text.splitlines()]
    return find_in_doctor(findings, {"doctor --json": code, "doctor": as_text})


def problems_of_verify(host, counted):
    code, text = host.verify("--json")
    as_text, _ = host.verify()
    if code not in (WELL, FAILED):
        return [f"verify ends with {code}"]
    return find_in_verify(json.loads(text), {"verify --json": code, "verify": as_text}, counted)


SERIAL = re.compile(r"^\s*Serial Number\s*:\s*(\S{6,})$", re.M)


def find_in_support_bundle(members, serials):
    """`members`: name -> bytes of the archive; `serials`: those of the GPUs."""
    problems = [f"support-bundle lacks {name}" for name in ("manifest.json", "facts.tar", "reports/verify.json", "reports/doctor.json",
                                                            "programs/nvidia-smi.txt") if name not in members]
    problems += [f"support-bundle has a GPU's serial in {name}" for name, content in members.items()
                 if any(serial.encode() in content for serial in serials)]
    return problems


def problems_of_support_bundle(host):
    said = subprocess.run(["nvidia-smi", "-q"], capture_output=True, text=True, timeout=120, check=False).stdout
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "bundle.tar"
        code, _ = host.run("support-bundle.txt", "support-bundle", "--output", str(path))
        if code != WELL:
            return [f"support-bundle ends with {code}"]
        with tarfile.open(path) as archive:
            members = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
    if host.options.output:
        (pathlib.Path(host.options.output) / "support-manifest.json").write_bytes(members.get("manifest.json", b""))
    return find_in_support_bundle(members, SERIAL.findall(said))


def list_of_nvidia_smi(options):
    """What `nvidia-smi -L` says; None where there is no such program or it fails, with a word why."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"nvidia-smi: {error}")
        return None
    if options.output:
        pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
        (pathlib.Path(options.output) / "nvidia-smi.txt").write_text(done.stdout)
    if done.returncode != 0:
        print(f"nvidia-smi -L ends with {done.returncode}: {done.stdout}{done.stderr}")
        return None
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpunode", required=True)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--output", help="folder for what the programs said")
    options = parser.parse_args()
    host = Host(options)
    if not (DRIVER / "version").exists():
        print("skipped: no NVIDIA driver is loaded here")
        return SKIPPED
    listed = list_of_nvidia_smi(options)
    if listed is None:
        print("the number of GPUs has nothing to be compared with")
        return 1
    counted = counted_by(listed)
    problems = problems_of_facts(host, counted) + problems_of_doctor(host) + problems_of_verify(host, counted)
    problems += problems_of_support_bundle(host)
    for problem in problems:
        print(problem)
    print(f"{counted} GPUs, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
