"""gpunode-runtime with low-level runtimes of four ages and roots of every kind."""

import machine
import roots
from claims import check, expect, expect_nothing_left
from container import Container
from process import run

GPU = ("NVIDIA_VISIBLE_DEVICES=0",)
CYCLES = 100

# part -> its program.
LOW_LEVEL = {"runc-1.1": "runc", "runc-new": "runc", "crun-1.8": "crun", "crun-new": "crun"}

SEES_GPU = """
set -e
fail() { /busybox echo "$1"; exit 1; }
test -c /dev/nvidia0 && test -c /dev/nvidiactl || fail 'no node'
test ! -e /dev/nvidia1 || fail 'a node of another GPU'
test -f {library} || fail 'no library'
"""
COMPUTES = SEES_GPU + """
/busybox grep -q libcuda.so.1 /etc/ld.so.cache || fail 'not in the cache of the loader'
/usr/bin/vectoradd
"""
MUSL_LOADS = SEES_GPU + """
/busybox grep -q {directory} /etc/ld-musl-*.path || fail 'not in the path of the loader'
/usr/bin/probe || fail "the loader finds no library of the driver"
/busybox echo loaded
"""
SEES = SEES_GPU + "/busybox echo seen\n"

# kind -> (make_root, script, what it says when all is well)
KINDS = {
    "Debian": (roots.make_debian, COMPUTES, "Test PASSED"),
    "musl": (roots.make_musl, MUSL_LOADS, "loaded"),
    "empty": (roots.make_empty, SEES, "seen"),
}


def script_for(node, text):
    library = node.library("libcuda")
    return text.replace("{library}", library).replace("{directory}", library.rsplit("/", 1)[0])


def low_levels(node):
    for part, program in LOW_LEVEL.items():
        path = node.part(part, program)
        node.configure(path)
        yield f"{program} {node.version_of(part, program)}", path


def expect_works(node, ended, words, what):
    expect(ended.is_created and ended.status == 0 and words in ended.output, f"{what}: {ended}")


def for_every_low_level(node, check_one):
    """check_one(label, user_namespace) with each; a note that names them."""
    labels = []
    for label, _ in low_levels(node):
        for user_namespace in (False, True):
            place = f"{label} in a user namespace" if user_namespace else label
            check_one(place, user_namespace)
        labels.append(label)
    return ", ".join(labels) + "; each as root and in a user namespace"


def works_in(kind, **options):
    make_root, script, words = KINDS[kind]

    def claim(node):
        def one(place, user_namespace):
            with Container(node, "matrix", make_root, user_namespace, **options) as container:
                before = node.left()
                expect_works(node, container.run(script_for(node, script), GPU), words, place)
                expect_nothing_left(before, node.left(), place)
        return for_every_low_level(node, one)
    return claim


check("Debian's root: the GPU, no other, and vectoradd by the loader's cache")(works_in("Debian"))
check("Alpine's root: the GPU, and musl's loader finds the driver")(works_in("musl"))
check("an empty root with a static program: the GPU and the driver's files")(works_in("empty"))
check("a root that becomes read-only: vectoradd by the loader's cache")(
    works_in("Debian", read_only=True))


@check("control: who asks for no GPU gets no node and no library")
def asks_for_nothing(node):
    script = script_for(node, "test ! -e /dev/nvidia0 && test ! -e {library} && /busybox echo none")

    def one(place, user_namespace):
        with Container(node, "plain", roots.make_debian, user_namespace) as container:
            expect_works(node, container.run(script), "none", place)
            ended = container.run("/usr/bin/vectoradd")
            expect(ended.status != 0 and "libcuda" in ended.output, f"{place}: {ended}")
    return for_every_low_level(node, one)


def expect_one_line(ended, what):
    """It works, or the runtime says in one line why not."""
    if ended.is_created:
        return
    expect(ended.status != 0 and len(ended.output.splitlines()) == 1, f"{what}: {ended}")


@check("a root on a disk that cannot be written: it works, or one line says why not")
def read_only_disk(node):
    said = set()

    def one(place, user_namespace):
        with Container(node, "disk", roots.make_debian, user_namespace) as container:
            before = node.left()
            machine.mount("--bind", container.root, container.root)
            machine.mount("-o", "remount,bind,ro", container.root)
            ended = container.run(script_for(node, COMPUTES), GPU)
            run(["umount", str(container.root)])
            expect_one_line(ended, place)
            said.add(f"{place}: {ended}")
            expect_nothing_left(before, node.left(), place)
    for_every_low_level(node, one)
    return f"{len(said)} containers, of which {sum('Test PASSED' in line for line in said)} work"


@check("a root with hostile links: it works or one line says why not, and the host is not touched")
def hostile_links(node):
    roots.make_outside(node)

    def one(place, user_namespace):
        with Container(node, "hostile", roots.make_hostile, user_namespace) as container:
            before = node.left()
            ended = container.run(script_for(node, "/busybox echo ran"), GPU)
            expect_one_line(ended, place)
            expect(roots.outside_is_as_it_was(node), f"{place}: the host's files have changed")
            expect_nothing_left(before, node.left(), place)
    return for_every_low_level(node, one)


@check("an unknown GPU: one line that names it, and nothing is left behind")
def unknown_gpu(node):
    def one(place, user_namespace):
        with Container(node, "unknown", roots.make_empty, user_namespace) as container:
            before = node.left()
            ended = container.run("/busybox echo ran", ("NVIDIA_VISIBLE_DEVICES=7",))
            expect_one_line(ended, place)
            expect(not ended.is_created and "7" in ended.output, f"{place}: {ended}")
            expect_nothing_left(before, node.left(), place)
    return for_every_low_level(node, one)


@check(f"{CYCLES} stops and starts of one container leave no mount, file or cgroup, and its root the"
       " same")
def cycles(node):
    labels = []
    for number, (label, _) in enumerate(low_levels(node)):
        with Container(node, "cycles", roots.make_debian, user_namespace=number % 2 == 1) as one:
            script = script_for(node, COMPUTES)
            expect_works(node, one.run(script, GPU), "Test PASSED", label)
            files, before = one.files(), node.left()
            script = script_for(node, SEES)  # Quick: what is made is what matters here.
            for _ in range(CYCLES):
                expect_works(node, one.run(script, GPU), "seen", label)
            expect_nothing_left(before, node.left(), label)
            expect(one.files() == files, f"{label}: the bundle's files have changed")
        labels.append(label)
    return ", ".join(labels)
