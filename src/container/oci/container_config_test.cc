#include "container/oci/container_config.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

ContainerConfig read(const std::string& text) {
  auto config = read_container_config(text, "config.json");
  EXPECT_TRUE(config) << config.error().message();
  return config ? *std::move(config) : ContainerConfig();
}

std::string fault_of(const std::string& text) {
  const auto config = read_container_config(text, "config.json");
  return config ? "" : config.error().message();
}

TEST(ContainerConfig, DecodesWhatTheShimNeeds) {
  const ContainerConfig config = read(R"({
    "process": {"user": {"uid": 7, "gid": 8, "additionalGids": [44]},
                "args": ["/bin/sh", "-c", ""], "cwd": "/work",
                "env": ["A=1", "B=x=y", null],
                "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}},
    "mounts": [{"destination": "/proc", "source": "proc", "unknown": [1]}],
    "hooks": {"prestart": [{"path": "/bin/a"}], "poststop": null},
    "annotations": {"k": "v"},
    "linux": {"devices": [{"path": "/dev/x"}], "cgroupsPath": "/c",
              "resources": {"devices": [{"allow": false}]}}})");
  EXPECT_THAT(config.env, ElementsAre("A=1", "B=x=y", ""));
  EXPECT_THAT(config.args, ElementsAre("/bin/sh", "-c", ""));
  EXPECT_EQ(config.working_directory, "/work");
  EXPECT_EQ(config.uid, 7U);
  EXPECT_EQ(config.gid, 8U);
  EXPECT_THAT(config.additional_gids, ElementsAre(44U));
  EXPECT_TRUE(config.is_privileged());
  ASSERT_EQ(config.mounts.size(), 1U);
  EXPECT_EQ(config.mounts[0].destination, "/proc");
  EXPECT_EQ(config.mounts[0].source, "proc");
  ASSERT_EQ(config.hooks.size(), 2U);
  EXPECT_THAT(config.hooks[0].paths, ElementsAre("/bin/a"));
  EXPECT_EQ(config.hooks[1].place.state, text::JsonPlace::State::kNull);
  EXPECT_THAT(config.annotations, ElementsAre(Pair("k", "v")));
  EXPECT_THAT(config.device_paths, ElementsAre("/dev/x"));
  EXPECT_EQ(config.cgroups_path, "/c");
  EXPECT_EQ(config.rules_place.items.size(), 1U);
  EXPECT_EQ(config.env_place.items[1].of(config.text), R"("B=x=y")");
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(ContainerConfig, AnEmptyObjectIsAConfig) {
  const ContainerConfig config = read("{}");
  EXPECT_THAT(config.env, IsEmpty());
  EXPECT_FALSE(config.is_privileged());
  EXPECT_EQ(config.process.state, text::JsonPlace::State::kAbsent);
}

TEST(ContainerConfig, TheLastOfAVariableCounts) {
  const ContainerConfig config =
      read(R"({"process":{"env":["A=1","AB=2","A=3","C"]}})");
  EXPECT_EQ(config.find_env("A"), "3");
  EXPECT_EQ(config.find_env("AB"), "2");
  EXPECT_EQ(config.find_env("C"), std::nullopt);
}

TEST(ContainerConfig, DuplicateKeysAreReadAsGoReadsThemAndReported) {
  const ContainerConfig config = read(
      "{\"process\":{\"env\":[\"A=1\"]},\n"
      " \"process\":{\"env\":[\"A=2\"],\"env\":[\"A=3\"]}}");
  EXPECT_EQ(config.find_env("A"), "3");
  EXPECT_THAT(
      config.warnings,
      ElementsAre("config.json:2:33: process: \"env\" is written twice, the "
                  "later value stands",
                  "config.json:2:12: \"process\" is written twice, the later "
                  "value stands"));
}

TEST(ContainerConfig, DuplicateObjectsAreMerged) {
  const ContainerConfig config =
      read(R"({"process":{"env":["A=1"]},"process":{"cwd":"/"}})");
  EXPECT_EQ(config.find_env("A"), "1");
  EXPECT_THAT(fault_of(R"({"linux":{"devices":[]},"linux":null})"),
              HasSubstr("written twice, the second as null"));
}

TEST(ContainerConfig, EscapedKeysAreTheSameKeys) {
  EXPECT_EQ(read(R"({"pro\u0063ess":{"env":["A=1"]}})").find_env("A"), "1");
}

TEST(ContainerConfig, WrongTypesAreNamedWithTheirPlace) {
  EXPECT_EQ(fault_of("{\n \"mounts\": {}}"),
            "config.json:2:12: mounts: not an array");
  EXPECT_EQ(fault_of(R"({"process":[]})"),
            "config.json:1:12: process: not an object");
  EXPECT_EQ(fault_of(R"({"process":{"env":[1]}})"),
            "config.json:1:20: not a string");
  EXPECT_EQ(fault_of(R"({"process":{"user":{"uid":-1}}})"),
            "config.json:1:27: not a whole number: -1");
  EXPECT_THAT(fault_of(R"({"process":{"user":{"uid":4294967296}}})"),
              HasSubstr("not an id: too large"));
}

TEST(ContainerConfig, GarbageIsOneLineWithAPlace) {
  EXPECT_EQ(fault_of(""), "config.json:1:1: unexpected end of JSON input");
  EXPECT_EQ(fault_of("{\"process\":"),
            "config.json:1:12: unexpected end of JSON input");
  EXPECT_THAT(fault_of("[]"), HasSubstr("not an object"));
  EXPECT_THAT(fault_of("{}{}"), HasSubstr("after top-level value"));
}

TEST(ContainerConfig, AnnotationsInMillionsTakeNoQuadraticTime) {
  std::string text = R"({"annotations":{)";
  for (int i = 0; i < 200'000; ++i) {
    text += "\"k" + std::to_string(i) + "\":\"v\",";
  }
  text += R"("z":"v"}})";
  EXPECT_EQ(read(text).annotations.size(), 200'001U);
}

}  // namespace
}  // namespace gpunode::oci
