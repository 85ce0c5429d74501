#!/usr/bin/env python3
"""The table "distribution x step" of docs/compatibility.md: what of gpunode has been tried for each distribution, and how.

  distribution_steps.py --gpunode PROGRAM            # exit code 1, with the lines, where the page says another thing
  distribution_steps.py --gpunode PROGRAM --write    # writes the page's table anew

The distributions are those that the program knows (`gpunode distributions --json`). A word is never given by hand alone: it comes from
files of the tests that are there for a distribution, or from a CLAIM, which names a test's file and words that must be in it."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/compatibility.md"
BEGIN, END = "<!-- distribution_steps: begin -->\n", "<!-- distribution_steps: end -->\n"
STEPS = ("facts", "preparation", "packages", "kernel", "nouveau", "driver repository", "driver packages", "hold", "modules",
         "services", "bundle", "runtime", "kubernetes", "storage", "doctor")
DRIVER = ("driver repository", "driver packages", "hold")
BUILT = ("modules", "services")
# From the most to the least.
WORDS = ("real", "looked at", "stubs", "planned", "kin")
REFUSED = "refused"

# Which distribution did it, which Steps, how, and the test that shows it: a file and words in it.
CLAIMS = (
    ("debian 12", ("facts", "kernel", "nouveau", *DRIVER, *BUILT), "real", "tests/vm/checks_driver.py",
     "a bare machine gets NVIDIA's driver"),
    ("debian 12", ("preparation", "storage"), "real", "tests/vm/checks_provision.py",
     "a blank NVMe disk becomes containerd's"),
    ("ubuntu 24.04", ("facts",), "looked at", "tests/gpu/host_test.py", "def problems_of_facts(host, counted):"),
    ("ubuntu 24.04", ("doctor",), "looked at", "tests/gpu/host_test.py", "def problems_of_doctor(host):"),
    ("ubuntu 22.04", (*DRIVER, "modules"), "stubs", "tests/packages/program_host.cc",
     r'"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n"'),
    ("rocky 8", (*DRIVER, "modules"), "stubs", "tests/packages/program_host.cc", r'VERSION_ID=\"8.9\"\n"'),
    ("rocky 8", ("preparation", "kernel", "nouveau", *BUILT, "storage"), "planned", "src/node/provision/steps/trial_host.h",
     'facts.os.version_id = "8.9";'),
    ("debian 12", ("runtime", "kubernetes"), "real", "tests/vm/checks_join.py",
     "one file, one command: a bare Debian with a blank disk becomes a node"),
    ("rocky 8", ("bundle",), "stubs", "tests/packages/offline_test.cc", 'download_.os.version_id = "8.9";'),
    ("debian 12", ("bundle",), "stubs", "tests/packages/offline_test.cc", 'download_.os.version_id = "12";'),
    ("rocky 8", ("runtime", "kubernetes"), "planned", "src/node/provision/steps/trial_host.h", 'facts.os.version_id = "8.9";'),
    ("amzn 2023", ("runtime",), "planned", "src/node/provision/steps/runtime/engine_test.cc",
     'amazon.facts.os.version_id = "2023";'),
    ("ubuntu 22.04", ("kernel", "nouveau"), "planned", "src/node/provision/steps/kernel/kernel_steps.h",
     'host_.facts.os.version_id = "22.04";'),
)

# Calls of tests that make a host of a distribution: `is("rocky", "rhel fedora", "8.9")`, `row("ubuntu", "22.04")`.
CALLS = (
    ("tests/packages/driver_test.cc", r'\bis\("([a-z-]+)",(?: "[^"]*",)? "([0-9.]+)"', DRIVER, "stubs"),
    ("tests/packages/driver_plans_test.cc", r'\{"([a-z-]+)", "[^"]*", "([0-9.]+)", "[^"]*", Tool::', DRIVER, "stubs"),
    ("tests/packages/repositories_test.cc", r'\bis\("([a-z-]+)", "([0-9.]+)"', ("packages",), "stubs"),
    ("src/node/driver/kernel_packages_test.cc", r'\b(?:row|devel)\("([a-z-]+)", "([0-9.]+)"', ("kernel",), "planned"),
)


def is_release_of(version, row):
    return version == row or version.startswith(row + ".")


class Distribution:
    """A row of the program's table, and what was tried."""

    def __init__(self, row):
        self.id, self.version = row["id"], row["version"]
        self.is_refused = bool(row["refusals"])
        self.has_no_bundles = row.get("packageManager") in ("yum", "zypper")
        self.tried = {}

    @property
    def name(self):
        return f"{self.id} {self.version}"

    def is_named(self, id, version):
        return self.id == id and is_release_of(version, self.version)

    def add(self, step, word):
        known = self.tried.get(step)
        if known is None or WORDS.index(word) < WORDS.index(known):
            self.tried[step] = word

    def word(self, step):
        if self.is_refused and step in (*DRIVER, *BUILT):
            return REFUSED
        if self.has_no_bundles and step == "bundle":
            return REFUSED
        return self.tried.get(step, "kin")


def os_release(path):
    """(ID, VERSION_ID) of a file; None where it has not both."""
    text = path.read_text(errors="replace")
    found = [re.search(rf'^{key}="?([a-z0-9.-]+)"?$', text, re.MULTILINE) for key in ("ID", "VERSION_ID")]
    return tuple(one.group(1) for one in found) if all(found) else None


def hosts_of(root, pattern):
    return [(path, named) for path in sorted(root.glob(pattern)) if path.is_file() and (named := os_release(path))]


def check_claims(root, claims=CLAIMS):
    """A line for each claim whose test does not say it any more, or which is its own proof."""
    circles = [f"{name}: {file} is no test, and shows nothing" for name, _, _, file, _ in claims if file == PAGE]
    return circles + [f"{name}: {file} has no \"{words}\"" for name, _, _, file, words in claims
            if words not in (root / file).read_text()]


def gather(root, distributions):
    def tried(id, version, steps, word):
        for one in distributions:
            if one.is_named(id, version):
                for step in steps:
                    one.add(step, word)

    for name, steps, word, _, _ in CLAIMS:
        tried(*name.rsplit(" ", 1), steps, word)
    for file, pattern, steps, word in CALLS:
        for id, version in re.findall(pattern, (root / file).read_text()):
            tried(id, version, steps, word)
    for _, named in hosts_of(root, "tests/fuzz/corpus/os_release/*"):
        tried(*named, ("facts",), "planned")
    for _, named in hosts_of(root, "tests/fixtures/hosts/*/etc/os-release"):
        tried(*named, ("facts", "doctor"), "planned")
    for path, named in hosts_of(root, "tests/fixtures/distributions/*/etc/os-release"):
        tried(*named, ("facts",), "planned")
        if path.parent.parent.with_suffix(path.parent.parent.suffix + ".plan").exists():
            tried(*named, ("packages",), "planned")
    for path in sorted(root.glob("tests/fixtures/driver_plans/*.plan")):
        # One that is refused tells of nothing else.
        is_whole = any(words in path.read_text() for words in ("kernel.nouveau", "All as in "))
        steps = ("kernel", "nouveau", *DRIVER, *BUILT) if is_whole else DRIVER
        tried(*path.stem.removesuffix("-with-a-key").rsplit("-", 1), steps, "planned")


def table_of(distributions):
    lines = ["| | " + " | ".join(STEPS) + " |", "|---" * (len(STEPS) + 1) + "|"]
    lines += [f"| {one.name} | " + " | ".join(one.word(step) for step in STEPS) + " |" for one in distributions]
    return "\n".join(lines) + "\n"


def known_to(gpunode):
    said = subprocess.run([gpunode, "distributions", "--json"], capture_output=True, text=True, check=True, timeout=60).stdout
    return [Distribution(row) for row in json.loads(said)["distributions"]]


def parts_of(page):
    """What is before the table, the table, and what is behind it."""
    begin = page.index(BEGIN) + len(BEGIN)
    end = page.index(END, begin)
    return page[:begin], page[begin:end], page[end:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpunode", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    problems = check_claims(ROOT)
    distributions = known_to(options.gpunode)
    gather(ROOT, distributions)
    table = table_of(distributions)
    before, there, after = parts_of((ROOT / PAGE).read_text())
    if options.write:
        (ROOT / PAGE).write_text(before + table + after)
    else:
        old, new = there.splitlines(), table.splitlines()
        problems += [f"{PAGE} has not: {line}" for line in new if line not in old]
        problems += [f"{PAGE} has, and no test shows it: {line}" for line in old if line not in new]
        if not problems and old != new:
            problems.append(f"{PAGE} has the lines in another order")
    for problem in problems:
        print(problem)
    if problems and not options.write:
        print(f"{sys.argv[0]} --gpunode PROGRAM --write mends {PAGE}; what a claim names must be mended by hand")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
