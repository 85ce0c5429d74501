// What NVML's programs are shown in a container: nvidia-smi's view.
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/share/laid_container.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kTotal = 24146608128;
constexpr std::uint64_t kReserved = 311427072;
constexpr std::uint64_t kNotFound = 13;  // NVML_ERROR_FUNCTION_NOT_FOUND.
constexpr std::uint64_t kInvalid = 2;    // NVML_ERROR_INVALID_ARGUMENT.
constexpr std::uint64_t kTooLittle = 7;  // NVML_ERROR_INSUFFICIENT_SIZE.

/// One A10G, on which a process of somebody else holds 5 GiB.
class ShareView : public ::testing::Test {
 protected:
  void SetUp() override {
    container.write("profile.json", R"({
      "driverVersion": "580.159.03", "cudaVersion": "13.0",
      "gpus": [{
        "name": "NVIDIA A10G", "brand": "nvidia", "architecture": "ampere",
        "computeCapability": "8.6", "memoryBytes": 24146608128,
        "reservedBytes": 311427072, "bar1Bytes": 34359738368,
        "pciDeviceId": "0x223710de", "pciSubsystemId": "0x152f10de",
        "pciClass": "0x030200", "minor": 0, "pciBusId": "0000:00:1e.0",
        "numaNode": -1, "serial": "1653521009731",
        "uuid": "GPU-62e33483-4628-5be0-963a-2fb14057c1b7",
        "processes": [{"pid": 4000001, "usedBytes": 5368709120}]
      }]})");
    container.set("GPUNODE_FAKE_NVML",
                  (container.directory() / "profile.json").string());
  }

  Answer view(const std::string& way, std::vector<std::string> questions,
              bool is_preloaded = true) const {
    questions.insert(questions.begin(), {GPUNODE_NVML_VIEWER, way});
    return container.run(questions, is_preloaded);
  }
  /// The test as a process of the container, holding `bytes`.
  Ledger hold(std::uint64_t bytes) {
    Ledger ledger = container.map();
    EXPECT_TRUE(ledger.enroll(identity_of_this_process()));
    EXPECT_EQ(ledger.reserve(0, MemoryKind::kData, bytes), Verdict::kGranted);
    return ledger;
  }

  LaidContainer container;
};

class ViewByEachWay : public ShareView,
                      public ::testing::WithParamInterface<const char*> {};

TEST_P(ViewByEachWay, AGpuIsAsBigAsTheLimitAndAsFullAsTheContainerMadeIt) {
  container.lay(1024 * kMiB);
  hold(300 * kMiB);
  for (const char* question : {"memory", "memory_v2"}) {
    const Answer answer = view(GetParam(), {question});
    ASSERT_EQ(answer.status, 0) << answer.text;
    EXPECT_EQ(answer.number(question), 0u) << answer.text;
    EXPECT_EQ(answer.number("total"), 1024 * kMiB) << answer.text;
    EXPECT_EQ(answer.number("used"), 300 * kMiB) << answer.text;
    EXPECT_EQ(answer.number("free"), 724 * kMiB) << answer.text;
  }
  EXPECT_EQ(view(GetParam(), {"memory_v2"}).number("reserved"), kReserved);
}

TEST_P(ViewByEachWay, OnlyTheContainersProcessesAreListed) {
  container.lay(1024 * kMiB);
  hold(300 * kMiB);
  const Answer answer = view(GetParam(), {"lists"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  const std::string self =
      " pid " + std::to_string(getpid()) + " " + std::to_string(300 * kMiB);
  for (const std::string form : {"", "_v2", "_v3"}) {
    EXPECT_TRUE(answer.has("Compute" + form + self)) << answer.text;
    EXPECT_EQ(answer.number("Compute" + form + " asked"), kTooLittle);
    EXPECT_EQ(answer.number("Compute" + form + " count"), 1u);
    for (const std::string kind : {"Graphics", "MPSCompute"}) {
      EXPECT_EQ(answer.number(kind + form + " asked"), 0u) << answer.text;
      EXPECT_EQ(answer.number(kind + form + " count"), 0u) << answer.text;
    }
  }
  EXPECT_EQ(answer.text.find("4000001"), std::string::npos) << answer.text;
}

TEST_P(ViewByEachWay, DetailsAreOfTheContainersProcessesToo) {
  container.lay(1024 * kMiB);
  hold(300 * kMiB);
  const Answer answer = view(GetParam(), {"details"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_TRUE(answer.has("details0 pid " + std::to_string(getpid()) + " " +
                         std::to_string(300 * kMiB)))
      << answer.text;
  EXPECT_EQ(answer.number("details0 asked"), kTooLittle) << answer.text;
  EXPECT_EQ(answer.number("details0 no_place"), kInvalid) << answer.text;
  EXPECT_EQ(answer.number("details1 result"), 0u) << answer.text;
  EXPECT_EQ(answer.number("details2 result"), 0u) << answer.text;
  EXPECT_EQ(answer.number("details3 result"), kInvalid) << answer.text;
  EXPECT_EQ(answer.number("details_v2"), 25u) << "another version passes";
  EXPECT_EQ(answer.text.find("4000001"), std::string::npos) << answer.text;
}

INSTANTIATE_TEST_SUITE_P(Ways, ViewByEachWay,
                         ::testing::Values("linked", "dlsym", "default",
                                           "dlvsym"),
                         [](const auto& test) { return test.param; });

TEST_F(ShareView, LookingTakesNoSlot) {
  container.lay(1024 * kMiB);
  EXPECT_EQ(view("dlsym", {"memory", "lists"}).number("used"), 0u);
  EXPECT_EQ(container.used_slots(), 0u);
  hold(kMiB);
  EXPECT_EQ(view("dlsym", {"memory", "lists"}).number("used"), kMiB);
  EXPECT_EQ(container.used_slots(), 1u);
}

TEST_F(ShareView, WhatTheDeadHeldIsNotShown) {
  container.lay(1024 * kMiB);
  Ledger ledger = container.map();
  ProcessIdentity gone = identity_of_this_process();
  gone.start_time += 1;  // Another process, that had this one's pid.
  ASSERT_TRUE(ledger.enroll(gone));
  EXPECT_EQ(ledger.reserve(0, MemoryKind::kData, kMiB), Verdict::kGranted);
  const Answer answer = view("dlsym", {"memory", "lists"});
  EXPECT_EQ(answer.number("used"), 0u) << answer.text;
  EXPECT_EQ(answer.number("Compute count"), 0u) << answer.text;
}

TEST_F(ShareView, NeverUnderflowsWhereALimitWasLowered) {
  container.lay(100 * kMiB);
  Ledger more = container.map();
  ASSERT_TRUE(more.enroll({1, 0, 0}));  // Of whom nobody can tell.
  ASSERT_TRUE(more.charge(0, MemoryKind::kContext, 500 * kMiB));
  const Answer answer = view("dlsym", {"memory_v2"});
  EXPECT_EQ(answer.number("total"), 100 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("used"), 100 * kMiB) << answer.text;
  EXPECT_EQ(answer.number("free"), 0u) << answer.text;
}

TEST_F(ShareView, ALimitAboveTheGpuShowsTheGpu) {
  container.lay(4 * kTotal);
  EXPECT_EQ(view("dlsym", {"memory"}).number("total"), kTotal);
}

TEST_F(ShareView, BadCallsGetTheDriversAnswers) {
  container.lay(1024 * kMiB);
  const Answer answer = view("dlsym", {"null", "memory_v9"});
  ASSERT_EQ(answer.status, 0) << answer.text;
  for (const char* word :
       {"null", "null_v2", "null_count", "null_infos", "null_device"}) {
    EXPECT_EQ(answer.number(word), kInvalid) << word << answer.text;
  }
  EXPECT_EQ(answer.number("memory_v2"), kNotFound) << answer.text;
}

TEST_F(ShareView, WithoutLimitsOrForAnotherGpuNothingChanges) {
  const std::vector<std::string> questions = {"memory", "memory_v2", "lists",
                                              "details"};
  const Answer bare = view("dlsym", questions, false);
  EXPECT_TRUE(bare.has("Compute pid 4000001 5368709120")) << bare.text;
  EXPECT_EQ(view("dlsym", questions).text, bare.text);
  container.lay(64 * kMiB, "GPU-00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(view("dlsym", questions).text, bare.text);
  container.lay(kNoLimit);
  const Answer unlimited = view("dlsym", questions);
  EXPECT_EQ(unlimited.number("total"), kTotal);
  EXPECT_EQ(unlimited.number("Compute count"), 0u) << "still its own alone";
}

TEST_F(ShareView, WhatTheDriverLacksStaysMissing) {
  container.lay(1024 * kMiB);
  const Answer answer = view("dlsym", {"nvmlDeviceGetNoSuchThing"});
  EXPECT_EQ(answer.text, "missing nvmlDeviceGetNoSuchThing\n");
}

}  // namespace
}  // namespace gpunode::share
