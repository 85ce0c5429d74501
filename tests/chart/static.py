#!/usr/bin/env python3
"""Writes deploy/static from the chart, for clusters without helm: python3 tests/chart/static.py"""

import json
import pathlib
import re
import sys
import tempfile

from helm import PACKAGES, Helm

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / "deploy/static"
NAMESPACE = "kube-system"  # Which every cluster has.
SHARES = """\
version: v1
sharing:
  timeSlicing:
    failRequestsGreaterThanOne: true
    resources:
    - name: nvidia.com/gpu
      replicas: 20
"""
MANIFESTS = {
    "gpunode.yaml": ({}, "Every GPU of every node, whole."),
    "gpunode-shared.yaml": ({"config": {"map": {"default": SHARES}}}, "20 shares of every GPU."),
    "gpunode-mig-mixed.yaml": ({"migStrategy": "mixed"}, "MIG devices by their profiles' names."),
}
# What says that helm keeps these objects, which it does not.
HELMS_OWN = re.compile(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)


def render(helm, name):
    values, what = MANIFESTS[name]
    text = helm.run("template", "gpunode", ROOT / "deploy/helm/gpunode", "--namespace", NAMESPACE,
                    "--values", "-", stdin=json.dumps(values))
    text = HELMS_OWN.sub("", text)
    text = re.sub(r"^# Source: .*\n", "", text, flags=re.MULTILINE)
    return (f"# {what} From the chart by tests/chart/static.py: edit that, not this.\n"
            f"# kubectl apply -f deploy/static/{name}\n"
            "# On nodes with another device plugin the agent waits and says so: docs/take-over.md\n"
            f"{text}")


def main():
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(max(PACKAGES), home)
        TARGET.mkdir(exist_ok=True)
        for name in MANIFESTS:
            (TARGET / name).write_text(render(helm, name))
            print(TARGET / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
