#!/usr/bin/env python3
"""Tests of the engines' tests' own parts that need neither root nor the parts."""

import json
import os
import pathlib
import sys
import tempfile
import types
import unittest
import unittest.mock

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))

# pylint: disable=wrong-import-position
import claims
import containerd
import containerd_checks
import parts
from container import Container, Ended
from node import Node
from process import Failed


class Cache(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(unittest.mock.patch.dict(os.environ, GPUNODE_CACHE=str(self.root)))

    def make(self, **options):
        return self.enterContext(unittest.mock.patch.object(parts, "make", **options))

    def test_what_is_there_is_not_made_again(self):
        made = self.make(return_value={"musl": {"musl": "1.2.3-1"}})
        first = parts.ensure()
        self.assertEqual(first, parts.ensure())
        self.assertEqual(1, made.call_count)
        self.assertEqual({"musl": {"musl": "1.2.3-1"}}, parts.taken_packages(first))
        parts.ensure(rebuild=True)
        self.assertEqual(2, made.call_count)

    def test_a_failure_leaves_nothing_and_what_others_left_goes(self):
        for name in ("making-killed", "0123456789abcdef"):
            (self.root / "engines" / name).mkdir(parents=True)
        self.make(side_effect=parts.PartsError("no network"))
        with self.assertRaises(parts.PartsError):
            parts.ensure()
        self.assertEqual(["lock"], [path.name for path in (self.root / "engines").iterdir()])

    def test_apt_is_told_to_leave_the_machines_own_alone(self):
        with unittest.mock.patch.object(parts, "apt_says", return_value=[
                'Acquire::http::Proxy "http://proxy:3128";', 'Dir::State "/var/lib/apt";']):
            apt = parts.Apt(self.root / "apt")
        said = (apt.directory / "apt.conf").read_text()
        self.assertIn('Acquire::http::Proxy "http://proxy:3128";', said)
        for line in said.splitlines():
            if line.startswith("Dir::"):
                self.assertRegex(line, f'"({self.root}/apt/.*|/dev/null)";$')


class Values(unittest.TestCase):
    def test_versions_are_upstreams(self):
        node = Node(None, "/parts", {"a": {"b": "2:1.6.20~ds1-1+deb12u3"}}, "/state", "group")
        self.assertEqual("1.6.20", node.version_of("a", "b"))

    def test_a_containers_end_says_whose_it_was(self):
        self.assertEqual("container ended with 3: x", str(Ended(3, "x\n", True)))
        self.assertEqual("runtime ended with 1: y", str(Ended(1, "y\n", False)))

    def test_only_one_with_a_user_namespace_has_mappings(self):
        with tempfile.TemporaryDirectory() as scratch:
            node = types.SimpleNamespace(work=pathlib.Path(scratch), cgroup="group",
                                         build=types.SimpleNamespace(runtime="r"))
            one = Container(node, "one", lambda _, root: root.mkdir())
            self.assertNotIn("uidMappings", one.config(["/x"], ())["linux"])
            one.user_namespace = True
            linux = one.config(["/x"], ())["linux"]
            self.assertEqual(100000, linux["uidMappings"][0]["hostID"])
            self.assertIn({"type": "user"}, linux["namespaces"])
            json.dumps(linux)

    def test_what_is_left_behind_is_named(self):
        claims.expect_nothing_left({"a"}, {"a"}, "x")
        with self.assertRaisesRegex(Failed, "x left behind .'b'., took away .'a'."):
            claims.expect_nothing_left({"a"}, {"b"}, "x")

    def test_each_containerd_has_the_plugin_names_of_its_version(self):
        old = containerd.config_of("1.7", state="/s", runc="/r")
        self.assertIn('version = 2\n', old)
        self.assertIn(f'  sandbox_image = "{containerd.PAUSE}"\n', old)
        new = containerd.config_of("2", state="/s", runc="/r")
        self.assertIn('[plugins."io.containerd.cri.v1.runtime".containerd]', new)
        self.assertNotIn("grpc.v1.cri", new)

    def test_runtimes_are_read_from_either_dump(self):
        for quote in "'\"":
            text = f"default_runtime_name = {quote}nvidia{quote}\nBinaryName = {quote}{quote}\n"
            self.assertEqual([["nvidia"], []], containerd_checks.runtimes_of(text))


if __name__ == "__main__":
    unittest.main()
