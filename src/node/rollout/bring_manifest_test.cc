#include "node/rollout/bring_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/text/node.h"
#include "base/text/yaml.h"

namespace gpunode::rollout {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const BringManifest kManifest{"kind: GPUNode\nspec: {note: \"'x' # $HOME\"}\n",
                              std::string(64, 'c'),
                              "registry.example/gpunode-host:1"};

json object(std::size_t index) {
  return json::parse(bring_objects(kManifest).at(index).json);
}

TEST(BringManifest, HasWhatThePodsNeedAndNoRights) {
  std::vector<std::string> kinds;
  for (const ManifestObject& one : bring_objects(kManifest)) {
    const json parsed = json::parse(one.json);
    kinds.push_back(parsed["kind"]);
    EXPECT_EQ(parsed["metadata"]["name"], one.key.name);
    EXPECT_EQ(parsed["metadata"].value("namespace", ""), one.key.space);
  }
  EXPECT_THAT(kinds, ElementsAre("Namespace", "ServiceAccount", "ConfigMap",
                                 "DaemonSet"));
  EXPECT_EQ(object(2)["data"]["node.yaml"], kManifest.spec);
  const json pod = object(3)["spec"]["template"]["spec"];
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  EXPECT_EQ(pod["hostPID"], true);
}

TEST(BringManifest, RunsNowhereUntilANodeIsToldSo) {
  const json set = object(3);
  const json pod = set["spec"]["template"]["spec"];
  EXPECT_EQ(pod["nodeSelector"],
            json({{"gpunode.io/bring", std::string(16, 'c')}}));
  EXPECT_EQ(set["spec"]["selector"]["matchLabels"].dump(),
            R"({"app.kubernetes.io/name":"gpunode-bring"})");
  EXPECT_EQ(
      set["spec"]["template"]["metadata"]["annotations"]["gpunode.io/file"],
      kManifest.digest);
}

TEST(BringManifest, SaysTheSameToPeople) {
  const std::string yaml = bring_yaml(kManifest);
  std::size_t at = yaml.find("---\n");
  EXPECT_THAT(yaml.substr(0, at), HasSubstr("nothing happens yet"));
  for (const ManifestObject& one : bring_objects(kManifest)) {
    const std::size_t begin = at + 4;
    at = yaml.find("---\n", begin);
    const std::string part = yaml.substr(begin, at - begin);
    const auto document = text::parse_yaml(part, "manifest");
    ASSERT_TRUE(document) << part;
    const auto meant = text::parse_yaml(one.json, "object");
    EXPECT_EQ(text::to_json(document->root), text::to_json(meant->root));
  }
  EXPECT_EQ(at, std::string::npos);
  EXPECT_THAT(yaml, AllOf(HasSubstr("  node.yaml: |\n    kind: GPUNode\n"),
                          HasSubstr("- /usr/bin/gpunode\n")));
}

}  // namespace
}  // namespace gpunode::rollout
