"""The agent's container image (deploy/image): engines load the archive as it is, and it starts."""

import re

from claims import check, expect
from containerd import CALL_LIMIT, SOCKET, Containerd
from podman_checks import Podman, version_of
from process import Failed, run

REPOSITORY = "gpunode.example/gpunode-agent"
PROGRAMS = ("gpunode-agent", "nvidia-device-plugin", "gpu-feature-discovery")


def image_of(listed):
    found = re.search(rf"{re.escape(REPOSITORY)}:\d[\w.]*", listed)
    expect(found, f"the archive was loaded as something else: {listed}")
    return found[0]


def expect_version(said, program):
    expect(f"{program} version " in said, f"{program} says {said!r}")


def claim_of_containerd(version):
    def claim(node):
        node.spec_is_gone()
        with Containerd(node, version) as containerd:
            containerd.start()
            ctr = [str(containerd.bin / "ctr"), "--address", SOCKET, "--namespace", "k8s.io"]
            run([*ctr, "images", "import", str(node.build.image)], timeout=CALL_LIMIT)
            image = image_of(run([*ctr, "images", "list", "--quiet"]).stdout)
            for program in PROGRAMS:
                expect_version(containerd.run_image(image, f"/usr/bin/{program}", "--version"), program)
            return containerd.name()
    return claim


for number in ("1.6", "1.7", "2"):
    check(f"containerd {number}: the agent's image is imported, and starts under each of its names")(
        claim_of_containerd(number))


@check("podman: the agent's image is loaded, and starts read-only without a capability")
def by_podman(node):
    podman = Podman(node)

    def run_podman(*words):
        return run(["/usr/bin/podman", *words], env=podman.environment).stdout
    image = image_of(run_podman("load", "--input", str(node.build.image)))
    said = run_podman("run", "--rm", "--network=none", "--cgroup-parent", f"/{node.cgroup}",
                      "--read-only", "--cap-drop=ALL", image, "--version")
    expect_version(said, "gpunode-agent")
    try:
        said = run_podman("run", "--rm", "--network=none", "--cgroup-parent", f"/{node.cgroup}",
                          "--entrypoint", "/bin/sh", image, "-c", "true")
    except Failed as error:
        expect("/bin/sh" in str(error), error)
    else:
        raise Failed(f"there is a shell in it: {said}")
    return version_of(node)
