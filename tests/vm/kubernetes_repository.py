"""A repository of kubelet, kubeadm and crictl with the real programs of tests/cluster/build_kubernetes.py, as a site that keeps an
older Kubernetes has it: pkgs.k8s.io begins with 1.24. Names, units and what they need are as in the packages that there were.

    <directory>/    flat, with its key site.asc
"""

import pathlib
import shutil

from deb_repository import DebRepository

VERSION = "1.20.2-00"
KEY = "site.asc"

KUBELET_UNIT = """\
[Unit]
Description=kubelet
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
KUBEADM_DROP_IN = """\
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
# It starts anew every ten seconds until kubeadm gives it a configuration.
START = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
systemctl daemon-reload
systemctl enable --now kubelet.service
"""
STOP = """#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
systemctl disable --now kubelet.service
"""


class Repository(DebRepository):
    def __init__(self, place, work, programs):
        super().__init__(place, work, KEY, "Site")
        self.programs = pathlib.Path(programs)

    def program(self, package, name, **more):
        root = self.package(package, VERSION, **more)
        target = root / "usr/bin" / name
        target.parent.mkdir(parents=True)
        shutil.copyfile(self.programs / name, target)
        target.chmod(0o755)
        self.pack(root)

    def make(self):
        self.program("kubelet", "kubelet", needs="containernetworking-plugins, iptables, iproute2, socat, util-linux,"
                     " mount, ebtables, ethtool, conntrack", scripts=[("postinst", START), ("prerm", STOP)],
                     files=[("lib/systemd/system/kubelet.service", KUBELET_UNIT, 0o644)])
        self.program("kubeadm", "kubeadm", needs="kubelet (>= 1.13.0), cri-tools (>= 1.13.0)", files=[
            ("etc/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM_DROP_IN, 0o644)])
        self.program("cri-tools", "crictl")
        return self.finish()
