"""Where gpunode's chart means something else than NVIDIA's with the same values, and why. A
difference that no rule here explains fails test_chart.py; so does a rule that explains nothing."""

SYS_ADMIN = {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}
ORDINARY = {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
ALWAYS = {"readOnlyRootFilesystem": True, "seccompProfile": {"type": "RuntimeDefault"}}
# What is asked of NFD's labels alone, which nodes without it do not have.
NFD_LABELS = "feature.node.kubernetes.io/"


def without_selinux(security):
    return {key: value for key, value in (security or {}).items() if key != "seLinuxOptions"}


def less_or_same(theirs, ours):
    """Ours may do nothing in a container that theirs may not."""
    if theirs.get("privileged"):
        return True
    added = set(ours.get("capabilities", {}).get("add", ()))
    return (not ours.get("privileged")
            and added <= set(theirs.get("capabilities", {}).get("add", ())))


def security(theirs, ours):
    allowed = [wanted | ALWAYS for wanted in (ORDINARY, SYS_ADMIN, {"privileged": True})]
    return less_or_same(theirs, ours) and without_selinux(ours) in allowed


def added(value):
    return lambda theirs, ours: theirs is None and ours == value


def left_out(theirs, ours):
    return theirs is not None and ours is None


CHOOSES = "the agent reads the node's label itself, where theirs has config-manager's containers"

# (fact, whether these values differ as they should, why)
RULES = [
    ("containers of a node",
     lambda theirs, ours: len(ours) <= len(theirs) and set(ours) <= {"gpunode-agent", "gpunode-labels"},
     "nobody watches a label and sends signals, and there is one DaemonSet"),
    ("Pod shareProcessNamespace", left_out, "nobody has to be sent a signal"),
    ("mount /config", left_out, "the configuration is read where it is mounted"),
    ("env CONFIG_FILE",
     lambda theirs, ours: theirs == "/config/config.yaml"
     and (ours is None or ours.startswith("/available-configs/")),
     "the configuration is read where it is mounted, or chosen there"),
    ("env CONFIG_FILE_SRCDIR", added("/available-configs"), CHOOSES),
    ("env DEFAULT_CONFIG", lambda theirs, ours: theirs is None and bool(ours), CHOOSES),
    ("env FALLBACK_STRATEGIES", added("named,single"), CHOOSES),
    ("env NODE_NAME", added({"fieldRef": {"fieldPath": "spec.nodeName"}}), CHOOSES),
    ("mount /run/gpunode", lambda theirs, ours: theirs is None and "emptyDir" in ours,
     "the last choice, for a start while the API server is away"),
    ("mount /run/gpunode/allocations", lambda theirs, ours: theirs is None and "hostPath" in ours,
     "a map that is not the chart's may have shares, whose files are the host's"),
    ("mount /var/lib/gpunode", lambda theirs, ours: theirs is None and "hostPath" in ours,
     "a map that is not the chart's may have shares, whose library is the host's"),
    ("mount /available-configs",
     lambda theirs, ours: theirs | {"readOnly": True} == ours, "nothing is written there"),
    ("annotation checksum/config", lambda theirs, ours: bool(theirs and ours),
     "the sum of a ConfigMap with other labels"),
    ("security", security, "what is not needed is not asked for"),
    ("env NVIDIA_MIG_MONITOR_DEVICES", left_out, "only where MIG may be used (fixed in 0.16 too)"),
    ("env GPUNODE_LISTEN_ADDRESS", added(":9400"), "probes and metrics"),
    ("env GPUNODE_LABELS", added("file"), "the agent labels by itself"),
    ("mount /etc/kubernetes/node-feature-discovery/features.d",
     lambda theirs, ours: theirs is None and "hostPath" in ours, "the agent labels by itself"),
    ("env MPS_ROOT", added("/run/nvidia/mps"), "as 0.20"),
    ("env NVIDIA_VISIBLE_DEVICES", added("all"), "as 0.20; in 0.14.3 the image has it"),
    ("env NVIDIA_DRIVER_CAPABILITIES", added("compute,utility"), "as 0.20"),
    ("mount /var/lib/kubelet/device-plugins",
     lambda theirs, ours: ours["hostPath"] == theirs["hostPath"] | {"type": "Directory"},
     "as 0.20: a node without kubelet is not given a directory"),
    ("mount /var/lib/kubelet/pod-resources",
     lambda theirs, ours: theirs is None and ours["readOnly"],
     "gpunode status says which Pods hold what"),
    ("mount /driver-root", lambda theirs, ours: theirs is None and ours["readOnly"],
     "as 0.20: CDI is about the driver's files"),
    ("mount /var/run/cdi",
     lambda theirs, ours: theirs is None or ours is None,
     "where CDI may be used, and only there"),
    ("mount /dev/shm", left_out, "only with mps.externalDaemon"),
    ("mount /mps", left_out, "only with mps.externalDaemon"),
    ("Pod affinity", lambda theirs, ours: NFD_LABELS in str(theirs) and ours is None,
     "nodes without Node Feature Discovery have GPUs too"),
]


def explain(fact, theirs, ours):
    """Why the values may differ, or None."""
    for name, holds, why in RULES:
        if name == fact and holds(theirs, ours):
            return why
    return None
