"""containerd 1.6, 1.7 and 2.x: configured by `gpunode runtime configure`, then asked as a kubelet
asks, for a container that wants a GPU."""

import contextlib
import os
import pathlib
import re
import shutil

import machine
from claims import check, expect
from containerd import CONFIG, PAUSE, Containerd
from process import Failed, run
from runtime_checks import COMPUTES, script_for

VERSIONS = ("1.6", "1.7", "2")


def expect_computes(containerd, *options):
    said = containerd.run(script_for(containerd.node, COMPUTES), *options)
    expect("Test PASSED" in said, f"{containerd.name()}: {said}")


def expect_no_gpu(containerd, *options):
    said = containerd.run("/busybox ls /dev; /busybox echo that is all", *options)
    expect("that is all" in said and "nvidia" not in said, f"{containerd.name()}: {said}")


def runtimes_of(dump):
    """The values of default_runtime_name and of every BinaryName that is set."""
    return [re.findall(key + r" = ['\"]([^'\"]+)", dump)
            for key in ("default_runtime_name", "BinaryName")]


def claim_of_default_runtime(version):
    def claim(node):
        node.spec_is_gone()
        with Containerd(node, version) as containerd:
            before = containerd.dump()
            containerd.configure("--set-as-default")
            default, binaries = runtimes_of(containerd.dump())
            expect(default == ["nvidia"], f"the default runtime is {default}")
            expect(sorted(binaries) == sorted([str(containerd.runc), str(node.build.runtime)]),
                   f"the runtimes are {binaries}")
            containerd.start()
            expect_computes(containerd, "--env", "NVIDIA_VISIBLE_DEVICES=0")
            expect_no_gpu(containerd)
            containerd.configure("--undo")
            expect(containerd.dump() == before, "--undo leaves another configuration behind")
            return containerd.name()
    return claim


def claim_of_cdi(version):
    def claim(node):
        node.generate_spec()
        with Containerd(node, version) as containerd:
            containerd.configure("--cdi")
            containerd.start()
            # By runc alone: what the container has, it has from containerd.
            plain = ("--handler", "runc")
            expect_computes(containerd, *plain, "--cdi", "nvidia.com/gpu=0")
            expect_computes(containerd, *plain, "--annotation",
                            "cdi.k8s.io/test=nvidia.com/gpu=0")
            expect_no_gpu(containerd, *plain)
            try:
                containerd.run("true", *plain, "--cdi", "nvidia.com/gpu=7")
            except Failed as error:
                expect("nvidia.com/gpu=7" in str(error), error)
            else:
                raise Failed("nvidia.com/gpu=7 was given")
            return containerd.name()
    return claim


@contextlib.contextmanager
def installed(containerd):
    """That containerd and gpunode as a host has them, in /usr/bin; and the file of a node that
    asks for no more than its runtime's configuration."""
    place = containerd.node.work / "installed"
    for name in ("upper", "work"):
        (place / name).mkdir(parents=True)
    build = containerd.node.build
    for path in (containerd.bin / "containerd", build.gpunode, build.runtime):
        shutil.copy2(path, place / "upper")
    machine.mount("-t", "overlay", "-o", f"lowerdir=/usr/bin,upperdir={place}/upper,"
                  f"workdir={place}/work", "overlay", "/usr/bin")
    file = place / "node.yaml"
    file.write_text(f"""\
apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host: {{timeSync: keep, swap: keep}}
  check: {{interval: off}}
  runtime:
    install: {{source: preinstalled}}
    systemdCgroup: false  # There is no systemd here.
    sandboxImage: "{PAUSE}"
""")
    # A host's second process is its kernel's; this one's are of a namespace.
    second = pathlib.Path("/proc/2")
    is_masked = second.exists()
    if is_masked:
        (place / "second").mkdir()
        (place / "second/comm").write_text("kthreadd\n")
        machine.bind(place / "second", second)
    try:
        yield file
    finally:
        if is_masked:
            run(["umount", str(second)])
        run(["umount", "--lazy", "/usr/bin"])  # umount itself is in it.
        shutil.rmtree(place)


def claim_of_step(version):
    def claim(node):
        node.spec_is_gone()
        containerd = Containerd(node, version)
        with installed(containerd) as file, containerd:  # The daemon ends before its place does.
            before = CONFIG.read_bytes()
            steps = ("--only", "runtime.gpu", "--only", "runtime.config")
            run(["/usr/bin/gpunode", "apply", "--yes", *steps, str(file)], timeout=60)
            default, binaries = runtimes_of(containerd.dump())
            expect(default == ["nvidia"], f"the default runtime is {default}")
            expect("/usr/bin/gpunode-runtime" in binaries, f"the runtimes are {binaries}")
            again = run(["/usr/bin/gpunode", "apply", "--yes", *steps, str(file)], timeout=60)
            expect("0 to change" in again.stdout, again.stdout)
            containerd.start()
            expect_computes(containerd, "--env", "NVIDIA_VISIBLE_DEVICES=0")
            expect_no_gpu(containerd)
            run(["/usr/bin/gpunode", "rollback", "--yes"], timeout=60)
            expect(CONFIG.read_bytes() == before, "a rollback leaves another file behind")
            return containerd.name()
    return claim


for number in VERSIONS:
    check(f"containerd {number}: as `gpunode apply` configures it, a Pod gets the GPU it asks for;"
          " a second apply has nothing to do, and a rollback leaves the file as it was")(
              claim_of_step(number))
for number in VERSIONS:
    check(f"containerd {number}: configured as default runtime, a Pod gets the GPU it asks for, and"
          " who asks for none gets none; undone, the configuration is what it was")(
              claim_of_default_runtime(number))
for number in VERSIONS[1:]:
    check(f"containerd {number}: configured for CDI, it injects the GPU of a generated spec itself")(
        claim_of_cdi(number))


@check("containerd 2 and crun: the default runtime becomes crun, and a Pod gets its GPU")
def by_crun(node):
    """containerd names a container's root relative to its bundle, and crun tells hooks so."""
    node.spec_is_gone()
    with Containerd(node, "2") as containerd:
        containerd.configure("--set-as-default")
        node.configure(node.part("crun-new", "crun"))
        containerd.start()
        expect_computes(containerd, "--env", "NVIDIA_VISIBLE_DEVICES=0")
        expect_no_gpu(containerd)
        return f"{containerd.name()}, crun {node.version_of('crun-new', 'crun')}"


@check("container_engines_test: each containerd understands every change, and nothing else")
def engines_test(node):
    """The same cases that skip in T0 for want of these programs."""
    variables = {"GPUNODE_CONTAINERD": "1.6", "GPUNODE_CONTAINERD_1_7": "1.7",
                 "GPUNODE_CONTAINERD_2": "2"}
    environment = {variable: str(node.part(f"containerd-{version}", "containerd"))
                   for variable, version in variables.items()}
    done = run([str(node.build.engines_test), "--gtest_filter=*RealContainerd*"], timeout=300,
               env={**os.environ, **environment}, check=False)
    expect(done.returncode == 0, done.stdout[-3000:])
    expect("no containerd" not in done.stdout, "a case was skipped for want of a containerd")
    passed, skipped = (len(re.findall(pattern, done.stdout)) for pattern in (
        r"\[       OK \] \S+ \(", r"\[  SKIPPED \] \S+ \("))
    return f"{passed} cases passed, {skipped} do not apply to a version"
