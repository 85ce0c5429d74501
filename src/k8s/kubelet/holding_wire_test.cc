// Held against bytes computed by hand from the published API.
#include "k8s/kubelet/holding_wire.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kubelet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string field(int number, const std::string& content) {
  EXPECT_LT(content.size(), 128U);
  return {std::string{static_cast<char>(number << 3 | 2),
                      static_cast<char>(content.size())} +
          content};
}

std::string devices(const std::string& resource, const std::string& id,
                    const std::string& more = "") {
  return field(2, field(1, resource) + field(2, id) + more);
}

std::string pod(const std::string& space, const std::string& name,
                const std::string& container) {
  return field(1, field(1, name) + field(2, space) + field(3, container));
}

TEST(HoldingWire, NamesPodContainerResourceAndIds) {
  const auto holdings = wire::decode_holdings(
      pod("team-a", "train-0", field(1, "main") + devices("nv/gpu", "U::3")));
  ASSERT_TRUE(holdings) << holdings.error().message();
  EXPECT_THAT(*holdings, ElementsAre(Holding{
                             "team-a", "train-0", "main", "nv/gpu", {"U::3"}}));
}

TEST(HoldingWire, PartsByNumaNodeAreOneHolding) {
  // topology = 3, a message: passed over.
  const std::string topology = field(3, field(1, std::string("\x08\x01", 2)));
  const auto holdings = wire::decode_holdings(
      pod("b", "p",
          field(1, "c") + devices("r", "U1", topology) + devices("s", "X") +
              devices("r", "U0", topology)) +
      pod("a", "p", field(1, "c") + devices("r", "U2")));
  ASSERT_TRUE(holdings);
  EXPECT_THAT(*holdings, ElementsAre(Holding{"a", "p", "c", "r", {"U2"}},
                                     Holding{"b", "p", "c", "r", {"U0", "U1"}},
                                     Holding{"b", "p", "c", "s", {"X"}}));
}

TEST(HoldingWire, PassesOverPodsWithoutDevicesAndWhatIsNotRead) {
  const std::string cpus = std::string("\x1a\x02\x00\x01", 4);  // cpu_ids = 3.
  const auto holdings =
      wire::decode_holdings(pod("a", "idle", field(1, "c") + cpus) +
                            pod("a", "none", "") + field(9, "later"));
  ASSERT_TRUE(holdings);
  EXPECT_THAT(*holdings, IsEmpty());
}

TEST(HoldingWire, RefusesWhatIsNoAnswer) {
  for (const std::string& bytes :
       {std::string("\x0a\x7f"), std::string("\xff\xff"),
        field(1, field(1, "\xff\xfe"))}) {
    const auto holdings = wire::decode_holdings(bytes);
    ASSERT_FALSE(holdings);
    EXPECT_EQ(holdings.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace gpunode::kubelet
