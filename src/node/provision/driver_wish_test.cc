#include "node/provision/driver_wish.h"

#include <gtest/gtest.h>

namespace gpunode::provision {
namespace {

TEST(DriverWish, OfAnEmptySectionIsNone) {
  const driver::Wish wish = make_wish({});
  EXPECT_EQ(wish.branch, 0);
  EXPECT_EQ(wish.version, "");
  EXPECT_FALSE(wish.is_flavour_given);
  EXPECT_TRUE(wish.module_options.empty());
  EXPECT_EQ(wish.fabric_manager, std::nullopt);
  EXPECT_FALSE(wish.imex);
}

TEST(DriverWish, IsWhatTheFileSays) {
  DriverSpec spec;
  spec.version = "595.91.07";
  spec.flavour = WantedFlavour::kProprietary;
  spec.module_options = {{"NVreg_EnableGpuFirmware", "0"}};
  const driver::Wish wish = make_wish(spec);
  EXPECT_EQ(wish.branch, 595);
  EXPECT_EQ(wish.version, "595.91.07");
  EXPECT_TRUE(wish.is_flavour_given);
  EXPECT_EQ(wish.flavour, driver::Flavour::kProprietary);
  EXPECT_EQ(wish.module_options, spec.module_options);
  spec.fabric_manager = Choice::kNo;
  spec.imex = Choice::kYes;
  EXPECT_EQ(make_wish(spec).fabric_manager, false);
  EXPECT_TRUE(make_wish(spec).imex);
  EXPECT_FALSE(make_wish(spec).is_distributions);
  spec.source = DriverSource::kDistribution;
  EXPECT_TRUE(make_wish(spec).is_distributions);
  spec.branch = 580;
  spec.version.clear();
  spec.flavour = WantedFlavour::kOpen;
  EXPECT_EQ(make_wish(spec).branch, 580);
  EXPECT_EQ(make_wish(spec).flavour, driver::Flavour::kOpen);
}

}  // namespace
}  // namespace gpunode::provision
