#!/usr/bin/env python3
"""The chart deploy/helm/gpunode, rendered by real releases of helm: README.md here.

    python3 tests/chart/test_chart.py --agent build/dev/apps/agent/gpunode-agent

Exit code 77: helm cannot be had here; the last line says why.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "deploy/helm/gpunode"
SKIP = 77
# A release of ours that can be compared with theirs, and take its place.
AS_THEIRS = {"nameOverride": "nvidia-device-plugin"}
# Their older chart does not know these values.
ONLY_NEW = {"flags-020", "host-network", "no-plugin"}
# Read by the container runtime, not by the agent.
RUNTIME_VARIABLES = {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
                     "NVIDIA_MIG_MONITOR_DEVICES"}

AGENT = None  # The program, by the command line.
HELMS = []    # helm.Helm, of each release.


def container(table_text):
    return plugin_container(daemon_set(documents(table_text)))


def variables(text):
    return {one["name"]: one.get("value", "") for one in container(text)["env"]}


class ChartTest(unittest.TestCase):
    def each_helm(self):
        for helm in HELMS:
            with self.subTest(helm=helm.version):
                yield helm

    def notes_helm(self):
        return next(helm for helm in HELMS if helm.can_say_notes())

    def refused(self, helm, values, *words, **keywords):
        with self.assertRaises(Refused) as caught:
            helm.template(CHART, values, **keywords)
        for word in words:
            self.assertIn(word, str(caught.exception))


class SameValues(ChartTest):
    def test_what_nvidias_chart_gives_ours_gives_but_for_the_named_differences(self):
        used = set()
        for helm in self.each_helm():
            for path in sorted((HERE / "facts").glob("*.json")):
                recorded = json.loads(path.read_text())["sets"]
                for name, values in value_sets().items():
                    if name in ONLY_NEW and path.stem == "0.14.3":
                        continue
                    with self.subTest(peer=path.stem, values=name):
                        ours = facts(helm.template(CHART, AS_THEIRS | values))
                        used |= self.compare(recorded[name], ours)
        self.assertEqual({name for name, _, _ in RULES} - used, set(), "rules that explain nothing")

    def compare(self, theirs, ours):
        differ = {fact for fact in theirs.keys() | ours.keys() if theirs.get(fact) != ours.get(fact)}
        for fact in sorted(differ):
            self.assertIsNotNone(explain(fact, theirs.get(fact), ours.get(fact)),
                                 f"{fact}: theirs {theirs.get(fact)}, ours {ours.get(fact)}")
        return differ

    def test_every_value_of_both_charts_is_taken_at_once(self):
        for helm in self.each_helm():
            for path in sorted((HERE / "facts").glob("*.json")):
                with self.subTest(peer=path.stem):
                    helm.template(CHART, json.loads(path.read_text())["values"])

    def test_the_seeds_values_are_those_of_the_seed(self):
        seed = (ROOT / "tests/cluster/seed/config.map.default").read_text()
        values = value_sets()["seed"]
        self.assertEqual(values["config"]["map"]["default"].rstrip("\n"), seed.rstrip("\n"))
        for helm in self.each_helm():
            table = facts(helm.template(CHART, values))
            self.assertEqual(table["configuration default"], seed.rstrip("\n"))
            self.assertEqual(table["env CONFIG_FILE"], "/available-configs/default")
            self.assertIn("nvidia.com/gpu.product", str(table["Pod affinity"]))


class Rights(ChartTest):
    def test_by_default_the_container_may_do_nothing_special(self):
        for helm in self.each_helm():
            table = facts(helm.template(CHART, {}))
            self.assertEqual(table["security"], {
                "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True, "seccompProfile": {"type": "RuntimeDefault"},
                "seLinuxOptions": {"type": "container_device_plugin_t"}})
            self.assertEqual([fact for fact in table if fact.startswith("mount ")],
                             ["mount /var/lib/kubelet/device-plugins",
                              "mount /var/lib/kubelet/pod-resources"])
            self.assertNotIn("Pod hostPID", table)
            self.assertNotIn("Pod hostNetwork", table)

    def test_shares_bring_what_they_take_and_nothing_else_does(self):
        shares = yaml.safe_load((ROOT / "examples/values-shares.yaml").read_text())
        limits = {"config": {"map": {"a": "sharing: {timeSlicing: {limits: memory, resources: "
                                          "[{name: gpu, replicas: 2}]}}"}}}
        for helm in self.each_helm():
            for values in (shares, limits, {"config": {"name": "x", "default": "y"}, "shares": True}):
                found = documents(helm.template(CHART, values))
                pod = daemon_set(found)["spec"]["template"]["spec"]
                self.assertTrue(pod["hostPID"])
                mounts = {one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
                self.assertLessEqual({"/run/gpunode/allocations", "/var/lib/gpunode"}, mounts)
                table = facts(helm.template(CHART, values))
                self.assertEqual(table["security"]["seLinuxOptions"], {"type": "spc_t"})
            for values in (shares | {"shares": False}, {}):
                pod = daemon_set(documents(helm.template(CHART, values)))["spec"]["template"]["spec"]
                self.assertNotIn("hostPID", pod)

    def test_pods_may_be_read_where_their_priority_counts_and_nowhere_else(self):
        def of(priority):
            return {"config": {"map": {"a": "sharing: {shares: {%sresources: [{name: gpu, "
                                            "replicas: 2}]}}" % priority}}}
        pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        external = {"config": {"name": "x", "default": "y"}}
        for helm in self.each_helm():
            for values in (of("priority: pod, "), of("") | {"readPods": True}):
                found = documents(helm.template(CHART, values))
                pod = daemon_set(found)["spec"]["template"]["spec"]
                self.assertTrue(pod["automountServiceAccountToken"])
                role, = of_kind(found, "ClusterRole")
                self.assertEqual(role["rules"], [pods])
                binding, = of_kind(found, "ClusterRoleBinding")
                self.assertEqual(binding["subjects"][0]["name"], pod["serviceAccountName"])
                self.assertEqual(binding["roleRef"]["name"], role["metadata"]["name"])
            # By namespace somebody else gives it; asked is all the same.
            found = documents(helm.template(CHART, of("priority: pod, ") | {"readPods": False}))
            self.assertEqual(of_kind(found, "ClusterRole"), [])
            self.assertTrue(daemon_set(found)["spec"]["template"]["spec"]["automountServiceAccountToken"])
            for values in (of(""), of("priority: none, "), {}, of("") | {"readPods": False},
                           {"config": {"map": {"a": "sharing: []"}}}, {"config": {"map": {"a": "sharing: {shares: [1]}"}}},
                           of("priority: pod, ") | {"devicePlugin": {"enabled": False}}):
                found = documents(helm.template(CHART, values))
                self.assertEqual(of_kind(found, "ClusterRole"), [])
                pod = of_kind(found, "DaemonSet")
                self.assertFalse(pod and pod[0]["spec"]["template"]["spec"]["automountServiceAccountToken"])
            # Beside what a choice by the node's label takes.
            for values, has in ((external, False), (external | {"readPods": True}, True)):
                rules = of_kind(documents(helm.template(CHART, values)), "ClusterRole")[0]["rules"]
                self.assertEqual(pods in rules, has)
                self.assertIn("nodes", [rule["resources"][0] for rule in rules])

    def test_the_seeds_shares_differ_from_the_seed_in_one_block(self):
        seed, ours = (yaml.safe_load(path.read_text()) for path in
                      (HERE / "values/seed.yaml", ROOT / "examples/values-shares.yaml"))
        theirs = yaml.safe_load(seed["config"]["map"].pop("default"))
        config = yaml.safe_load(ours["config"]["map"].pop("default"))
        self.assertEqual(seed, ours)
        self.assertEqual(config["sharing"].pop("shares")["resources"],
                         theirs["sharing"].pop("timeSlicing")["resources"])
        self.assertEqual(config, theirs)

    def test_no_values_of_nvidias_ever_ask_for_the_hosts_processes(self):
        for helm in self.each_helm():
            for name, values in value_sets().items():
                with self.subTest(values=name):
                    table = facts(helm.template(CHART, values))
                    self.assertNotIn("Pod hostPID", table)

    def test_sys_admin_is_for_mig_and_volume_mounts(self):
        need = {"mig-single", "mig-mixed", "mig-by-node", "volume-mounts"}
        for helm in self.each_helm():
            have = {name for name, values in value_sets().items()
                    if "SYS_ADMIN" in str(facts(helm.template(CHART, values)).get("security"))}
            self.assertEqual(have, need)

    def test_an_external_map_may_hold_anything(self):
        for helm in self.each_helm():
            table = facts(helm.template(CHART, {"config": {"name": "x", "default": "y"}}))
            self.assertEqual(table["security"]["capabilities"]["add"], ["SYS_ADMIN"])
            self.assertIn("mount /var/run/cdi", table)

    def test_directories_beside_the_kubelets_need_another_selinux_domain(self):
        for helm in self.each_helm():
            for values, wanted in (({"deviceListStrategy": "cdi-cri"}, "spc_t"),
                                   ({"requireAllocation": False}, "spc_t"),
                                   ({"seLinuxType": "own_t"}, "own_t")):
                self.assertEqual(facts(helm.template(CHART, values))["security"]["seLinuxOptions"],
                                 {"type": wanted})
            none = facts(helm.template(CHART, {"seLinuxType": ""}))
            self.assertNotIn("seLinuxOptions", none["security"])

    def test_the_pod_has_no_token_unless_it_needs_one(self):
        for helm in self.each_helm():
            found = documents(helm.template(CHART, {}))
            pod = daemon_set(found)["spec"]["template"]["spec"]
            self.assertFalse(pod["automountServiceAccountToken"])
            self.assertEqual(of_kind(found, "ClusterRole"), [])

    def test_a_choice_by_the_nodes_label_brings_what_it_takes_and_no_more(self):
        values = {"config": {"map": {"a": "version: v1", "b": "version: v1"}, "default": "a"}}
        for helm in self.each_helm():
            found = documents(helm.template(CHART, values))
            pod = daemon_set(found)["spec"]["template"]["spec"]
            self.assertTrue(pod["automountServiceAccountToken"])
            rules = {(group, resource): rule["verbs"]
                     for rule in of_kind(found, "ClusterRole")[0]["rules"]
                     for group in rule["apiGroups"] for resource in rule["resources"]}
            self.assertEqual(rules, {("", "nodes"): ["get", "list", "watch", "patch"],
                                     ("events.k8s.io", "events"): ["create", "patch"]})
            binding = of_kind(found, "ClusterRoleBinding")[0]
            self.assertEqual(binding["subjects"][0]["name"], pod["serviceAccountName"])
            self.assertEqual(binding["roleRef"]["name"],
                             of_kind(found, "ClusterRole")[0]["metadata"]["name"])
            environment = facts(helm.template(CHART, values))
            self.assertEqual(environment["env CONFIG_FILE_SRCDIR"], "/available-configs")
            self.assertEqual(environment["env DEFAULT_CONFIG"], "a")
            self.assertNotIn("env CONFIG_FILE", environment)


    def test_taking_over_brings_the_right_to_the_operators_labels_and_no_more(self):
        for helm in self.each_helm():
            for value, variable in ((True, "GPUNODE_TAKE_OVER"), ("give-back", "GPUNODE_GIVE_BACK")):
                text = helm.template(CHART, {"takeOver": value})
                found = documents(text)
                self.assertTrue(daemon_set(found)["spec"]["template"]["spec"]["automountServiceAccountToken"])
                rules = {(rule["apiGroups"][0], rule["resources"][0]): rule["verbs"]
                         for rule in of_kind(found, "ClusterRole")[0]["rules"]}
                self.assertEqual(rules, {("", "nodes"): ["get", "patch"],
                                         ("events.k8s.io", "events"): ["create", "patch"]})
                have = variables(text)
                self.assertEqual(have[variable], "true")
                self.assertIn("NODE_NAME", have)
                self.assertEqual(len(have.keys() & {"GPUNODE_TAKE_OVER", "GPUNODE_GIVE_BACK"}), 1)
            for value in (False, None):
                text = helm.template(CHART, {"takeOver": value})
                self.assertEqual(of_kind(documents(text), "ClusterRole"), [])
                self.assertNotIn("GPUNODE_TAKE_OVER", variables(text))


class Values(ChartTest):
    def test_nvidias_image_is_never_run(self):
        ours = "gpunode.example/gpunode-agent:" + version()
        for helm in self.each_helm():
            for image in ({"repository": "nvcr.io/nvidia/k8s-device-plugin", "tag": "v0.14.3"},
                          {"repository": "mirror.corp:5000/nvidia/k8s-device-plugin"},
                          {"repository": "nvcr.io/nvidia/k8s-device-plugin@sha256:" + 64 * "0"},
                          {"repository": "nvcr.io/nvidia/gpu-feature-discovery"},
                          {"tag": "v0.14.3"}):
                with self.subTest(image=image):
                    text = helm.template(CHART, {"image": image})
                    self.assertEqual(container(text)["image"], ours)
                    said = self.notes_helm().notes(CHART, {"image": image})
                    self.assertIn("It is not run", said)

    def test_ones_own_image_is_run(self):
        for helm in self.each_helm():
            for image, wanted in (({"repository": "r.corp/gpunode-agent"},
                                   "r.corp/gpunode-agent:" + version()),
                                  ({"repository": "r.corp/a", "tag": "v1"}, "r.corp/a:v1"),
                                  ({"repository": "r.corp/a@sha256:12", "tag": "v1"},
                                   "r.corp/a@sha256:12")):
                text = helm.template(CHART, {"image": image})
                self.assertEqual(container(text)["image"], wanted)
                self.assertEqual(container(text)["command"], ["/usr/bin/gpunode-agent"])

    def test_values_of_gpunode_alone(self):
        for helm in self.each_helm():
            text = helm.template(CHART, {
                "listenAddress": "", "logLevel": "debug", "strict": True, "requireAllocation": True,
                "enableCustomSharing": False, "sharedDevicesAllocationPolicy": "packed",
                "healthQuietPeriod": "5m",
                "extraEnv": [{"name": "DP_DISABLE_HEALTHCHECKS", "value": "xids"}]})
            have = variables(text)
            for name, value in {
                    "GPUNODE_LOG_LEVEL": "debug", "GPUNODE_STRICT": "true",
                    "GPUNODE_REQUIRE_ALLOCATION": "true", "GPUNODE_ENABLE_CUSTOM_SHARING": "false",
                    "SHARED_DEVICES_ALLOCATION_POLICY": "packed",
                    "GPUNODE_HEALTH_QUIET_PERIOD": "5m",
                    "DP_DISABLE_HEALTHCHECKS": "xids"}.items():
                self.assertEqual(have.get(name), value, name)
            self.assertNotIn("GPUNODE_LISTEN_ADDRESS", have)
            self.assertNotIn("livenessProbe", container(text))
            self.assertIn("mount /var/lib/gpunode", facts(text))

    def test_a_daemon_of_ones_own_for_mps(self):
        values = {"mps": {"externalDaemon": True, "root": "/srv/mps"}, "config": {"map": {"a": MPS}}}
        for helm in self.each_helm():
            table = facts(helm.template(CHART, values))
            self.assertEqual(table["mount /mps"]["hostPath"]["path"], "/srv/mps")
            self.assertEqual(table["mount /dev/shm"]["hostPath"]["path"], "/srv/mps/shm")
            self.assertEqual(table["env MPS_ROOT"], "/srv/mps")

    def test_the_agent_knows_every_variable(self):
        known = subprocess.run([AGENT, "--help"], capture_output=True, text=True, timeout=60,
                               check=True).stdout
        known = set(re.findall(r"[A-Z][A-Z0-9_]{3,}", known)) | RUNTIME_VARIABLES
        sets = list(value_sets().values()) + [{
            "logLevel": "info", "strict": False, "requireAllocation": False,
            "enableCustomSharing": True, "sharedDevicesAllocationPolicy": "packed",
            "healthQuietPeriod": "never"}, {"takeOver": True}, {"takeOver": "give-back"}]
        for helm in self.each_helm():
            for values in sets:
                text = helm.template(CHART, values)
                if daemon_set(documents(text)) is not None:
                    self.assertEqual(set(variables(text)) - known, set())

    def test_the_agent_takes_what_the_chart_renders(self):
        for helm in self.each_helm():
            for name, values in value_sets().items():
                text = helm.template(CHART, values)
                if daemon_set(documents(text)) is None or "external" in name:
                    continue
                with self.subTest(values=name):
                    self.config_check(text)

    def config_check(self, text):
        """gpunode-agent --config-check --strict in the container's environment."""
        table = facts(text)
        with tempfile.TemporaryDirectory() as directory:
            environment = variables(text)
            chosen = environment.get("CONFIG_FILE")
            if chosen:
                name = chosen.removeprefix("/available-configs/")
                file = pathlib.Path(directory) / name
                file.write_text(table[f"configuration {name}"])
                environment["CONFIG_FILE"] = str(file)
            if environment.get("CONFIG_FILE_SRCDIR"):
                for fact, content in table.items():
                    if fact.startswith("configuration "):
                        file = pathlib.Path(directory) / fact.removeprefix("configuration ")
                        file.write_text(content)
                # One of them as the file: which one it is, only the API server tells.
                environment["CONFIG_FILE"] = str(file)
                del environment["CONFIG_FILE_SRCDIR"]
            done = subprocess.run([AGENT, "--config-check", "--strict"], env=environment, text=True,
                                  capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_configuration_comes_through_as_it_was_written(self):
        odd = "  # begins with blanks\n  version: v1\n\n  flags: {migStrategy: 'none'}"
        for helm in self.each_helm():
            table = facts(helm.template(CHART, {"config": {"map": {"on": odd, "1.0": "a: \"b\""}}
                                                | {"default": "on"}}))
            self.assertEqual(table["configuration on"], odd)
            self.assertEqual(table["configuration 1.0"], 'a: "b"')


FEATURES = "/etc/kubernetes/node-feature-discovery/features.d"


class Labels(ChartTest):
    def containers(self, text):
        pod = of_kind(documents(text), "DaemonSet")[0]["spec"]["template"]["spec"]
        return {one["name"]: one for one in pod["containers"]}, pod

    def test_are_written_by_the_agent(self):
        values = {"gfd": {"enabled": True, "noTimestamp": True, "sleepInterval": "5m"}}
        for helm in self.each_helm():
            table = facts(helm.template(CHART, values))
            self.assertEqual(table["containers of a node"], ["gpunode-agent"])
            self.assertEqual(table["env GPUNODE_LABELS"], "file")
            self.assertEqual(table["env GFD_NO_TIMESTAMP"], "true")
            self.assertEqual(table["mount " + FEATURES]["hostPath"]["path"], FEATURES)
            self.assertEqual(table["security"]["seLinuxOptions"], {"type": "spc_t"})

    def test_on_the_node_take_the_right_to_write_there(self):
        for helm in self.each_helm():
            text = helm.template(CHART, {"labels": "node"})
            table, found = facts(text), documents(text)
            self.assertEqual(table["env GPUNODE_LABELS"], "node")
            self.assertEqual(table["env NODE_NAME"], {"fieldRef": {"fieldPath": "spec.nodeName"}})
            self.assertNotIn("mount " + FEATURES, table)
            self.assertEqual(of_kind(found, "ClusterRole")[0]["rules"], [
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
                {"apiGroups": ["events.k8s.io"], "resources": ["events"],
                 "verbs": ["create", "patch"]}])
            pod = daemon_set(found)["spec"]["template"]["spec"]
            self.assertTrue(pod["automountServiceAccountToken"])

    NODE_FEATURE = {"gfd": {"enabled": True}, "nfd": {"enableNodeFeatureApi": True}}

    def check_node_feature(self, environment, found):
        for name, path in (("NODE_NAME", "spec.nodeName"), ("NAMESPACE", "metadata.namespace"),
                           ("POD_NAME", "metadata.name")):
            self.assertEqual(environment[name], {"fieldRef": {"fieldPath": path}})
        self.assertEqual(of_kind(found, "ClusterRole"), [])
        role, binding = of_kind(found, "Role")[0], of_kind(found, "RoleBinding")[0]
        self.assertEqual(role["rules"], [
            {"apiGroups": ["nfd.k8s-sigs.io"], "resources": ["nodefeatures"],
             "verbs": ["get", "create", "update"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
        pod = of_kind(found, "DaemonSet")[0]["spec"]["template"]["spec"]
        space = of_kind(found, "DaemonSet")[0]["metadata"]["namespace"]
        self.assertEqual(binding["roleRef"]["name"], role["metadata"]["name"])
        self.assertEqual(binding["subjects"], [{
            "kind": "ServiceAccount", "name": pod["serviceAccountName"], "namespace": space}])
        self.assertEqual({role["metadata"]["namespace"], binding["metadata"]["namespace"]}, {space})
        self.assertTrue(pod["automountServiceAccountToken"])
        self.assertNotIn("features", [volume["name"] for volume in pod["volumes"]])

    def test_in_a_node_feature_take_rights_in_their_own_namespace(self):
        for helm in self.each_helm():
            for values in (self.NODE_FEATURE, {"labels": "nodefeature"}):
                text = helm.template(CHART, values)
                table = facts(text)
                self.assertEqual(table["containers of a node"], ["gpunode-agent"])
                self.assertEqual(table["env GPUNODE_LABELS"], "nodefeature")
                self.assertEqual(table["security"]["seLinuxOptions"],
                                 {"type": "container_device_plugin_t"})
                self.check_node_feature(
                    {key.removeprefix("env "): value for key, value in table.items()},
                    documents(text))
            self.assertEqual(of_kind(documents(helm.template(CHART, {"gfd": {"enabled": True}})),
                                     "Role"), [])

    def test_in_a_node_feature_by_a_container_of_their_own(self):
        for helm in self.each_helm():
            text = helm.template(CHART, self.NODE_FEATURE | {"devicePlugin": {"enabled": False}})
            found, _ = self.containers(text)
            environment = {one["name"]: one.get("value", one.get("valueFrom"))
                           for one in found["gpunode-labels"]["env"]}
            self.assertEqual(environment["GFD_USE_NODE_FEATURE_API"], "true")
            self.check_node_feature(environment, documents(text))

    def test_in_a_node_feature_beside_a_choice_by_label(self):
        values = self.NODE_FEATURE | {"config": {"map": {"a": "version: v1", "b": "version: v1"},
                                                 "default": "a"}}
        for helm in self.each_helm():
            found = documents(helm.template(CHART, values))
            self.assertEqual((len(of_kind(found, "ClusterRole")), len(of_kind(found, "Role"))), (1, 1))

    def test_where_they_go_is_said_last_by_labels(self):
        for helm in self.each_helm():
            values = {"labels": "node", "gfd": {"enabled": True,
                                                "securityContext": {"privileged": True}}}
            table = facts(helm.template(CHART, values))
            self.assertEqual(table["env GPUNODE_LABELS"], "node")
            self.assertEqual(table["containers of a node"], ["gpunode-agent"])
            self.refused(helm, {"labels": "node", "devicePlugin": {"enabled": False}},
                         "no agent runs", "gfd.enabled=true")

    def test_are_written_by_a_second_container_where_they_alone_may_do_something(self):
        values = {"gfd": {"enabled": True, "noTimestamp": True, "sleepInterval": "5m",
                          "securityContext": {"privileged": True}},
                  "migStrategy": "single"}
        for helm in self.each_helm():
            found, pod = self.containers(helm.template(CHART, values))
            self.assertEqual(set(found), {"gpunode-agent", "gpunode-labels"})
            one = found["gpunode-labels"]
            self.assertEqual(one["command"], ["/usr/bin/gpu-feature-discovery"])
            environment = {each["name"]: each.get("value") for each in one["env"]}
            self.assertEqual(
                {key: environment.get(key) for key in ("GFD_NO_TIMESTAMP", "GFD_SLEEP_INTERVAL",
                                                       "MIG_STRATEGY", "GFD_USE_NODE_FEATURE_API")},
                {"GFD_NO_TIMESTAMP": "true", "GFD_SLEEP_INTERVAL": "5m", "MIG_STRATEGY": "single",
                 "GFD_USE_NODE_FEATURE_API": "false"})
            features = [volume for volume in pod["volumes"] if volume["name"] == "features"]
            self.assertEqual(features[0]["hostPath"]["path"],
                             "/etc/kubernetes/node-feature-discovery/features.d")

    def test_without_the_plugin_are_all_that_runs(self):
        for helm in self.each_helm():
            found, _ = self.containers(helm.template(
                CHART, {"gfd": {"enabled": True}, "devicePlugin": {"enabled": False}}))
            self.assertEqual(set(found), {"gpunode-labels"})

    def test_are_not_for_a_privileged_container(self):
        for helm in self.each_helm():
            found, _ = self.containers(helm.template(
                CHART, {"gfd": {"enabled": True}, "devicePlugin": {"enabled": False}}))
            security = found["gpunode-labels"]["securityContext"]
            self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
            self.assertTrue(security["readOnlyRootFilesystem"])
            own = {"gfd": {"enabled": True, "securityContext": {"privileged": True}}}
            found, _ = self.containers(helm.template(CHART, own))
            self.assertEqual(found["gpunode-labels"]["securityContext"], {"privileged": True})

    def test_the_program_knows_every_variable(self):
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory) / "gpu-feature-discovery"
            program.symlink_to(pathlib.Path(AGENT).resolve())
            known = set(re.findall(r"[A-Z][A-Z0-9_]{3,}", subprocess.run(
                [program, "--help"], capture_output=True, text=True, check=True).stdout))
        values = {"gfd": {"enabled": True, "noTimestamp": False, "sleepInterval": "1m"},
                  "failOnInitError": True, "migStrategy": "none", "logLevel": "info",
                  "strict": True, "deviceDiscoveryStrategy": "nvml",
                  "config": {"map": {"default": "version: v1"}}, "devicePlugin": {"enabled": False}}
        for helm in self.each_helm():
            found, _ = self.containers(helm.template(CHART, values))
            have = {one["name"] for one in found["gpunode-labels"]["env"]}
            self.assertEqual(have - known - RUNTIME_VARIABLES, set())

    def test_of_tegra_are_found_by_themselves(self):
        for helm in self.each_helm():
            found, _ = self.containers(helm.template(CHART, {
                "gfd": {"enabled": True, "securityContext": {"privileged": True}},
                "deviceDiscoveryStrategy": "tegra"}))
            self.assertIn("DEVICE_DISCOVERY_STRATEGY", str(found["gpunode-agent"]["env"]))
            self.assertNotIn("DEVICE_DISCOVERY_STRATEGY", str(found["gpunode-labels"]["env"]))


MPS = "sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}"


class Monitoring(ChartTest):
    ON = {"monitoring": {"dashboard": {"enabled": True}, "rules": {"enabled": True}}}

    def of_monitoring(self, helm, values):
        found = documents(helm.template(CHART, values))
        return [one for one in found if one["kind"] == "PrometheusRule" or "-dashboard" in one["metadata"]["name"]]

    def test_is_off_by_default(self):
        for helm in self.each_helm():
            self.assertEqual(self.of_monitoring(helm, {}), [])
            for nothing in (None, {"dashboard": None, "rules": None}):
                self.assertEqual(self.of_monitoring(helm, {"monitoring": nothing}), [])
            only = self.of_monitoring(helm, {"monitoring": {"rules": {"enabled": True}}})
            self.assertEqual([one["kind"] for one in only], ["PrometheusRule"])

    def test_is_what_deploy_monitoring_has(self):
        for name in ("dashboard.json", "rules.yaml"):
            self.assertEqual((CHART / "files" / name).read_text(), (ROOT / "deploy/monitoring" / name).read_text(),
                             f"next: cp deploy/monitoring/{name} deploy/helm/gpunode/files/")

    def test_comes_through_as_it_is_with_the_labels_that_others_look_for(self):
        rules = yaml.safe_load((ROOT / "deploy/monitoring/rules.yaml").read_text())
        dashboard = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
        for helm in self.each_helm():
            config, rule = self.of_monitoring(helm, self.ON)
            self.assertEqual(rule["spec"], rules)
            self.assertEqual(json.loads(config["data"]["gpunode.json"]), dashboard)
            self.assertEqual(config["metadata"]["labels"]["grafana_dashboard"], "1")
            self.assertEqual({one["metadata"]["namespace"] for one in (config, rule)}, {"nvidia-device-plugin"})
            config, rule = self.of_monitoring(helm, {"monitoring": {
                "dashboard": {"enabled": True, "namespace": "grafana", "labels": {"grafana_dashboard": None, "mine": "yes"}},
                "rules": {"enabled": True, "namespace": "prometheus", "labels": {"release": "kube-prometheus-stack"}}}})
            self.assertEqual(config["metadata"]["namespace"], "grafana")
            self.assertNotIn("grafana_dashboard", config["metadata"]["labels"])
            self.assertEqual(config["metadata"]["labels"]["mine"], "yes")
            self.assertEqual(rule["metadata"]["namespace"], "prometheus")
            self.assertEqual(rule["metadata"]["labels"]["release"], "kube-prometheus-stack")

    def test_wants_somebody_who_tells_metrics(self):
        for helm in self.each_helm():
            for name in ("dashboard", "rules"):
                self.refused(helm, {"listenAddress": "", "monitoring": {name: {"enabled": True}}},
                             f"monitoring.{name}.enabled", "listenAddress")
            self.refused(helm, {"monitoring": {"rules": {"enabled": "yes"}}}, "enabled", "schema")
            self.refused(helm, {"monitoring": {"rule": {}}}, "rule", "schema")


class Static(ChartTest):
    def test_the_manifests_are_what_the_chart_renders(self):
        for helm in self.each_helm():
            for name in static.MANIFESTS:
                with self.subTest(manifest=name):
                    self.assertEqual(documents((static.TARGET / name).read_text()),
                                     documents(static.render(helm, name)),
                                     "next: python3 tests/chart/static.py")

    def test_there_are_no_others(self):
        self.assertEqual({path.name for path in static.TARGET.iterdir()}, set(static.MANIFESTS))


class Refusals(ChartTest):
    def test_by_the_schema(self):
        for helm in self.each_helm():
            for values, word in (({"migStrateg": "none"}, "migStrateg"),
                                 ({"migStrategy": ""}, "migStrategy"),
                                 ({"migStrategy": "all"}, "migStrategy"),
                                 ({"failOnInitError": "true"}, "failOnInitError"),
                                 ({"deviceListStrategy": "envvar,cdi"}, "deviceListStrategy"),
                                 ({"deviceListStrategy": ["envvar"]}, "deviceListStrategy"),
                                 ({"deviceIDStrategy": "name"}, "deviceIDStrategy"),
                                 ({"nvidiaDriverRoot": "run/nvidia"}, "nvidiaDriverRoot"),
                                 ({"config": {"maps": {}}}, "maps"),
                                 ({"config": {"map": {"../x": "a: b"}}}, "../x"),
                                 ({"config": {"map": {"x": {"version": "v1"}}}}, "map"),
                                 ({"config": {"fallbackStrategies": ["any"]}}, "fallbackStrategies"),
                                 ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
                                 ({"gfd": {"enabled": "yes"}}, "enabled"),
                                 ({"mps": {"root": "mps"}}, "root"),
                                 ({"healthQuietPeriod": "5"}, "healthQuietPeriod"),
                                 ({"takeOver": "yes"}, "takeOver"),
                                 ({"extraEnv": [{"value": "x"}]}, "name")):
                with self.subTest(values=values):
                    self.refused(helm, values, word, "schema")

    def test_with_nvidias_words(self):
        two = {"a": "version: v1", "b": "version: v1"}
        for helm in self.each_helm():
            self.refused(helm, {"namespace": "x"}, "Value 'namespace' set to x", "no longer supported")
            self.refused(helm, {}, "Running in the 'default' namespace is not recommended.",
                         namespace="default")
            self.refused(helm, {"config": {"name": "x", "map": {"a": ""}}},
                         "Only one of 'config.name' or 'config.map' should ever be set")
            self.refused(helm, {"config": {"map": two}}, "A default config must be provided when more"
                         " than one configuration is set", "a, b")
            helm.template(CHART, {"allowDefaultNamespace": True}, namespace="default")
            helm.template(CHART, {"config": {"map": two, "fallbackStrategies": ["empty"]}})

    def test_with_the_reason(self):
        for helm in self.each_helm():
            self.refused(helm, {"legacyDaemonsetAPI": True}, "no Kubernetes since 1.16")
            self.refused(helm, {"config": {"map": {"a": "x: ["}}}, "config.map.a", "YAML")
            self.refused(helm, {"config": {"map": {"a": "x: y"}, "default": "b"}},
                         "no such configuration; it has: a")
            self.refused(helm, {"config": {"map": {"a": MPS}}}, "no MPS control daemon",
                         "mps.externalDaemon=true")
            self.refused(helm, {"extraEnv": [{"name": "MPS_ROOT", "value": "/x"}]}, "MPS_ROOT",
                         "set that value")


class Words(ChartTest):
    def test_notes_say_what_to_do_next(self):
        notes = self.notes_helm().notes(CHART, {})
        for words in ("rollout status daemonset/nvdp-gpunode", "kubectl get nodes", "make image"):
            self.assertIn(words, notes)
        self.assertNotIn("WARNING", notes)

    def test_notes_tell_what_old_values_do_not_do(self):
        theirs = json.loads((HERE / "facts/0.20.0.json").read_text())["values"]
        for values, words in (({"gfd": {"enabled": True}}, "NVIDIA's labels are written"),
                              (Labels.NODE_FEATURE, "NodeFeature objects here"),
                              ({"nfd": {"enabled": True}}, "not part of this chart"),
                              ({"affinity": theirs["affinity"]}, "affinity asks for labels"),
                              (value_sets()["mig-by-node"], "device-plugin.config"),
                              ({"failOnInitError": True}, "failOnInitError has no effect"),
                              ({"requireAllocation": True}, "exempt-namespaces"),
                              ({"takeOver": True}, "set takeOver=give-back"),
                              ({"takeOver": "give-back"}, "gpunode.io/taken-over"),
                              ({"devicePlugin": {"enabled": False}}, "no agent runs")):
            with self.subTest(values=values):
                self.assertIn(words, self.notes_helm().notes(CHART, values))

    def test_the_chart_has_the_programs_version(self):
        for helm in self.each_helm():
            shown = helm.run("show", "chart", CHART)
            self.assertIn(f"version: {version()}\n", shown)
            self.assertIn(f"appVersion: {version()}\n", shown)

    def test_the_documents_tell_of_every_key_of_both_charts(self):
        told = (ROOT / "docs/compatibility.md").read_text().partition("# Helm chart")[2]
        for path in sorted((HERE / "facts").glob("*.json")):
            for key, value in json.loads(path.read_text())["values"].items():
                inner = [f"{key}.{one}" for one in value or ()] if isinstance(value, dict) else []
                names = inner if key in ("config", "cdi", "devicePlugin", "gfd", "image", "mps") else [key]
                for name in names:
                    with self.subTest(peer=path.stem, key=name):
                        self.assertIn(f"`{name}`", told)

    def test_lint_is_content(self):
        for helm in self.each_helm():
            helm.run("lint", "--strict", CHART, "--namespace", "gpunode")


def version():
    return re.search(r"project\(gpunode VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]


def main():
    global AGENT
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", default=str(ROOT / "build/dev/apps/agent/gpunode-agent"))
    arguments, others = parser.parse_known_args()
    AGENT = arguments.agent
    with tempfile.TemporaryDirectory() as home:
        try:
            HELMS.extend(Helm(minor, home) for minor in PACKAGES)
        except HelmError as error:
            print(error)
            return SKIP
        print("helm", ", ".join(helm.version for helm in HELMS))
        return not unittest.main(argv=[sys.argv[0], *others], exit=False).result.wasSuccessful()


try:
    from differences import RULES, explain
    from facts import daemon_set, documents, facts, of_kind, plugin_container
    from helm import PACKAGES, Helm, HelmError, Refused
    from record import value_sets
    import static
except ModuleNotFoundError as missing:
    print(f"{missing}; next: tools/setup chart")
    sys.exit(SKIP)

if __name__ == "__main__":
    sys.exit(main())
