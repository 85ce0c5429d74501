#include "agent/plugin/rival.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kUuid = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6";

NodeSigns operator_node(const std::string& value) {
  return {"gpu-1", false, value};
}
const NodeSigns kHamiNode = {"gpu-1", true, ""};

TEST(Rival, AnIdOfHamisEndsInADashAndANumber) {
  const std::string uuid = kUuid;
  EXPECT_TRUE(is_hami_id(uuid + "-0"));
  EXPECT_TRUE(is_hami_id(uuid + "-12"));
  for (const std::string& id :
       {uuid, uuid + "::0", uuid + "-", uuid + "-x", uuid + "-1x",
        "MIG-" + uuid.substr(4) + "-0", std::string("GPU-1-0"), std::string(),
        uuid.substr(0, 39) + "-0"}) {
    EXPECT_FALSE(is_hami_id(id)) << id;
  }
}

TEST(Rival, SignsOfANodeAreItsLabelAndItsAnnotation) {
  kube::NodeMeta node;
  node.name = "gpu-1";
  EXPECT_EQ(read_signs(node).node, "gpu-1");
  EXPECT_FALSE(read_signs(node).has_hami);
  EXPECT_EQ(read_signs(node).operator_plugin, "");
  node.annotations["hami.io/node-nvidia-register"].value = "";
  EXPECT_FALSE(read_signs(node).has_hami);
  node.annotations["hami.io/node-nvidia-register"].value = "[]";
  node.labels["nvidia.com/gpu.deploy.device-plugin"].value = "true";
  EXPECT_TRUE(read_signs(node).has_hami);
  EXPECT_EQ(read_signs(node).operator_plugin, "true");
}

TEST(Rival, IsIdentifiedByWhatItShows) {
  struct Case {
    const char* name;
    std::string program;
    std::vector<std::string> ids;
    NodeSigns signs;
    Rival rival;
  };
  const std::string uuid = kUuid;
  const std::vector<Case> cases = {
      {"nothing is seen", "", {}, {}, Rival::kUnknown},
      {"another program", "python3", {uuid}, {}, Rival::kUnknown},
      {"by its name", "nvidia-device-p", {uuid}, {}, Rival::kNvidiaPlugin},
      {"by the operator's label",
       "nvidia-device-p",
       {uuid},
       operator_node("true"),
       Rival::kGpuOperator},
      {"the operator has it off",
       "nvidia-device-p",
       {uuid},
       operator_node("false"),
       Rival::kNvidiaPlugin},
      {"by HAMi's ids", "nvidia-device-p", {uuid + "-3"}, {}, Rival::kHami},
      {"ids before labels",
       "",
       {uuid + "-3"},
       operator_node("true"),
       Rival::kHami},
      {"by HAMi's annotation", "nvidia-device-p", {}, kHamiNode, Rival::kHami},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(identify(one.program, one.ids, one.signs), one.rival) << one.name;
  }
}

TEST(Rival, TheRemedyNamesTheNextCommand) {
  EXPECT_THAT(remedy_for(Rival::kGpuOperator, operator_node("true")),
              HasSubstr("kubectl label node gpu-1 "
                        "nvidia.com/gpu.deploy.device-plugin=false"));
  EXPECT_THAT(remedy_for(Rival::kHami, kHamiNode),
              HasSubstr("kubectl label node gpu-1 gpu-"));
  EXPECT_THAT(remedy_for(Rival::kHami, {}),
              HasSubstr("kubectl label node NAME gpu-"));
  for (const Rival rival : {Rival::kUnknown, Rival::kNvidiaPlugin,
                            Rival::kGpuOperator, Rival::kHami}) {
    EXPECT_THAT(remedy_for(rival, {}), HasSubstr("--take-over"));
    EXPECT_FALSE(name_of(rival).empty());
  }
}

TEST(Rival, WarnsOfWhatIsToBeExpected) {
  EXPECT_THAT(warnings_of({}), IsEmpty());
  EXPECT_THAT(warnings_of(operator_node("false")), IsEmpty());
  EXPECT_THAT(warnings_of(operator_node("paused-for-mig-change")), IsEmpty());
  EXPECT_THAT(warnings_of(operator_node("true")),
              ElementsAre(HasSubstr("takes this agent's place")));
  EXPECT_THAT(warnings_of(kHamiNode),
              ElementsAre(HasSubstr("kubectl annotate node gpu-1 "
                                    "hami.io/node-nvidia-register-")));
}

}  // namespace
}  // namespace gpunode::plugin
