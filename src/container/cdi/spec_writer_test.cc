#include "container/cdi/spec_writer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "container/cdi/spec_reader.h"

namespace gpunode::cdi {
namespace {

Spec sample() {
  Spec spec;
  spec.version = "0.7.0";
  spec.kind = "nvidia.com/gpu";
  Device zero{"0", {{"a.b/c", "1"}}, {}};
  DeviceNode& node = zero.edits.device_nodes.emplace_back();
  node.path = "/dev/nvidia0";
  node.host_path = "/r/dev/nvidia0";
  node.major = 195;
  node.minor = 0;
  node.file_mode = 0666;
  node.permissions = "rwm";
  zero.edits.device_nodes.push_back(node);
  zero.edits.device_nodes[1].path = "/dev/nvidiactl";
  zero.edits.device_nodes[1].minor = 255;
  spec.devices = {zero};
  spec.edits.env = {"A=1", "B=yes: no"};
  spec.edits.hooks = {{"createContainer",
                       "/usr/bin/nvidia-cdi-hook",
                       {"nvidia-cdi-hook", "--link", "a::/b", ""},
                       {"NVIDIA_CTK_DEBUG=false"},
                       std::nullopt}};
  spec.edits.mounts = {{"/a", "/b", {"ro", "rbind"}, ""}};
  spec.edits.additional_gids = {44};
  return spec;
}

TEST(Yaml, IsLaidOutAsNvidiasToolsDo) {
  EXPECT_EQ(write_yaml(sample()), R"(---
cdiVersion: 0.7.0
kind: nvidia.com/gpu
devices:
    - name: "0"
      annotations:
        a.b/c: "1"
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
              hostPath: /r/dev/nvidia0
              major: 195
              fileMode: 438
              permissions: rwm
            - path: /dev/nvidiactl
              hostPath: /r/dev/nvidia0
              major: 195
              minor: 255
              fileMode: 438
              permissions: rwm
containerEdits:
    env:
        - A=1
        - "B=yes: no"
    hooks:
        - hookName: createContainer
          path: /usr/bin/nvidia-cdi-hook
          args:
            - nvidia-cdi-hook
            - --link
            - a::/b
            - ""
          env:
            - NVIDIA_CTK_DEBUG=false
    mounts:
        - hostPath: /a
          containerPath: /b
          options:
            - ro
            - rbind
    additionalGids:
        - 44
)");
}

TEST(Json, IsOneLineInTheSameOrder) {
  EXPECT_EQ(
      write_json(sample()),
      R"({"cdiVersion":"0.7.0","kind":"nvidia.com/gpu","devices":[{"name":"0",)"
      R"("annotations":{"a.b/c":"1"},"containerEdits":{"deviceNodes":[)"
      R"({"path":"/dev/nvidia0","hostPath":"/r/dev/nvidia0","major":195,)"
      R"("fileMode":438,"permissions":"rwm"},)"
      R"({"path":"/dev/nvidiactl","hostPath":"/r/dev/nvidia0","major":195,)"
      R"("minor":255,"fileMode":438,"permissions":"rwm"}]}}],)"
      R"("containerEdits":{"env":["A=1","B=yes: no"],"hooks":[)"
      R"({"hookName":"createContainer","path":"/usr/bin/nvidia-cdi-hook",)"
      R"("args":["nvidia-cdi-hook","--link","a::/b",""],)"
      R"("env":["NVIDIA_CTK_DEBUG=false"]}],)"
      R"("mounts":[{"hostPath":"/a","containerPath":"/b",)"
      R"("options":["ro","rbind"]}],"additionalGids":[44]}})");
}

// Any text that YAML could misread, as the value of a variable or an argument.
rc::Gen<std::string> awkward_text() {
  const auto word = rc::gen::element<std::string>(
      "0", "1_000", "0x1f", "017", "1:30", "2001-01-01", "1e3", ".5", "-", "--",
      "~", "null", "Yes", "on", "<<", "a: b", "a #b", "#", "'", "\"", "[a]",
      "{a}", "*a", "&a", "!a", "|", ">", "%", "@", "`", " ", "a ", ":",
      "a:", "\t", "\n", "\x7f", "\xc3\xa9", "---", "...", "=", "?", ",", "- a",
      "-1", "0b1", "0o7", "1.", "+1", "1.5.0", "é", "\u2028", "\xEF\xBB\xBF");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(word),
                      [](const std::vector<std::string>& words) {
                        std::string text;
                        for (const std::string& w : words) text += w;
                        return text;
                      });
}

TEST(WrittenSpecs, ReadBackAsTheyWere) {
  const bool holds = rc::check("whatever the texts in them", [] {
    Spec spec = sample();
    const std::string text = *awkward_text();
    const std::string other = *awkward_text();
    spec.edits.hooks[0].args = {text, other, "x" + text};
    spec.edits.env = {"A=" + text};
    spec.edits.mounts[0].host_path = "/" + other;
    const auto from_yaml = read_spec(write_yaml(spec), "f");
    RC_ASSERT(from_yaml.has_value());
    RC_ASSERT(*from_yaml == spec);
    const auto from_json = read_spec(write_json(spec), "f");
    RC_ASSERT(from_json.has_value());
    RC_ASSERT(*from_json == spec);
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace gpunode::cdi
