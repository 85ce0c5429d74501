#include "share/ledger/limits.h"

#include <cstring>

#include <gtest/gtest.h>

#include "share/ledger/shared_area.h"

namespace gpunode::share {
namespace {

TEST(Limits, SayWhatTheNodeWrote) {
  SharedArea area(1000, 2, 4);
  area.name_device(1, "GPU-1");
  area.limit_of(1).bytes = kNoLimit;
  area.limit_of(1).unaccounted = 5;
  area.gone(3) = kGone | 7;
  Limits limits;
  ASSERT_TRUE(Limits::view(area.limits.data(), area.limits.size(), &limits));
  EXPECT_EQ(limits.devices(), 2u);
  EXPECT_EQ(limits.slots(), 4u);
  EXPECT_STREQ(limits.uuid(1), "GPU-1");
  EXPECT_EQ(limits.bytes(0), 1000u);
  EXPECT_EQ(limits.bytes(1), kNoLimit);
  EXPECT_EQ(limits.unaccounted(1), 5u);
  EXPECT_TRUE(limits.says_gone(3, 7));
  EXPECT_FALSE(limits.says_gone(3, 8));
  EXPECT_FALSE(limits.says_gone(2, 0)) << "generation 0 is one, too";
}

TEST(Limits, OfAnotherShapeAreRefused) {
  SharedArea area(1000, 2, 4);
  Limits limits;
  auto* header = reinterpret_cast<LimitsHeader*>(area.limits.data());
  const auto views = [&] {
    return Limits::view(area.limits.data(), area.limits.size(), &limits);
  };
  const LimitsHeader good = *header;
  EXPECT_TRUE(views());
  EXPECT_FALSE(
      Limits::view(area.limits.data(), area.limits.size() - 1, &limits));
  EXPECT_FALSE(Limits::view(area.limits.data(), 3, &limits));
  for (std::uint32_t LimitsHeader::*number :
       {&LimitsHeader::version, &LimitsHeader::devices, &LimitsHeader::slots}) {
    for (const std::uint32_t wrong : {0u, 5000u, ~0u}) {
      header->*number = wrong;
      EXPECT_FALSE(views());
      *header = good;
    }
  }
  std::memset(area.limit_of(1).uuid.data(), 'x', kUuidBytes);
  EXPECT_FALSE(views()) << "a name without an end";
}

}  // namespace
}  // namespace gpunode::share
