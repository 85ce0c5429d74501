#include "gpu/nvml/session.h"

#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/abi/nvml.h"
#include "gpu/nvml/driver_fixture_test.h"

namespace gpunode::nvml {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class SessionTest : public DriverTest {};

TEST_F(SessionTest, WithoutADriverSaysSoAndIsWorthRetrying) {
  control().driver_down();
  const auto session = start();
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(session.error().message(),
              AllOf(StartsWith("ERROR_DRIVER_NOT_LOADED: "),
                    HasSubstr("modprobe nvidia")));
}

TEST_F(SessionTest, OfAHalfUpdatedDriverSaysWhatToDo) {
  fail("nvmlInit_v2", NVML_ERROR_LIB_RM_VERSION_MISMATCH);
  const auto session = start();
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(session.error().message(),
              AllOf(StartsWith("ERROR_LIB_RM_VERSION_MISMATCH: "),
                    HasSubstr("reboot")));
}

TEST_F(SessionTest, ThatFailedToStartIsNotShutDown) {
  control().driver_down();
  EXPECT_FALSE(start());
  EXPECT_EQ(control().count("nvmlShutdown"), 0U);
}

TEST_F(SessionTest, IsShutDownOnceWhereverItWasMoved) {
  {
    Session first = session();
    Session second = std::move(first);
    first = session();
    EXPECT_EQ(control().count("nvmlShutdown"), 0U);
    first = std::move(second);  // Lets go of what it held.
    EXPECT_EQ(control().count("nvmlShutdown"), 1U);
  }
  EXPECT_EQ(control().count("nvmlShutdown"), 2U);
  EXPECT_EQ(control().count("nvmlInit_v2"), 2U);
}

TEST_F(SessionTest, OfADriverThatWentAwayFailsAndStaysDead) {
  const Session session = this->session();
  control().driver_down();
  ASSERT_FALSE(session.inventory());
  EXPECT_EQ(session.inventory().error().code(), ErrorCode::kUnavailable);
  control().driver_up();
  EXPECT_FALSE(session.inventory());
}

TEST_F(SessionTest, StartsAnewAfterADriverReload) {
  {
    const Session old = session();
    control().driver_down();
    control().driver_up();
  }
  use("a10g-x1");  // The new driver need not see what the old one saw.
  EXPECT_THAT(inventory(session()).gpus, SizeIs(1));
}

TEST_F(SessionTest, OfAnOlderDriverLacksOnlyWhatCameLater) {
  const auto session = start(GPUNODE_MINIMAL_NVML_LIB);
  ASSERT_TRUE(session) << session.error().message();
  EXPECT_THAT(
      session->library().missing(),
      AllOf(Contains("nvmlDeviceGetMigMode"),
            Contains("nvmlDeviceGetTopologyCommonAncestor"),
            Contains("nvmlEventSetWait_v2"), Not(Contains("nvmlInit_v2"))));
  const device::Inventory inventory = this->inventory(*session);
  EXPECT_EQ(inventory.driver_version, "418.00");
  EXPECT_EQ(inventory.cuda_driver_version, 0);
  EXPECT_THAT(inventory.lost, IsEmpty());
  ASSERT_THAT(inventory.gpus, SizeIs(2));
  EXPECT_FALSE(inventory.gpus[0].mig_capable);
  EXPECT_EQ(inventory.gpus[0].pci_bus_id, "0000:3b:00.0");
  // A domain that takes more than four digits keeps them.
  EXPECT_EQ(inventory.gpus[1].pci_bus_id, "10000:3b:00.0");
  EXPECT_EQ(inventory.topology.link(0, 1).pci, device::PciLink::kUnknown);
  EXPECT_EQ(inventory.topology.link(0, 1).nvlinks, 0U);
}

TEST_F(SessionTest, OfADriverWithCallsThatAnswerNothingDegrades) {
  for (const char* call : {"nvmlDeviceGetMigMode", "nvmlDeviceGetNvLinkState",
                           "nvmlSystemGetCudaDriverVersion_v2"}) {
    fail(call, NVML_ERROR_FUNCTION_NOT_FOUND);
  }
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_FALSE(inventory.gpus[0].mig_capable);
  EXPECT_EQ(inventory.cuda_driver_version, 12040);  // By the older call.
}

class AliveTest : public DriverTest {
 protected:
  AliveTest() {
    use("a100-x8-mig-mixed");
    session_ = std::make_unique<Session>(session());
    inventory_ = inventory(*session_);
  }

  Result<void> check(std::size_t gpu) const {
    return session_->check_alive(inventory_.gpus.at(gpu).id);
  }

  std::unique_ptr<Session> session_;
  device::Inventory inventory_;
};

TEST_F(AliveTest, HoldsForGpusAndMigDevices) {
  EXPECT_TRUE(check(0));
  EXPECT_TRUE(
      session_->check_alive(inventory_.gpus.at(0).mig_devices.at(1).id));
}

TEST_F(AliveTest, FailsForALostGpuUntilItIsBack) {
  control().lose(0);
  ASSERT_FALSE(check(0));
  EXPECT_EQ(check(0).error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(check(0).error().message(), HasSubstr("ERROR_GPU_IS_LOST"));
  EXPECT_FALSE(
      session_->check_alive(inventory_.gpus.at(0).mig_devices.at(1).id));
  EXPECT_TRUE(check(1));
  control().recover(0);
  EXPECT_TRUE(check(0));
}

TEST_F(AliveTest, FailsForADeviceThatIsNoMore) {
  const auto checked = session_->check_alive({"GPU-no-such"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::kNotFound);
}

TEST_F(AliveTest, AsksTheDriverEachTime) {
  ASSERT_TRUE(check(0));
  fail("nvmlDeviceGetMemoryInfo", NVML_ERROR_RESET_REQUIRED);
  EXPECT_FALSE(check(0));
  control().clear_counts();
  control().clear_faults();
  EXPECT_TRUE(check(0));
  EXPECT_LE(control().counts().size(), 3U);  // Cheap: a few calls.
}

TEST_F(AliveTest, HoldsWhereTheGpuDoesNotTellItsMemory) {
  fail("nvmlDeviceGetMemoryInfo", NVML_ERROR_NOT_SUPPORTED);
  EXPECT_TRUE(check(0));
}

TEST_F(AliveTest, FailsWhileMemoryRepairsAwaitAReset) {
  const auto session = start(GPUNODE_MINIMAL_NVML_LIB);
  ASSERT_TRUE(session) << session.error().message();
  EXPECT_TRUE(session->check_alive({"GPU-whole"}));
  for (const char* id : {"GPU-remaps-rows", "GPU-retires-pages"}) {
    const auto checked = session->check_alive({id});
    ASSERT_FALSE(checked) << id;
    EXPECT_EQ(checked.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(checked.error().message(), HasSubstr("reset the GPU"));
  }
}

TEST_F(AliveTest, MayBeAskedByManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (unsigned n = 0; n < 50; ++n) {
        EXPECT_TRUE(check((i + n) % 8));
        EXPECT_TRUE(session_->inventory());
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace gpunode::nvml
