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

TEST(PackageSet, ANameWithItsVersionInIt) {
  const std::string name = "kmod-nvidia-*-5.14.0-570.12.1";
  EXPECT_EQ(with_version(name, "580.65.06"),
            "kmod-nvidia-580.65.06-5.14.0-570.12.1");
  EXPECT_EQ(with_version("plain", "1"), "plain");
  EXPECT_TRUE(is_named("kmod-nvidia-580.65.06-5.14.0-570.12.1", name));
  for (const char* other :
       {"kmod-nvidia-580.65.06-5.14.0-570.12.10",
        "kmod-nvidia-open-5.14.0-570.12.1", "kmod-nvidia--5.14.0-570.12.1",
        "kmod-nvidia-5.14.0-570.12.1", "kmod-nvidia-1-2-5.14.0-570.12.1",
        "kmod-nvidia-*-5.14.0-570.12.1"}) {
    EXPECT_FALSE(is_named(other, name)) << other;
  }
  EXPECT_TRUE(is_named("plain", "plain"));
  EXPECT_FALSE(is_named("plainer", "plain"));
}

TEST(PackageSet, TheNewestThatHasAModuleForTheKernel) {
  const std::vector<Candidate> offers = {
      {"driver", "3:580.65.06-1.el9", "x86_64", "cuda"},
      {"driver", "3:580.95.05-1.el9", "x86_64", "cuda"},
      {"kmod-580.65.06-5.14.0-1", "3:580.65.06-3.el9_6", "x86_64", "cuda"},
      {"kmod-580.95.05-5.14.0-2", "3:580.95.05-3.el9_6", "x86_64", "cuda"}};
  const auto set = choose_set(offers, {"driver", "kmod-*-5.14.0-1"}, "580", "");
  ASSERT_TRUE(set) << set.error().message();
  ASSERT_EQ(set->size(), 2U);
  EXPECT_EQ((*set)[0].version, "3:580.65.06-1.el9");
  EXPECT_EQ((*set)[1].name, "kmod-580.65.06-5.14.0-1");
  EXPECT_EQ((*set)[1].version, "3:580.65.06-3.el9_6");
  const auto none =
      choose_set(offers, {"driver", "kmod-*-5.14.0-9"}, "580", "");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("kmod-580.95.05-5.14.0-9"));
}

}  // namespace
}  // namespace gpunode::packages
