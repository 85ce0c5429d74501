#include "node/provision/packages/package_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::packages {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(PackageSet, TheUpstreamPartOfAVersion) {
  EXPECT_EQ(upstream_of("3:580.65.06-1.el9"), "580.65.06");
  EXPECT_EQ(upstream_of("580.65.06-0ubuntu1"), "580.65.06");
  EXPECT_EQ(upstream_of("580.65.06_k6.4.0_150600.21-1.1"), "580.65.06");
  EXPECT_EQ(upstream_of("550.163.01~deb12u1-1"), "550.163.01");
  EXPECT_EQ(upstream_of(""), "");
}

TEST(PackageSet, WhatIsOfABranch) {
  EXPECT_TRUE(is_of("580.65.06", "580"));
  EXPECT_TRUE(is_of("580.65.06", "580.65.06"));
  EXPECT_TRUE(is_of("580.65.06", ""));
  EXPECT_FALSE(is_of("5800.1", "580"));
  EXPECT_FALSE(is_of("580", "580"));
  EXPECT_FALSE(is_of("580.65.061", "580.65.06"));
  EXPECT_FALSE(is_of("595.1", "580"));
  EXPECT_TRUE(is_of("1.25.16", "1.25"));
  EXPECT_TRUE(is_of("1.25.16", "1.25.16"));
  EXPECT_FALSE(is_of("1.25.16", "1.2"));
  EXPECT_FALSE(is_of("1.25.16", "1.25.1"));
}

TEST(PackageSet, VersionsAreOrderedByTheirNumbers) {
  EXPECT_TRUE(is_older("580.95.05", "580.105.08"));
  EXPECT_TRUE(is_older("580.65", "580.65.06"));
  EXPECT_FALSE(is_older("595.1", "580.200"));
  EXPECT_FALSE(is_older("580.65.06", "580.65.06"));
}

const std::vector<Candidate> kOffers = {
    {"driver", "3:580.65.06-1.el9", "x86_64", "cuda"},
    {"driver", "3:580.95.05-1.el9", "x86_64", "cuda"},
    {"driver", "3:595.45.04-1.el9", "x86_64", "cuda"},
    {"driver", "3:580.126.01-1.fc41", "x86_64", "rpmfusion"},
    {"fm", "580.126.01-1", "x86_64", "rpmfusion"},
    {"fm", "580.65.06-1", "x86_64", "cuda"},
    {"fm", "580.95.05-1", "x86_64", "cuda"},
    {"fm", "580.95.05-2", "x86_64", "cuda"},
    {"fm", "615.71.09-1", "x86_64", "cuda"}};

TEST(PackageSet, IsTheNewestThatAllHaveInTheBranch) {
  const auto set = choose_set(kOffers, {"driver", "fm"}, "580", "cuda");
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_THAT(*set, ElementsAre(Wanted{"driver", "3:580.95.05-1.el9"},
                                Wanted{"fm", "580.95.05-2"}));
}

TEST(PackageSet, OfOneVersionIsThatOne) {
  const auto set = choose_set(kOffers, {"driver", "fm"}, "580.65.06", "cuda");
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_THAT(*set, ElementsAre(Wanted{"driver", "3:580.65.06-1.el9"},
                                Wanted{"fm", "580.65.06-1"}));
}

TEST(PackageSet, AMirrorInBetweenGivesTheOlderOneWhole) {
  std::vector<Candidate> offers = kOffers;
  offers.push_back({"driver", "3:580.200.01-1.el9", "x86_64", "cuda"});
  const auto set = choose_set(offers, {"driver", "fm"}, "580", "cuda");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->front().version, "3:580.95.05-1.el9");
}

TEST(PackageSet, WhatIsNotWholeIsNotInstalledAndSaid) {
  const auto set = choose_set(kOffers, {"driver", "fm"}, "595", "cuda");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(set.error().message(), HasSubstr("of 595.45.04 there is no fm"));
  const auto none = choose_set(kOffers, {"driver"}, "610", "cuda");
  EXPECT_THAT(none.error().message(),
              HasSubstr("\"cuda\" does not have 610 of driver"));
}

}  // namespace
}  // namespace gpunode::packages
