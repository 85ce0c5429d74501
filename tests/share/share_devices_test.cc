// CUDA_VISIBLE_DEVICES leaves out GPUs and numbers those that are left anew:
// each keeps its own limit.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/share/laid_container.h"

namespace gpunode::share {
namespace {

struct Visible {
  const char* name;
  const char* devices;    ///< Null: the variable is not there.
  std::vector<int> seen;  ///< As the machine numbers them.
};

class ShareDevices : public ::testing::TestWithParam<Visible> {
 protected:
  void SetUp() override {
    container.show_four_devices();
    // In an order of their own, and each another one.
    container.lay({{kFourGpus[2], limit_of(2)},
                   {kFourGpus[0], limit_of(0)},
                   {kFourGpus[3], limit_of(3)},
                   {kFourGpus[1], limit_of(1)}});
  }
  static std::uint64_t limit_of(int gpu) {
    return static_cast<std::uint64_t>(10 * (gpu + 1)) * kMiB;
  }

  LaidContainer container;
};

TEST_P(ShareDevices, AreEachHeldToTheirOwnLimit) {
  const Visible& visible = GetParam();
  if (visible.devices != nullptr) {
    container.set("CUDA_VISIBLE_DEVICES", visible.devices);
  }
  const Answer answer = container.run({GPUNODE_DEVICE_ASKER});
  ASSERT_EQ(answer.status, 0) << answer.text;
  const std::uint64_t seen = visible.seen.size();
  EXPECT_EQ(answer.number("init") == 0, seen != 0) << answer.text;
  EXPECT_EQ(answer.number("count"), seen != 0 ? seen : ~std::uint64_t{0})
      << answer.text;
  for (std::size_t at = 0; at < seen; ++at) {
    const std::string ordinal = std::to_string(at);
    const std::uint64_t limit = limit_of(visible.seen[at]);
    EXPECT_EQ(answer.number("total" + ordinal), limit) << answer.text;
    EXPECT_EQ(answer.number("free" + ordinal), limit) << answer.text;
    EXPECT_EQ(answer.number("blocks" + ordinal), limit / kMiB) << answer.text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ShareDevices,
    ::testing::Values(
        Visible{"absent", nullptr, {0, 1, 2, 3}}, Visible{"index", "2", {2}},
        Visible{"indexes", "1,3", {1, 3}},
        Visible{"reordered", "3,0,2", {3, 0, 2}},
        Visible{"uuid", kFourGpus[2], {2}},
        Visible{"uuids",
                "GPU-962ca3ca-b4af-5c5c-8e3e-4cfd98b0abb7,"
                "GPU-b8564e23-bef7-5334-a1e9-f841d68f128e",
                {3, 0}},
        Visible{"prefix", "GPU-86f", {1}}, Visible{"mixed", "GPU-d9,0", {2, 0}},
        Visible{"empty", "", {}}, Visible{"none", "-1", {}},
        // Those behind what is none are left out.
        Visible{"cut", "1,-1,0", {1}}, Visible{"twice", "1,1", {}},
        Visible{"mig", "MIG-86ff78b8-629b-5929-a300-7005ecfcee9f", {}}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gpunode::share
