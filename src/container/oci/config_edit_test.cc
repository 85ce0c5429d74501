#include "container/oci/config_edit.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

namespace gpunode::oci {
namespace {

using cdi::ContainerEdits;
using Json = nlohmann::ordered_json;

/// `text` after the edits; unchanged text comes back as it is.
std::string edited(const std::string& text,
                   const std::vector<ContainerEdits>& edits,
                   LegacyHook legacy_hook = LegacyHook::kKeep) {
  const auto config = read_container_config(text, "config.json");
  EXPECT_TRUE(config) << config.error().message();
  return edit_config(*config, edits, legacy_hook).value_or(text);
}

ContainerEdits env_edits(std::vector<std::string> env) {
  ContainerEdits edits;
  edits.env = std::move(env);
  return edits;
}

ContainerEdits mount_edits(const std::vector<std::string>& destinations) {
  ContainerEdits edits;
  for (const std::string& destination : destinations) {
    edits.mounts.push_back({"/h", destination, {"ro", "rbind"}, ""});
  }
  return edits;
}

ContainerEdits node_edits(const std::string& path, std::int64_t minor) {
  cdi::DeviceNode node;
  node.path = path;
  node.type = "c";
  node.major = 195;
  node.minor = minor;
  ContainerEdits edits;
  edits.device_nodes.push_back(node);
  return edits;
}

TEST(ConfigEdit, WithoutEditsNothingChanges) {
  const auto config = read_container_config(R"({"process":{}})", "c");
  EXPECT_EQ(edit_config(*config, {}, LegacyHook::kRemove), std::nullopt);
}

TEST(ConfigEdit, EnvironmentIsReplacedByName) {
  EXPECT_EQ(edited(R"({"process":{"env":[ "A=1", "B=2" ,"A=3"]}})",
                   {env_edits({"B=9", "C=7"}), env_edits({"C=8"})}),
            R"({"process":{"env":[ "A=1", "B=9" ,"A=3","C=8"]}})");
}

TEST(ConfigEdit, OfRepeatedVariablesOneStays) {
  EXPECT_EQ(edited(R"({"process":{"env":["A=1","B=2","A=3"]}})",
                   {env_edits({"A=4", "C=5"})}),
            R"({"process":{"env":["A=4","B=2","C=5"]}})");
}

TEST(ConfigEdit, MakesWhatIsMissing) {
  EXPECT_EQ(edited("{}", {env_edits({"A=1"})}),
            R"({"process":{"env":["A=1"]}})");
  EXPECT_EQ(edited(R"({"process":null})", {env_edits({"A=1"})}),
            R"({"process":{"env":["A=1"]}})");
  EXPECT_EQ(edited(R"({"process":{"env":null}})", {env_edits({"A=1"})}),
            R"({"process":{"env":["A=1"]}})");
  EXPECT_EQ(edited("{ }", {node_edits("/dev/n", 1)}),
            R"({"linux":{"devices":[{"path":"/dev/n","type":"c","major":195,)"
            R"("minor":1}],"resources":{"devices":[{"allow":true,"type":"c",)"
            R"("major":195,"minor":1,"access":"rwm"}]}} })");
}

TEST(ConfigEdit, MountsAreOrderedByDepth) {
  // vectors.md §5: mounts /z/y/x and /m on a spec with /q/r and an old /m.
  const Json out = Json::parse(
      edited(R"({"mounts":[{"destination":"/q/r"},{"destination":"/m"}]})",
             {mount_edits({"/z/y/x", "/m"})}));
  std::vector<std::string> destinations;
  for (const Json& mount : out["mounts"]) {
    destinations.push_back(mount["destination"]);
  }
  EXPECT_THAT(destinations, testing::ElementsAre("/m", "/q/r", "/z/y/x"));
}

TEST(ConfigEdit, MountsInOrderAreOnlyAppended) {
  EXPECT_EQ(edited("{\"mounts\": [ {\"destination\" : \"/a\"} ]}",
                   {mount_edits({"/b"})}),
            "{\"mounts\": [ {\"destination\" : \"/a\"},{\"destination\":\"/b\","
            "\"source\":\"/h\",\"options\":[\"ro\",\"rbind\"]} ]}");
}

TEST(ConfigEdit, DepthIsThatOfTheCleanedPath) {
  EXPECT_EQ(path_depth("/"), 0U);
  EXPECT_EQ(path_depth("/a//b/./c/"), 3U);
  EXPECT_EQ(path_depth("/a/../b"), 1U);
  EXPECT_EQ(path_depth("/../.."), 0U);
}

TEST(ConfigEdit, DevicesOfTheSamePathAreReplaced) {
  const std::string out = edited(
      R"({"process":{"user":{"uid":5,"gid":6}},)"
      R"("linux":{"devices":[{"path":"/dev/n","x":1},{"path":"/dev/o"}]}})",
      {node_edits("/dev/n", 3)});
  const Json devices = Json::parse(out)["linux"]["devices"];
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].dump(), R"({"path":"/dev/o"})");
  EXPECT_EQ(devices[1].dump(),
            R"({"path":"/dev/n","type":"c","major":195,"minor":3,)"
            R"("uid":5,"gid":6})");
}

TEST(ConfigEdit, RulesTakeTheNodesPermissionsAndGroup) {
  ContainerEdits edits = node_edits("/dev/n", 0);
  edits.device_nodes[0].permissions = "rw";
  edits.device_nodes[0].gid = 44;
  edits.device_nodes[0].file_mode = 0660;
  const Json linux_part = Json::parse(edited("{}", {edits}))["linux"];
  EXPECT_EQ(linux_part["devices"][0]["gid"], 44);
  EXPECT_EQ(linux_part["devices"][0]["fileMode"], 0660);
  EXPECT_EQ(linux_part["resources"]["devices"][0]["access"], "rw");
}

TEST(ConfigEdit, GroupsAreAddedOnceAndNeverRoots) {
  ContainerEdits edits;
  edits.additional_gids = {0, 44, 44, 7};
  EXPECT_EQ(
      edited(R"({"process":{"user":{"additionalGids":[7]}}})", {edits, edits}),
      R"({"process":{"user":{"additionalGids":[7,44]}}})");
}

TEST(ConfigEdit, HooksAreAppendedToTheirStage) {
  ContainerEdits edits;
  edits.hooks.push_back({"createContainer", "/bin/h", {"h", "x"}, {"A=1"}, 5});
  EXPECT_EQ(
      edited(R"({"hooks":{"prestart":[{"path":"/p"}]}})", {edits}),
      R"({"hooks":{"prestart":[{"path":"/p"}],"createContainer":[)"
      R"({"path":"/bin/h","args":["h","x"],"env":["A=1"],"timeout":5}]}})");
}

TEST(ConfigEdit, TheLegacyHookGoesAndOthersStay) {
  const std::string text =
      R"({"hooks":{"prestart":[{"path":"/a/nvidia-container-runtime-hook"},)"
      R"({ "path":"/b" },{"path":"nvidia-container-toolkit"}]}})";
  EXPECT_EQ(edited(text, {}, LegacyHook::kRemove),
            R"({"hooks":{"prestart":[{ "path":"/b" }]}})");
  EXPECT_EQ(edited(text, {}, LegacyHook::kKeep), text);
}

TEST(ConfigEdit, WhatIsNotOursKeepsItsBytes) {
  const std::string before =
      "{\n  \"zzz\" : 1.50e+02 , \"ociVersion\":\"1.0\\u0032\", \"b\xff\": "
      "\"\xfe\",\n  \"process\": ";
  const std::string after = " ,\n\t\"linux\":{\"x\":[ ] }\n}\n\n";
  EXPECT_EQ(
      edited(before + R"({ "env" : [ "A=1" ] })" + after, {env_edits({"B=2"})}),
      before + R"({ "env" : [ "A=1","B=2" ] })" + after);
}

// The same edits on a tree, as the CDI library makes them.
void edit_tree(Json& tree, const std::vector<ContainerEdits>& edits) {
  const auto set_by = [](Json& array, const char* key, const Json& value) {
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (array[i].value(key, "") == value[key]) array.erase(i--);
    }
    array.push_back(value);
  };
  for (const ContainerEdits& edit : edits) {
    for (const std::string& variable : edit.env) {
      const std::string name = variable.substr(0, variable.find('='));
      Json kept = Json::array();
      bool is_placed = false;
      for (const std::string old : tree["process"]["env"]) {
        if (old.substr(0, old.find('=')) != name) {
          kept.push_back(old);
        } else if (!std::exchange(is_placed, true)) {
          kept.push_back(variable);
        }
      }
      if (!is_placed) kept.push_back(variable);
      tree["process"]["env"] = kept;
    }
    for (const cdi::DeviceNode& node : edit.device_nodes) {
      set_by(tree["linux"]["devices"], "path",
             {{"path", node.path},
              {"type", "c"},
              {"major", *node.major},
              {"minor", *node.minor}});
    }
  }
}

std::vector<std::string> sorted_dump(const Json& array) {
  std::vector<std::string> lines;
  for (const Json& item : array) lines.push_back(item.dump());
  std::sort(lines.begin(), lines.end());
  return lines;
}

RC_GTEST_PROP(ConfigEdit, SplicingAgreesWithEditingATree, ()) {
  const auto letters = rc::gen::elementOf(std::string("ABC"));
  const auto variables =
      rc::gen::container<std::vector<std::string>>(rc::gen::apply(
          [](char name, int value) {
            return std::string(1, name) + "=" + std::to_string(value % 3);
          },
          letters, rc::gen::arbitrary<int>()));
  const auto minors =
      rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4));

  Json tree = {{"unknown", {{"deep", {1, 2.5, nullptr}}}},
               {"process", {{"env", Json(*variables)}}},
               {"linux", {{"devices", Json::array()}}}};
  for (const int minor : *minors) {
    tree["linux"]["devices"].push_back(
        {{"path", "/dev/" + std::to_string(minor)}});
  }
  std::vector<ContainerEdits> edits;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    edits.push_back(env_edits(*variables));
    for (const int minor : *minors) {
      edits.back().device_nodes.push_back(
          node_edits("/dev/" + std::to_string(minor), minor).device_nodes[0]);
    }
  }
  const std::string text = tree.dump(*rc::gen::inRange(-1, 4));
  const Json out = Json::parse(edited(text, edits));
  edit_tree(tree, edits);
  RC_ASSERT(out["process"] == tree["process"]);
  RC_ASSERT(sorted_dump(out["linux"]["devices"]) ==
            sorted_dump(tree["linux"]["devices"]));
  RC_ASSERT(out["unknown"] == tree["unknown"]);
}

}  // namespace
}  // namespace gpunode::oci
