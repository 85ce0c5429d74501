#include "container/cdi/spec_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::cdi {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view kJson = R"({
  "cdiVersion": "0.7.0",
  "kind": "nvidia.com/gpu",
  "annotations": {"a": "b"},
  "devices": [
    {"name": "0", "annotations": {"c": "d"}, "containerEdits": {
      "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/r/dev/nvidia0",
        "type": "c", "major": 195, "minor": 0, "fileMode": 438,
        "permissions": "rw", "uid": 0, "gid": 44}]}},
    {"name": "all", "containerEdits": {"env": ["ALL=a=b"]}}
  ],
  "containerEdits": {
    "env": ["NVIDIA_VISIBLE_DEVICES=void"],
    "mounts": [{"hostPath": "/r/a", "containerPath": "/a",
                "options": ["ro", "rbind"], "type": "bind"}],
    "hooks": [{"hookName": "createContainer", "path": "/usr/bin/h",
               "args": ["h", "--\u00e9\n"], "env": ["PATH=/bin"],
               "timeout": 5}],
    "additionalGids": [44]
  }
})";

constexpr std::string_view kYaml = R"(---
cdiVersion: 0.7.0
kind: nvidia.com/gpu
annotations: {a: b}
devices:
    - name: "0"
      annotations:
        c: d
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
              hostPath: /r/dev/nvidia0
              type: c
              major: 195
              minor: 0
              fileMode: 0666
              permissions: rw
              uid: 0
              gid: 44
    - name: all
      containerEdits:
        env:
            - ALL=a=b
containerEdits:
    env:
        - NVIDIA_VISIBLE_DEVICES=void
    mounts:
        - hostPath: /r/a
          containerPath: /a
          options: [ro, rbind]
          type: bind
    hooks:
        - hookName: createContainer
          path: /usr/bin/h
          args: [h, "--\u00e9\n"]
          env: [PATH=/bin]
          timeout: 5
    additionalGids: [44]
)";

Spec expected() {
  Spec spec;
  spec.version = "0.7.0";
  spec.kind = "nvidia.com/gpu";
  spec.annotations = {{"a", "b"}};
  Device zero{"0", {{"c", "d"}}, {}};
  zero.edits.device_nodes.push_back({.path = "/dev/nvidia0",
                                     .host_path = "/r/dev/nvidia0",
                                     .type = "c",
                                     .major = 195,
                                     .minor = 0,
                                     .file_mode = 0666,
                                     .permissions = "rw",
                                     .uid = 0,
                                     .gid = 44});
  Device all{"all", {}, {}};
  all.edits.env = {"ALL=a=b"};
  spec.devices = {zero, all};
  spec.edits.env = {"NVIDIA_VISIBLE_DEVICES=void"};
  spec.edits.mounts = {{"/r/a", "/a", {"ro", "rbind"}, "bind"}};
  spec.edits.hooks = {{"createContainer",
                       "/usr/bin/h",
                       {"h", "--\xc3\xa9\n"},
                       {"PATH=/bin"},
                       5}};
  spec.edits.additional_gids = {44};
  return spec;
}

TEST(Specs, AreReadFromJson) {
  const auto spec = read_spec(kJson, "a.json");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(*spec, expected());
}

TEST(Specs, AreReadFromYaml) {
  const auto spec = read_spec(kYaml, "a.yaml");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(*spec, expected());
}

TEST(Specs, AreReadByContentWhateverTheNameSays) {
  EXPECT_TRUE(read_spec(kJson, "a.yaml"));
  EXPECT_TRUE(read_spec(kYaml, "a.json"));
  // YAML's flow style.
  const auto flow = read_spec(
      "{cdiVersion: 0.3.0, kind: a/b, devices: [{name: x, containerEdits: "
      "{env: [A=1]}}]}",
      "a.yaml");
  ASSERT_TRUE(flow) << flow.error().message();
  EXPECT_EQ(flow->devices.at(0).name, "x");
}

TEST(Specs, TakeNullForNothing) {
  const auto spec = read_spec(
      R"({"cdiVersion":"0.3.0","kind":"a/b","annotations":null,"devices":[
         {"name":"x","containerEdits":{"env":["A=1"],"hooks":null}}],
         "containerEdits":null})",
      "a.json");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_TRUE(spec->edits.is_empty());
}

TEST(Specs, OfNewerVersionsMayHaveFieldsThatWeDoNotKnow) {
  const auto spec = read_spec(
      R"({"new":{"a":[1,{"b":2}]},"cdiVersion":"1.9.0","kind":"a/b","devices":[
         {"name":"x","containerEdits":{"env":["A=1"],"newer":[]}}]})",
      "a.json");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(spec->devices, SizeIs(1));
}

// What is put into a spec that is right but for it.
std::string json_with(std::string_view devices, std::string_view edits = "{}",
                      std::string_view version = "\"0.7.0\"",
                      std::string_view kind = "\"a/b\"") {
  return std::string("{\"cdiVersion\":") + std::string(version) +
         ",\"kind\":" + std::string(kind) +
         ",\n\"devices\":" + std::string(devices) +
         ",\n\"containerEdits\":" + std::string(edits) + "}";
}

constexpr std::string_view kGood =
    R"([{"name":"x","containerEdits":{"env":["A=1"]}}])";

struct Refused {
  std::string text;
  std::string message;
};

class BadSpec : public testing::TestWithParam<Refused> {};

TEST_P(BadSpec, IsRefusedWithPlaceAndReason) {
  const auto spec = read_spec(GetParam().text, "f");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Envelopes, BadSpec,
    testing::Values(
        Refused{"", "f: empty; not a CDI spec"},
        Refused{" \n\t", "f: empty; not a CDI spec"},
        Refused{"[]", "f:1:1: not an object"},
        Refused{"x", "f:1:1: not an object"},
        Refused{"{}", "f:1:1: cdiVersion is missing"},
        Refused{std::string("{\0}", 3), "f:1:2: a NUL byte in a text file"},
        Refused{R"({"cdiVersion":"0.5.0"})", "f:1:1: kind is missing"},
        Refused{json_with(kGood, "{}", "\"0.5\""),
                "f:1:15: cdiVersion: \"0.5\" is not a version of CDI"},
        Refused{json_with(kGood, "{}", "0.5"),
                "f:1:15: cdiVersion: not a string"},
        Refused{json_with(kGood, "{}", "\"0.7.0\"", "\"gpu\""),
                "f:1:30: kind: \"gpu\" is not vendor/class"},
        Refused{json_with("[]"), "f:1:1: a spec without devices"},
        Refused{json_with("{}"), "f:2:11: devices: not a list"},
        Refused{R"({"kind":"a/b","kind":"a/b"})", "f:1:15: kind: given twice"},
        Refused{R"({"annotations":{"a":"b","a":"b"}})",
                "f:1:25: annotations: \"a\" is given twice"},
        Refused{"{\"kind\":\n", "f:2:1: not JSON: Invalid value."},
        Refused{"{\"kind\":\"\xff\"}",
                "f:1:10: not JSON: Invalid encoding in string."},
        Refused{"kind: a/b\nkind: c/d\n",
                "f:2:1: \"kind\" is given twice, first on line 1"},
        Refused{json_with(kGood) + "x",
                "f:3:21: not JSON: The document root must not be followed by "
                "other values."}));

INSTANTIATE_TEST_SUITE_P(
    Devices, BadSpec,
    testing::Values(
        Refused{json_with("[1]"), "f:2:12: devices[0]: not an object"},
        Refused{json_with(R"([{"containerEdits":{"env":["A=1"]}}])"),
                "f:2:12: devices[0]: name is missing"},
        Refused{json_with(R"([{"name":"a b","containerEdits":{}}])"),
                "f:2:20: devices[0].name: \"a b\" has \" \""},
        Refused{json_with(R"([{"name":"x"}])"),
                "f:2:12: devices[0]: device \"x\" has no containerEdits"},
        Refused{json_with(R"([{"name":"x","containerEdits":{"env":["A=1"]}},
                              {"name":"x","containerEdits":{"env":["A=1"]}}])"),
                "f:2:11: devices: device \"x\" is there twice"},
        Refused{json_with(R"([{"name":"x","containerEdits":{"env":["A"]}}])"),
                "f:2:49: devices[0].containerEdits.env[0]: \"A\" is not "
                "NAME=value"}));

INSTANTIATE_TEST_SUITE_P(
    Edits, BadSpec,
    testing::Values(
        Refused{json_with(kGood, R"({"deviceNodes":[{}]})"),
                "f:3:34: containerEdits.deviceNodes[0]: path is missing"},
        Refused{json_with(kGood, R"({"deviceNodes":[{"path":"dev/a"}]})"),
                "f:3:42: containerEdits.deviceNodes[0].path: \"dev/a\" is not "
                "an absolute path"},
        Refused{
            json_with(kGood, R"({"deviceNodes":[{"path":"/a","type":"x"}]})"),
            "f:3:54: containerEdits.deviceNodes[0].type: \"x\" is none of "
            "b, c, u and p"},
        Refused{
            json_with(kGood, R"({"deviceNodes":[{"path":"/a","major":1.5}]})"),
            "f:3:55: containerEdits.deviceNodes[0].major: \"1.5\" is not a "
            "whole number in the range of this field"},
        Refused{json_with(kGood, R"({"deviceNodes":[{"path":"/a","gid":-1}]})"),
                "f:3:53: containerEdits.deviceNodes[0].gid: \"-1\" is not a "
                "whole number in the range of this field"},
        Refused{
            json_with(kGood,
                      R"({"deviceNodes":[{"path":"/a","permissions":"rx"}]})"),
            "f:3:61: containerEdits.deviceNodes[0].permissions: \"rx\" has "
            "other letters than r, w and m"},
        Refused{json_with(kGood, R"({"mounts":[{"hostPath":"/a"}]})"),
                "f:3:29: containerEdits.mounts[0]: containerPath is missing"},
        Refused{
            json_with(kGood,
                      R"({"mounts":[{"hostPath":"a","containerPath":"/a"}]})"),
            "f:3:29: containerEdits.mounts[0]: hostPath \"a\" is not "
            "absolute"},
        Refused{json_with(kGood, R"({"hooks":[{"hookName":"start"}]})"),
                "f:3:40: containerEdits.hooks[0].hookName: \"start\" is none "
                "of prestart, createRuntime, createContainer, startContainer, "
                "poststart, poststop"},
        Refused{json_with(kGood, R"({"hooks":[{"hookName":"poststop"}]})"),
                "f:3:28: containerEdits.hooks[0]: path is missing"},
        Refused{json_with(kGood, R"({"deviceNode":[]})"),
                "f:3:19: containerEdits: unknown field \"deviceNode\"; did you "
                "mean deviceNodes?"},
        Refused{json_with(kGood, R"({"additionalGids":[1]})", "\"0.5.0\""),
                "f:1:1: cdiVersion 0.5.0 cannot say additionalGids; that needs "
                "0.7.0"},
        Refused{json_with(kGood, R"({"env":["A=\u0000"]})"),
                "f:3:26: containerEdits.env[0]: a NUL in a string"}));

TEST(BadSpecs, ThatWouldGrowAreStopped) {
  const auto deep = read_spec("{\"a\":" + std::string(100'000, '['), "f");
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().message(), HasSubstr("too deep"));
  std::string many = "{\"a\":[0";
  for (int i = 0; i < 500'000; ++i) many += ",0";
  const auto wide = read_spec(many + "]}", "f");
  ASSERT_FALSE(wide);
  EXPECT_THAT(wide.error().message(), HasSubstr("too many values"));
  const auto large = read_spec(std::string(5 << 20, ' '), "f");
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message(), HasSubstr("too many for a CDI spec"));
}

TEST(Specs, ThatGpunodeCannotApplyAreNotCorrupt) {
  const auto spec =
      read_spec(json_with(kGood, R"({"intelRdt":{"closID":"a"}})"), "f");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(spec.error().message(),
            "f:3:30: containerEdits.intelRdt: gpunode cannot give this to a "
            "container");
}

}  // namespace
}  // namespace gpunode::cdi
