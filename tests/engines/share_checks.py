"""Shares of a GPU in containers that pass through gpunode-runtime, or through its CDI hook with
plain low-level runtimes: the library beside an image's own preloads, and images that cannot load
it."""

import contextlib
import pathlib
import shutil

import roots
from claims import check, expect, expect_nothing_left
from container import Container
from containerd import Containerd
from podman_checks import Podman, version_of
from process import Failed
from runtime_checks import for_every_low_level, low_levels

ID = "0123-1"
GRANT = pathlib.Path("/run/gpunode/allocations") / ID
AGENTS = pathlib.Path("/var/lib/gpunode/lib/0123")
SHARE = "/run/gpunode/share"
LIBRARY = f"{SHARE}/libgpunode-cuda.so"
# Not there: what names it is told by the loader of every program.
IMAGES = "/opt/image.so"
GPU = ("NVIDIA_VISIBLE_DEVICES=0",)
SAYS = "/busybox cat /etc/ld.so.preload; LD_TRACE_LOADED_OBJECTS=1 /usr/bin/vectoradd"


@contextlib.contextmanager
def granted(node, word="refuse"):
    """A grant, as the agent makes it, and the mounts of its answer: container's path -> host's."""
    for directory in (GRANT, AGENTS):
        directory.mkdir(parents=True)
    for name in ("limits", "ledger"):
        (GRANT / name).write_bytes(bytes(4096))
    (GRANT / "on-unsupported").write_text(f"{word}\n")
    shutil.copy(node.build.fixture, AGENTS / "libgpunode-cuda.so")
    (AGENTS / "ld.so.preload").write_text(f"{LIBRARY}\n")
    try:
        yield {LIBRARY: AGENTS / "libgpunode-cuda.so", "/etc/ld.so.preload": AGENTS / "ld.so.preload",
               f"{SHARE}/limits": GRANT / "limits", f"{SHARE}/ledger": GRANT / "ledger"}
    finally:
        for directory in (GRANT.parent, AGENTS.parent):
            shutil.rmtree(directory)


def mounts_of(places):
    return [{"destination": inside, "type": "bind", "source": str(outside),
             "options": ["rbind", "rprivate", "ro"]} for inside, outside in places.items()]


def make_preloading(node, root):
    roots.make_debian(node, root)
    (root / "etc/ld.so.preload").write_text(f"{IMAGES}\n")


def expect_merged(said, what):
    expect(f"{LIBRARY}\n{IMAGES}\n" in said, f"{what}: {said}")
    expect(f"object '{IMAGES}'" in said, f"{what}: the image's preload was not tried: {said}")
    expect(f"{LIBRARY} (0x" in said, f"{what}: the share's was not loaded: {said}")


def expect_refused(node, ended, what):
    expect(not ended.is_created, f"{what}: {ended}")
    expect_why(node, ended.output, what)


def expect_why(node, said, what):
    """crun tells no more of a hook than that it failed: there the debug file has it."""
    if "error executing hook" in said:
        said = node.debug.read_text()
    expect("/busybox is a static program" in said and "onUnsupported" in said, f"{what}: {said}")


def why_unlimited():
    path = GRANT / "unlimited"
    return path.read_text() if path.exists() else ""


def claims_hold(node, place, make, marks=True):
    """`make(name, make_root, mounts)`: the container. `marks`: the grant may be written to."""
    with granted(node) as places:
        before = node.left()
        with make("merged", make_preloading, mounts_of(places)) as container:
            ended = container.run(SAYS, GPU)
            expect(ended.is_created, f"{place}: {ended}")
            expect_merged(ended.output, place)
        # An image that preloads nothing.
        with make("alone", roots.make_debian, mounts_of(places)) as container:
            ended = container.run(SAYS, GPU)
            expect(f"{LIBRARY} (0x" in ended.output, f"{place}: {ended}")
        with make("refused", roots.make_empty, mounts_of(places)) as container:
            expect_refused(node, container.run("true", GPU), place)
        expect_nothing_left(before, node.left(), place)
    with granted(node, "unlimited") as places:
        for kind, make_root in (("static", roots.make_empty), ("musl", roots.make_musl)):
            with make(kind, make_root, mounts_of(places)) as container:
                ended = container.run("/busybox cat /etc/ld.so.preload; /busybox echo ran", GPU)
                expect(ended.is_created and ended.output == "ran", f"{place}, {kind}: {ended}")
            if marks:
                expect("static program" in why_unlimited(), f"{place}, {kind}: nobody is told")


@check("a share by gpunode-runtime: its library first, then the image's preloads; an image that"
       " cannot load it is refused in words, or runs and the node is told")
def by_runtime(node):
    def one(place, user_namespace):
        claims_hold(node, place, lambda name, make_root, mounts: Container(
            node, name, make_root, user_namespace, mounts=mounts))
    return for_every_low_level(node, one)


@check("a share by the CDI hook, with low-level runtimes alone: the same")
def by_hook(node):
    runtime = str(node.build.runtime)
    hooks = {"createContainer": [{"path": runtime, "args": ["gpunode-runtime", "hook", "apply"],
                                  "env": ["PATH=/usr/bin:/bin"]}]}
    labels = []
    for label, path in low_levels(node):
        for user_namespace in (False, True):
            claims_hold(
                node, f"{label}, user namespace: {user_namespace}",
                lambda name, make_root, mounts, plain=path, user=user_namespace: Container(
                    node, name, make_root, user, runtime=plain, mounts=mounts, hooks=hooks),
                marks=not user_namespace)
        labels.append(label)
    return ", ".join(labels) + "; each as root and in a user namespace"


@check("a share in podman, by its own CDI: merged with the image's preloads, or refused")
def by_podman(node):
    node.generate_spec()
    podman = Podman(node)

    def run(make_root, places, script):
        options = [word for inside, outside in places.items()
                   for word in ("--volume", f"{outside}:{inside}:ro")]
        return podman.run(script, "--device", "nvidia.com/gpu=0", *options, make_root=make_root)
    with granted(node) as places:
        expect_merged(run(make_preloading, places, SAYS + " 2>&1"), "podman")
        try:
            said = run(roots.make_empty, places, "true")
        except Failed as error:
            expect_why(node, str(error), "podman")
        else:
            raise Failed(f"an image that cannot load it was run: {said}")
    return version_of(node)


PRELOADING, EMPTY = "gpunode.test/preloading:1", "gpunode.test/empty:1"


def claim_of_containerd(version, how, options, configuration):
    def claim(node):
        if how == "CDI and runc":
            node.generate_spec()
        else:
            node.spec_is_gone()
        with granted(node) as places, Containerd(node, version) as containerd:
            containerd.configure(configuration)
            containerd.start()
            for name, make_root in ((PRELOADING, make_preloading), (EMPTY, roots.make_empty)):
                containerd.import_image(name, make_root, ["/busybox", "true"])
            mounts = [word for inside, outside in places.items()
                      for word in ("--mount", f"{inside}={outside}")]
            said = containerd.run_image(PRELOADING, "/busybox", "sh", "-c", SAYS + " 2>&1",
                                        options=(*options, *mounts))
            # A line of the log: time, stream, F, and what was said.
            lines = [line.split(" ", 3)[-1] for line in said.splitlines()]
            expect_merged("\n".join(lines), containerd.name())
            try:
                said = containerd.run_image(EMPTY, "/busybox", "true", options=(*options, *mounts))
            except Failed as error:
                expect_why(node, str(error), containerd.name())  # What a Pod's event says.
            else:
                raise Failed(f"an image that cannot load it was run: {said}")
            return containerd.name()
    return claim


for number in ("1.7", "2"):
    check(f"containerd {number}: a share of a Pod by gpunode-runtime is merged, or refused in words")(
        claim_of_containerd(number, "gpunode-runtime", ("--env", "NVIDIA_VISIBLE_DEVICES=0"),
                            "--set-as-default"))
    check(f"containerd {number}: a share of a Pod by CDI and runc is merged, or refused in words")(
        claim_of_containerd(number, "CDI and runc",
                            ("--handler", "runc", "--cdi", "nvidia.com/gpu=0"), "--cdi"))
