// spec.distributions: what a drop-in adds to the table, and what it can't.
#include "node/provision/distribution_spec.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/distribution/table.h"
#include "node/provision/spec_file.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kMain =
    "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: {driver: {}}\n";

/// A GPUNode file and one drop-in whose spec.distributions, from line 3 on, is
/// `entries`.
SpecReading read(const std::string& entries) {
  return read_spec(
      {{"node.yaml", kMain},
       {"conf.d/own.yaml", "spec:\n  distributions:\n" + entries}});
}

TEST(DistributionSpec, IsReadAsPeopleCopyIt) {
  const SpecReading good = read(
      "    - id: rhel\n      version: \"10\"\n"
      "      keyFingerprint: 0123 4567 89ab cdef 0123 4567 89ab cdef cdf6 "
      "ba43\n");
  EXPECT_THAT(good.problems, IsEmpty());
  ASSERT_THAT(good.spec.distributions, SizeIs(1));
  EXPECT_EQ(good.spec.distributions[0].fingerprint,
            "0123456789ABCDEF0123456789ABCDEFCDF6BA43");
}

TEST(DistributionSpec, ADropInAddsWhatTheTableDoesNotHave) {
  const SpecReading reading = read(
      "    - id: rocky\n      version: \"11\"\n      like: rocky 9\n"
      "      repository: rhel11\n      packageManager: dnf\n"
      "      driverPackages: plain\n      dkms: none\n"
      "      architectures: [{machine: aarch64, directory: sbsa, "
      "firstBranch: 600}]\n"
      "      devel: [{kernel: +64k, package: \"a-{release}\"}, {package: "
      "\"b-{release}\"}]\n"
      "      compilers: [clang]\n");
  ASSERT_THAT(reading.problems, IsEmpty());
  const auto table = distribution::Table::with(reading.spec.distributions);
  ASSERT_TRUE(table) << table.error().message();
  const auto found = table->find("rocky", "11.1");
  ASSERT_TRUE(found) << found.error().message();
  const distribution::Distribution& row = **found;
  EXPECT_EQ(row.family, distribution::Family::kPlain);
  EXPECT_EQ(row.dkms, "");
  EXPECT_EQ(row.compilers.front(), "clang");
  EXPECT_EQ(distribution::devel_package(row, "6.12+64k"), "a-6.12");
  EXPECT_EQ(distribution::devel_package(row, "6.12"), "b-6.12");
  const auto repository = distribution::repository_of(row, "aarch64", "http:");
  ASSERT_TRUE(repository) << repository.error().message();
  EXPECT_EQ(repository->url, "http:/rhel11/sbsa/");
  EXPECT_EQ(repository->first_branch, 600);
  EXPECT_FALSE(distribution::repository_of(row, "x86_64", "http:"));
}

TEST(DistributionSpec, WhatCanNotBeIsToldWithItsPlaceAndTheNearestName) {
  struct Case {
    const char* entries;
    const char* place;
    const char* words;
  };
  for (const Case& one : {
           Case{"    - id: rhel\n      version: \"10\"\n"
                "      keyFingerprint: CDF6BA43\n",
                "own.yaml:5:23: ", "40 hex digits"},
           Case{"    - {id: gentoo, version: \"2\"}\n",
                "own.yaml:3:12: ", "say what it is `like`"},
           Case{"    - {id: rhel, version: \"9\", keyfile: x}\n",
                "own.yaml:3:32: ", "did you mean \"keyFile\"?"},
           Case{"    - id: rocky\n      version: \"11\"\n      lik: rocky 10\n",
                "own.yaml:5:7: ", "did you mean \"like\"?"},
           Case{"    - id: rocky\n      version: \"11\"\n"
                "      like: rocki 10\n",
                "own.yaml:5:13: ", "did you mean \"rocky 10\"?"},
           Case{"    - id: rocky\n      version: \"9\"\n"
                "      packageManager: dfn\n",
                "own.yaml:5:23: ", "did you mean \"dnf\"?"},
           Case{"    - id: rocky\n      version: \"9\"\n"
                "      packageManager: pacman\n",
                "own.yaml:5:23: ", "apt, dnf, dnf5, yum, zypper"},
           Case{"    - id: rocky\n      version: \"9\"\n"
                "      packageManager: apt\n",
                "own.yaml:5:23: ", "apt contradicts the packages of modular"},
           Case{"    - id: rocky\n      version: \"9\"\n"
                "      driverPackages: debien\n",
                "own.yaml:5:23: ", "did you mean \"debian\"?"},
           Case{"    - id: rocky\n      version: \"9\"\n"
                "      firstBranch: 600\n      lastBranch: 580\n",
                "own.yaml:6:19: ", "newer than the last"},
           Case{"    - id: rocky\n      version: \"9\"\n      architectures:\n"
                "        - {machin: x86_64, directory: x86_64}\n",
                "own.yaml:6:12: ", "did you mean \"machine\"?"},
           Case{"    - {id: rocky, version: \"9\"}\n"
                "    - {id: rocky, version: \"9\"}\n",
                "own.yaml:4:12: ", "stands there twice"},
           Case{"    - {id: rocky, version: 9}\n",
                "own.yaml:3:28: ", "in quotes"},
       }) {
    const SpecReading reading = read(one.entries);
    ASSERT_THAT(reading.problems, SizeIs(testing::Ge(1U))) << one.entries;
    EXPECT_THAT(
        reading.problems,
        testing::ElementsAre(AllOf(HasSubstr(one.place), HasSubstr(one.words))))
        << one.entries;
  }
}

TEST(DistributionSpec, TwoDropInsDoNotAddToOneList) {
  const std::string entry = "spec: {distributions: [{id: rocky, version: \"";
  const SpecReading reading =
      read_spec({{"node.yaml", kMain},
                 {"conf.d/a.yaml", entry + "8\"}]}\n"},
                 {"conf.d/b.yaml", entry + "9\"}]}\n"}});
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems[0], AllOf(HasSubstr("conf.d/b.yaml:1:"),
                                         HasSubstr("contradicts conf.d/a.yaml"),
                                         HasSubstr("spec.distributions")));
}

}  // namespace
}  // namespace gpunode::provision
