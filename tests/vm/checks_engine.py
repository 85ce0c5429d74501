"""`gpunode runtime configure` for a containerd that systemd runs, as Debian has both."""

import contextlib

import node
from claim import check, expect, expect_gpus, wait
from container import EngineContainer

FILE = "/etc/containerd/config.toml"
CONFIGURE = "gpunode runtime configure --runtime containerd"
REFUSED = 3


def main_process(vm):
    return vm.sh("systemctl show --property MainPID --value containerd").strip()


def text_of(vm):
    return vm.sh(f"cat {FILE}")


def dump(vm):
    """What containerd runs with, as lines without indentation."""
    return [line.strip() for line in vm.sh("containerd config dump").splitlines()]


def expect_healthy(vm, when):
    wait(vm, "ctr version >/dev/null 2>&1", f"containerd answers {when}")
    cri = vm.sh("ctr plugins ls").split("io.containerd.grpc.v1")
    expect(any(words.split()[0::2][:1] == ["cri"] and "ok" in words.split() for words in cri[1:]),
           f"{when} containerd's CRI plugin is not well: {cri}")


@contextlib.contextmanager
def containerd(vm):
    """It runs, as its package configures it; in the end it is as it was before."""
    before = text_of(vm)
    vm.sh(f"cp -a {FILE} /run/vm-config.toml; systemctl start containerd")
    try:
        expect_healthy(vm, "as Debian has it")
        yield before
    finally:
        vm.sh(f"systemctl stop containerd; cp -a /run/vm-config.toml {FILE}; rm -rf /var/lib/gpunode/engines")


@check("configure changes what containerd runs with, and nothing else; nobody asked, so it runs on")
def configure(vm):
    with containerd(vm) as text:
        before, process = dump(vm), main_process(vm)
        said = vm.run(f"{CONFIGURE} --set-as-default --dry-run")
        expect(said.status == 2 and text_of(vm) == text, f"a dry run: {said}")
        said = vm.sh(f"{CONFIGURE} --set-as-default")
        expect("containerd understands it as meant" in said
               and "systemctl restart containerd" in said, f"it says: {said}")
        after = dump(vm)
        gone, come = set(before) - set(after), set(after) - set(before)
        expect(gone == {'default_runtime_name = "runc"'}, f"no longer in the dump: {gone}")
        for line in ('default_runtime_name = "nvidia"', 'BinaryName = "/usr/bin/gpunode-runtime"',
                     "SystemdCgroup = true"):
            expect(line in come, f"not in the dump: {line}; new there: {come}")
        expect(main_process(vm) == process, "containerd was restarted")
        said = vm.sh(f"{CONFIGURE} --undo")
        expect(text_of(vm) == text, f"the file is not what it was; it says: {said}")
        expect(dump(vm) == before, "the dump is not what it was")
        expect(main_process(vm) == process, "containerd was restarted")


@check("--restart is refused while it could take a running container's GPU, and else keeps it")
def restart(vm):
    vm.sh("gpunode runtime device-links")
    with containerd(vm) as text, EngineContainer(
            vm, "held", environment=["NVIDIA_VISIBLE_DEVICES=0"]) as container:
        expect_gpus(container, [0], "by containerd and gpunode-runtime")
        process = main_process(vm)

        node.remove_links(vm)
        said = vm.run(f"{CONFIGURE} --set-as-default --restart")
        expect(said.status == REFUSED and "run `gpunode runtime device-links` first" in said.err,
               f"without links: {said}")
        expect(text_of(vm) == text, "it was refused, and the file changed")
        expect(main_process(vm) == process, "it was refused, and containerd restarted")

        vm.sh(f"gpunode runtime device-links; {CONFIGURE} --set-as-default --restart")
        expect(main_process(vm) != process, "containerd was not restarted")
        expect_healthy(vm, "with gpunode-runtime as default")
        process = main_process(vm)
        vm.sh("systemctl daemon-reload")
        expect_gpus(container, [0], "after the restart and a daemon-reload")

        vm.sh(f"{CONFIGURE} --undo --restart")
        expect(text_of(vm) == text, "the file is not what it was")
        expect(main_process(vm) != process, "containerd was not restarted")
        expect_healthy(vm, "as it was before")
        expect_gpus(container, [0], "after the second restart")
    return vm.sh("containerd --version").split()[2]
