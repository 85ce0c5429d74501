"""What a rendered chart comes to: a flat table of facts, so that two charts can be compared key by
key whatever the order, the comments and the number of their containers."""

import yaml

PLUGIN_CONTAINERS = ("gpunode-agent", "nvidia-device-plugin-ctr")
# Parts of a Pod that are compared whole.
POD_KEYS = ("priorityClassName", "runtimeClassName", "imagePullSecrets", "securityContext",
            "hostNetwork", "dnsPolicy", "hostPID", "shareProcessNamespace", "nodeSelector",
            "affinity", "tolerations")


def documents(text):
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(found, kind):
    return [one for one in found if one["kind"] == kind]


def daemon_set(found):
    """The one that offers GPUs, or None."""
    for one in of_kind(found, "DaemonSet"):
        if plugin_container(one) is not None:
            return one
    return None


def plugin_container(one):
    for container in one["spec"]["template"]["spec"]["containers"]:
        if container["name"] in PLUGIN_CONTAINERS:
            return container
    return None


def source(volume):
    kind = next(key for key in volume if key != "name")
    return {kind: volume[kind]}


def of_container(container, volumes):
    found = {"image pull policy": container.get("imagePullPolicy"),
             "resources": container.get("resources"),
             "security": container.get("securityContext")}
    for variable in container.get("env") or ():
        found[f"env {variable['name']}"] = variable.get("value", variable.get("valueFrom"))
    for mount in container.get("volumeMounts") or ():
        found[f"mount {mount['mountPath']}"] = {
            **source(volumes[mount["name"]]), "readOnly": mount.get("readOnly", False)}
    return found


def facts(text):
    """fact -> value, of the release's objects. Absent values are left out."""
    found = documents(text)
    table = {f"configuration {name}": value.rstrip("\n")
             for one in of_kind(found, "ConfigMap") if one["metadata"]["name"].endswith("-configs")
             for name, value in one["data"].items()}
    one = daemon_set(found)
    if one is None:
        return table
    template = one["spec"]["template"]
    pod = template["spec"]
    table |= {
        "name": one["metadata"]["name"], "namespace": one["metadata"]["namespace"],
        "selector": one["spec"]["selector"]["matchLabels"],
        "update strategy": one["spec"].get("updateStrategy"),
        "Pod labels": template["metadata"]["labels"],
        "containers of a node": sorted(
            container["name"] for each in of_kind(found, "DaemonSet")
            for key in ("initContainers", "containers")
            for container in each["spec"]["template"]["spec"].get(key) or ()),
    }
    for key, value in (template["metadata"].get("annotations") or {}).items():
        table[f"annotation {key}"] = value
    table |= {f"Pod {key}": pod.get(key) for key in POD_KEYS}
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    table |= of_container(plugin_container(one), volumes)
    return {key: value for key, value in sorted(table.items()) if value not in (None, {}, [])}
