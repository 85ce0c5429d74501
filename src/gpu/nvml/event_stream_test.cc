#include "gpu/nvml/event_stream.h"

#include <chrono>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/abi/nvml.h"
#include "gpu/nvml/driver_fixture_test.h"

namespace gpunode::nvml {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;
using Target = FakeNvmlControl::Target;

// Long enough for any machine; a test that waits it out has failed.
constexpr seconds kDeadline{60};

class Events : public DriverTest {
 protected:
  /// The machine's session, its GPUs' ids, and a stream over them.
  void open(const std::string& profile) {
    use(profile);
    open();
  }
  void open() {
    stream_.reset();
    session_ = std::make_unique<Session>(session());
    gpus_.clear();
    for (const auto& gpu : inventory(*session_).gpus) gpus_.push_back(gpu.id);
    reopen();
  }
  void reopen() {
    auto stream = EventStream::open(*session_, gpus_);
    ASSERT_TRUE(stream) << stream.error().message();
    stream_ = std::make_unique<EventStream>(*std::move(stream));
  }

  /// What comes next; nothing if it is no XID.
  std::optional<device::XidEvent> next() {
    auto event = stream_->wait(kDeadline, {});
    EXPECT_TRUE(event) << (event ? "" : event.error().message());
    return event ? *std::move(event) : std::nullopt;
  }

  std::unique_ptr<Session> session_;
  std::vector<device::DeviceId> gpus_;
  std::unique_ptr<EventStream> stream_;  // Goes before the session.
};

TEST_F(Events, ACriticalXidNamesItsGpu) {
  open("h100-x8");
  control().xid(Target::gpu(5), 79);
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->xid, 79U);
  EXPECT_EQ(event->gpu, gpus_.at(5));
  EXPECT_EQ(event->gpu_instance, std::nullopt);
  EXPECT_EQ(event->compute_instance, std::nullopt);
}

TEST_F(Events, OfAMigDeviceNameItsInstances) {
  open("a100-x8-mig-mixed");
  control().post({.target = Target::gpu(0),
                  .data = 48,
                  .gpu_instance = 9,
                  .compute_instance = 0});
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->gpu, gpus_.at(0));
  EXPECT_EQ(event->gpu_instance, 9U);
  EXPECT_EQ(event->compute_instance, 0U);
}

TEST_F(Events, OfNoTellableGpuNameNone) {
  open("h100-x8");
  control().xid(Target::unknown(), 62);
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->xid, 62U);
  EXPECT_EQ(event->gpu, std::nullopt);
}

TEST_F(Events, OfAGpuThatNoLongerTellsItsUuidStillNameIt) {
  open("h100-x8");
  fail("nvmlDeviceGetUUID", NVML_ERROR_GPU_IS_LOST);
  control().xid(Target::gpu(1), 79);
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->gpu, gpus_.at(1));
}

TEST_F(Events, ComeInOrderAndOnce) {
  open("t4-x4");
  for (std::uint64_t xid = 100; xid < 110; ++xid) {
    control().xid(Target::gpu(static_cast<unsigned>(xid % 4)), xid);
  }
  for (std::uint64_t xid = 100; xid < 110; ++xid) {
    const auto event = next();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->xid, xid);
  }
  const auto more = stream_->wait(milliseconds(1), {});
  ASSERT_TRUE(more);
  EXPECT_EQ(*more, std::nullopt);
}

TEST_F(Events, OfEccAreSkippedAndCounted) {
  open("h100-x8");
  control().post({.target = Target::gpu(0),
                  .data = 1,
                  .type = NVML_EVENT_TYPE_DOUBLE_BIT_ECC_ERROR});
  control().post({.target = Target::gpu(0),
                  .data = 1,
                  .type = NVML_EVENT_TYPE_SINGLE_BIT_ECC_ERROR});
  control().xid(Target::gpu(0), 48);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(stream_->skipped(), 2U);
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->xid, 48U);
}

TEST_F(Events, ThatDoNotComeAreNothingAfterTheTimeout) {
  open("h100-x8");
  for (const int timeout : {0, 1, 300}) {
    const auto event = stream_->wait(milliseconds(timeout), {});
    ASSERT_TRUE(event) << event.error().message();
    EXPECT_EQ(*event, std::nullopt);
  }
}

TEST_F(Events, WakeAWaitThatHasBegun) {
  open("h100-x8");
  std::jthread poster([this] {
    EXPECT_TRUE(control().wait_for_calls("nvmlEventSetWait_v2", 1, kDeadline));
    control().xid(Target::gpu(0), 79);
  });
  EXPECT_TRUE(next());
}

TEST_F(Events, AStopRequestEndsTheWait) {
  open("h100-x8");
  std::jthread waiter([this](const std::stop_token& stop) {
    const auto event = stream_->wait(hours(24), stop);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, std::nullopt);
  });
  EXPECT_TRUE(control().wait_for_calls("nvmlEventSetWait_v2", 1, kDeadline));
}  // The jthread requests the stop and joins; ctest's timeout is the claim.

TEST_F(Events, AStopRequestEndsTheWaitForNoGpuToo) {
  open("none");
  EXPECT_EQ(stream_->watched_count(), 0U);
  std::jthread waiter([this](const std::stop_token& stop) {
    EXPECT_TRUE(stream_->wait(hours(24), stop));
  });
}

TEST_F(Events, AreNeverAskedForWithoutAGpu) {
  open("none");
  EXPECT_TRUE(stream_->wait(milliseconds(1), {}));
  EXPECT_EQ(control().count("nvmlEventSetWait_v2"), 0U);
}

TEST_F(Events, OfADriverThatGoesAwayAreAnError) {
  open("h100-x8");
  control().driver_down();
  const auto event = stream_->wait(kDeadline, {});
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().code(), ErrorCode::kUnavailable);
}

TEST_F(Events, AFailingWaitIsAnError) {
  open("h100-x8");
  fail("nvmlEventSetWait_v2", NVML_ERROR_UNKNOWN);
  const auto event = stream_->wait(kDeadline, {});
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "nvmlEventSetWait: ERROR_UNKNOWN");
}

TEST_F(Events, AGpuTooOldForThemIsUnwatchedButNoWorse) {
  use("h100-x8");
  fail("nvmlDeviceRegisterEvents", NVML_ERROR_NOT_SUPPORTED, 3);
  open();
  ASSERT_THAT(stream_->unwatched(), SizeIs(1));
  EXPECT_EQ(stream_->unwatched()[0].gpu, gpus_.at(3));
  EXPECT_FALSE(stream_->unwatched()[0].is_failure);
  EXPECT_EQ(stream_->watched_count(), 7U);
}

TEST_F(Events, AGpuWithoutEventTypesIsTooOldToo) {
  use_edited("t4-x4", "\"eventTypes\": [0-9]+", "\"eventTypes\": 16");
  open();
  ASSERT_THAT(stream_->unwatched(), SizeIs(4));
  EXPECT_FALSE(stream_->unwatched()[0].is_failure);
}

TEST_F(Events, AGpuThatDoesNotAnswerIsAFailureAndCostsNoOther) {
  open("h100-x8");
  control().lose(6);
  reopen();
  ASSERT_THAT(stream_->unwatched(), SizeIs(1));
  EXPECT_EQ(stream_->unwatched()[0].gpu, gpus_.at(6));
  EXPECT_TRUE(stream_->unwatched()[0].is_failure);
  EXPECT_THAT(stream_->unwatched()[0].reason,
              testing::EndsWith("ERROR_GPU_IS_LOST"));
  control().xid(Target::gpu(0), 79);
  EXPECT_TRUE(next());
}

TEST_F(Events, AreRegisteredOnlyAsFarAsTheGpuCan) {
  // A GPU without ECC: the driver refuses a registration that asks for more.
  use_edited("t4-x4", "\"eventTypes\": [0-9]+", "\"eventTypes\": 8");
  open();
  EXPECT_THAT(stream_->unwatched(), IsEmpty());
  control().xid(Target::gpu(2), 79);
  EXPECT_TRUE(next());
}

TEST_F(Events, OfAnOlderDriverComeByTheOlderCall) {
  const auto session = start(GPUNODE_MINIMAL_NVML_LIB);
  ASSERT_TRUE(session) << session.error().message();
  const auto inventory = this->inventory(*session);
  auto stream = EventStream::open(*session, {inventory.gpus.at(0).id});
  ASSERT_TRUE(stream) << stream.error().message();
  const auto event = stream->wait(kDeadline, {});
  ASSERT_TRUE(event) << event.error().message();
  ASSERT_TRUE(*event);
  EXPECT_EQ((*event)->xid, 31U);
  EXPECT_EQ((*event)->gpu, inventory.gpus.at(0).id);
  EXPECT_EQ((*event)->gpu_instance, std::nullopt);
}

TEST_F(Events, CostOneRegistrationAGpuAndOneSetANode) {
  open("h100-x8");
  EXPECT_EQ(control().count("nvmlEventSetCreate"), 1U);
  EXPECT_EQ(control().count("nvmlDeviceRegisterEvents"), 8U);
  EXPECT_EQ(control().count("nvmlDeviceGetHandleByUUID"), 8U);
  control().clear_counts();
  control().xid(Target::gpu(0), 79);
  EXPECT_TRUE(next());
  EXPECT_THAT(control().counts(), SizeIs(1));  // The wait alone.
}

TEST_F(Events, FreeTheirSetOnceWhereverItWasMoved) {
  open("h100-x8");
  {
    EventStream moved = std::move(*stream_);
    stream_.reset();
    EXPECT_EQ(control().count("nvmlEventSetFree"), 0U);
  }
  EXPECT_EQ(control().count("nvmlEventSetFree"), 1U);
}

}  // namespace
}  // namespace gpunode::nvml
