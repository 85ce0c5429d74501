#!/usr/bin/env python3
"""The layers check itself: each rule is broken once and must be reported."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_layers  # noqa: E402

TABLE = "base/core:\nbase/text: base/core\ngpu/device: base/core\n" \
        "k8s/kubelet: base/core\n<grpcpp/>: k8s/kubelet\n<yaml-cpp/>: *.cc\n"


class Layers(unittest.TestCase):
    def problems(self, path, text, table=TABLE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in {"docs/layers.txt": table, path: text}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            return check_layers.check(root) + check_layers.unbuilt_tests(root)

    def test_allowed_include_is_silent(self):
        self.assertEqual([], self.problems("src/base/text/a.cc", '#include "base/core/error.h"\n'))

    def test_climbing_include_is_reported(self):
        got = self.problems("src/base/core/a.h", '\n#include "gpu/device/x.h"\n')
        self.assertEqual(["src/base/core/a.h:2: base/core may not include gpu/device"], got)

    def test_grpc_outside_kubelet_is_reported(self):
        self.assertEqual(1, len(self.problems("src/base/core/a.cc", "#include <grpcpp/grpcpp.h>\n")))
        self.assertEqual([], self.problems("src/k8s/kubelet/a.cc", "#include <grpcpp/grpcpp.h>\n"))

    def test_yaml_in_a_header_is_reported(self):
        self.assertEqual(1, len(self.problems("src/base/text/a.h", "#include <yaml-cpp/yaml.h>\n")))
        self.assertEqual([], self.problems("src/base/text/a.cc", "#include <yaml-cpp/yaml.h>\n"))

    def test_a_cycle_cannot_be_written_into_the_table(self):
        got = self.problems("src/base/core/a.h", "", "base/core: base/text\nbase/text: base/core\n")
        self.assertEqual(["layers.txt: base/core lists base/text, which is not above it"], got)

    def test_unknown_room_is_reported(self):
        self.assertEqual(1, len(self.problems("src/base/utils/a.h", "")))

    def test_production_may_not_include_tests(self):
        self.assertEqual(1, len(self.problems("src/base/core/a.cc", '#include "tests/doubles/x.h"\n')))

    def test_forgotten_test_is_reported(self):
        self.assertEqual(["src/base/core/a_test.cc: no CMakeLists.txt builds this test"],
                         self.problems("src/base/core/a_test.cc", ""))


if __name__ == "__main__":
    unittest.main()
