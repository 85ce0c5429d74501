#include "node/driver/companion_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

facts::HostFacts host_with(std::uint16_t id, int switches = 0) {
  facts::HostFacts host;
  facts::PciGpu gpu;
  gpu.device_id = id;
  host.gpus.push_back(gpu);
  gpu.device_id = 0x22a3;
  gpu.is_switch = true;
  host.gpus.insert(host.gpus.end(), static_cast<std::size_t>(switches), gpu);
  return host;
}

std::string refusal(const facts::HostFacts& host, const Wish& wish,
                    int branch = 580) {
  const auto checked = check_companions(host, wish, branch);
  return checked ? "(taken)" : checked.error().message();
}

std::vector<std::string> reasons(const facts::HostFacts& host,
                                 const Wish& wish) {
  const auto checked = check_companions(host, wish, 580);
  return checked ? *checked : std::vector<std::string>{"(refused)"};
}

Wish wishing_fabric_manager(bool runs) {
  Wish wish;
  wish.fabric_manager = runs;
  return wish;
}

TEST(CompanionCheck, AFabricManagerWithoutSwitchesIsRefused) {
  EXPECT_THAT(
      refusal(host_with(0x2330), wishing_fabric_manager(true)),
      AllOf(HasSubstr("NV_WARN_NOTHING_TO_DO"), HasSubstr("say `fabricManager: "
                                                          "auto`")));
  EXPECT_THAT(reasons(host_with(0x2330), {}), IsEmpty());
  EXPECT_THAT(reasons(host_with(0x2330), wishing_fabric_manager(false)),
              IsEmpty());
}

TEST(CompanionCheck, WhereSwitchesMayBeHiddenItIsToldAlone) {
  EXPECT_THAT(reasons(host_with(0x2901), wishing_fabric_manager(true)),
              ElementsAre(HasSubstr("no NVSwitch is seen")));
}

TEST(CompanionCheck, BehindSwitchesItComesOrItsLackIsTold) {
  const facts::HostFacts dgx = host_with(0x2330, 4);
  EXPECT_THAT(reasons(dgx, {}), ElementsAre(HasSubstr("comes with it")));
  EXPECT_THAT(reasons(dgx, wishing_fabric_manager(true)),
              ElementsAre(HasSubstr("comes with it")));
  EXPECT_THAT(reasons(dgx, wishing_fabric_manager(false)),
              ElementsAre(AllOf(HasSubstr("error 802"),
                                testing::Not(HasSubstr("comes with it")))));
}

TEST(CompanionCheck, ImexBeginsWithItsBranch) {
  Wish wish;
  wish.imex = true;
  EXPECT_THAT(refusal(host_with(0x2330), wish, 535),
              HasSubstr("branch 535 has no IMEX, which begins with 550"));
  EXPECT_EQ(refusal(host_with(0x2330), wish, 550), "(taken)");
}

}  // namespace
}  // namespace gpunode::driver
