#include "agent/plugin/catalogue.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

resource::Resource resource_of(const std::string& name,
                               resource::Sharing sharing = {}) {
  std::vector<resource::Device> devices(2);
  for (unsigned i = 0; i < 2; ++i) {
    devices[i].id = {name + "/" + std::to_string(i)};
    devices[i].gpu = device::Index{i};
  }
  return {*resource::ResourceName::parse(name), std::move(devices), sharing};
}

Catalogue of_two() {
  resource::ResourceSet set;
  set.resources.push_back(resource_of("nvidia.com/gpu"));
  set.resources.push_back(
      resource_of("nvidia.com/mps", {config::SharingStrategy::kMps, false}));
  Catalogue catalogue;
  catalogue.replace(std::move(set), {},
                    std::make_shared<const AnswerContext>());
  return catalogue;
}

TEST(Catalogue, OffersEveryResourceWithTheHealthOfItsDevices) {
  const auto offers =
      of_two().offers([](const auto&) { return std::nullopt; },
                      [](const resource::Device& device) {
                        return device.id.value == "nvidia.com/gpu/0";
                      });
  ASSERT_THAT(offers, SizeIs(2));
  EXPECT_EQ(offers[0].resource_name, "nvidia.com/gpu");
  EXPECT_EQ(offers[0].endpoint, "nvidia-gpu.sock");
  ASSERT_THAT(offers[0].devices, SizeIs(2));
  EXPECT_TRUE(offers[0].devices[0].is_healthy);
  EXPECT_FALSE(offers[0].devices[1].is_healthy);
  EXPECT_NE(offers[0].handler, offers[1].handler);
}

TEST(Catalogue, ABlockedResourceKeepsItsSocketAndListsNothing) {
  const auto offers = of_two().offers(
      [](const resource::Resource& resource) -> std::optional<std::string> {
        if (resource.name().value() == "nvidia.com/mps") return "no daemon";
        return std::nullopt;
      },
      [](const auto&) { return true; });
  ASSERT_THAT(offers, SizeIs(2));
  EXPECT_THAT(offers[0].devices, SizeIs(2));
  EXPECT_EQ(offers[1].endpoint, "nvidia-mps.sock");
  EXPECT_THAT(offers[1].devices, IsEmpty());
}

TEST(Catalogue, KnowsWhatMpsShares) {
  Catalogue catalogue = of_two();
  EXPECT_THAT(catalogue.shared_by_mps(), ElementsAre("nvidia.com/mps"));
  catalogue.clear();
  EXPECT_THAT(catalogue.shared_by_mps(), IsEmpty());
  EXPECT_THAT(catalogue.resources(), IsEmpty());
}

TEST(Catalogue, WithoutResourcesTheNamesThatAreExpectedAreOffered) {
  const auto offers = empty_offers({}, std::make_shared<const AnswerContext>());
  ASSERT_THAT(offers, SizeIs(1));
  EXPECT_EQ(offers[0].resource_name, "nvidia.com/gpu");
  EXPECT_THAT(offers[0].devices, IsEmpty());
}

}  // namespace
}  // namespace gpunode::plugin
