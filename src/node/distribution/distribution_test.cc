#include "node/distribution/distribution.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/distribution/driver_packages.h"

namespace gpunode::distribution {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Distribution& row(std::string_view id, std::string_view version) {
  const auto found = find_distribution(id, version);
  EXPECT_TRUE(found) << found.error().message();
  return **found;
}

std::string url(std::string_view id, std::string_view version,
                std::string_view machine) {
  const auto found = repository_of(row(id, version), machine, kBaseUrl);
  return found ? found->url.substr(kBaseUrl.size()) : found.error().message();
}

TEST(Distributions, RowsAreWholeAndEachIsFoundOnce) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::set<std::string_view> unknown;
  for (const Distribution& one : distributions()) {
    const std::string name = std::string(one.id) + std::string(one.version);
    EXPECT_TRUE(seen.insert({one.id, one.version}).second) << name;
    EXPECT_EQ(&row(one.id, one.version), &one) << name;
    EXPECT_FALSE(one.cited.empty()) << name;
    EXPECT_FALSE(one.architectures.empty()) << name;
    ASSERT_FALSE(one.devel.empty()) << name;
    EXPECT_TRUE(one.devel.back().flavour.empty()) << name;
    EXPECT_EQ(one.repository.empty(), one.status == Status::kRefused) << name;
    EXPECT_TRUE(one.status == Status::kSupported || !one.note.empty()) << name;
    if (one.status == Status::kRefused) continue;
    if (one.key.fingerprint.empty()) {
      unknown.insert(one.repository);
      continue;
    }
    EXPECT_EQ(one.key.fingerprint.size(), 40U) << name;
    // The file is named by the end of the fingerprint.
    std::string file(one.key.file);
    for (char& c : file) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(file, std::string(one.key.fingerprint.substr(32)) + ".PUB");
  }
  EXPECT_THAT(unknown, ElementsAre("fedora43", "rhel10"));
}

TEST(Distributions, ManagerIsTheRowsForEachReleaseAndOfItsKinForOthers) {
  const auto is_dnf = [](Manager one) {
    return one == Manager::kDnf || one == Manager::kDnf5 ||
           one == Manager::kYum;
  };
  for (const Distribution& one : distributions()) {
    const auto manager = manager_of(one.id, {});
    ASSERT_TRUE(manager) << one.id;
    EXPECT_TRUE(*manager == one.manager ||
                (is_dnf(*manager) && is_dnf(one.manager)))
        << one.id << one.version;
  }
  using Like = std::vector<std::string>;
  EXPECT_EQ(manager_of("linuxmint", Like{"ubuntu", "debian"}), Manager::kApt);
  EXPECT_EQ(manager_of("opensuse-tumbleweed", Like{"opensuse", "suse"}),
            Manager::kZypper);
  EXPECT_EQ(manager_of("rocky", Like{"rhel", "centos", "fedora"}),
            Manager::kDnf);
  // The closest kin, and the own name before any.
  EXPECT_EQ(manager_of("mine", Like{"nobody", "suse", "rhel"}),
            Manager::kZypper);
  EXPECT_EQ(manager_of("debian", Like{"rhel"}), Manager::kApt);
  EXPECT_EQ(manager_of("arch", Like{}), std::nullopt);
  EXPECT_EQ(manager_of("", Like{"", "gentoo"}), std::nullopt);
}

TEST(Distributions, TheTableOfTheMatrix) {
  EXPECT_EQ(url("rocky", "8.9", "x86_64"), "/rhel8/x86_64/");
  EXPECT_EQ(url("rocky", "8.9", "aarch64"), "/rhel8/sbsa/");
  EXPECT_EQ(url("ol", "9.4", "aarch64"), "/rhel9/sbsa/");
  EXPECT_EQ(url("amzn", "2023", "aarch64"), "/amzn2023/sbsa/");
  EXPECT_EQ(url("fedora", "44", "x86_64"), "/fedora44/x86_64/");
  EXPECT_EQ(url("ubuntu", "24.04", "aarch64"), "/ubuntu2404/sbsa/");
  EXPECT_EQ(url("debian", "12", "x86_64"), "/debian12/x86_64/");
  EXPECT_EQ(url("debian", "12", "aarch64"), "/debian12/sbsa/");
  EXPECT_EQ(url("debian", "13", "aarch64"), "/debian13/sbsa/");
  EXPECT_EQ(url("sles", "15.6", "x86_64"), "/sles15/x86_64/");
  EXPECT_EQ(url("opensuse-leap", "16.0", "x86_64"), "/suse16/x86_64/");
}

TEST(Distributions, AKeyForEachRepository) {
  const auto debian13 =
      repository_of(row("debian", "13"), "x86_64", "http://mirror/cuda");
  ASSERT_TRUE(debian13);
  EXPECT_EQ(debian13->key_url,
            "http://mirror/cuda/debian13/x86_64/8793F200.pub");
  EXPECT_THAT(std::string(debian13->fingerprint), HasSubstr("8793F200"));
  EXPECT_EQ(row("debian", "12").key.file, "3bf863cc.pub");
  EXPECT_EQ(row("rhel", "7.9").key.file, "D42D0685.pub");
  EXPECT_EQ(row("ubuntu", "26.04").key.file, "60DF8A40.pub");
  EXPECT_EQ(row("fedora", "42").key.file, "D42D0685.pub");
  EXPECT_EQ(row("sles", "16.0").key.file, "3A8B5622.pub");
}

TEST(Distributions, WithoutAKeyARepositoryIsRefusedUntilSomebodySaysIt) {
  EXPECT_THAT(url("rocky", "10.1", "x86_64"),
              HasSubstr("CDF6BA43.pub of rhel10 is not known"));
  EXPECT_THAT(url("rocky", "10.1", "x86_64"),
              HasSubstr("id: rocky, version: \"10\", keyFingerprint"));
  EXPECT_THAT(url("fedora", "43", "x86_64"), HasSubstr("1940C73E.pub"));
}

TEST(Distributions, BranchesThatARepositoryHas) {
  const auto branches = [](const char* id, const char* version,
                           const char* machine) {
    const auto found = repository_of(row(id, version), machine, kBaseUrl);
    return found ? std::to_string(found->first_branch) + "-" +
                       std::to_string(found->last_branch)
                 : found.error().message();
  };
  EXPECT_EQ(branches("rocky", "8.9", "x86_64"), "0-0");
  EXPECT_EQ(branches("debian", "12", "aarch64"), "590-0");
  EXPECT_EQ(branches("debian", "13", "x86_64"), "590-0");
  EXPECT_EQ(branches("debian", "13", "aarch64"), "595-0");
  EXPECT_EQ(branches("ubuntu", "26.04", "x86_64"), "595-0");
  EXPECT_EQ(branches("ubuntu", "20.04", "x86_64"), "0-575");
  EXPECT_EQ(branches("ubuntu", "22.04", "aarch64"), "515-0");
  EXPECT_EQ(branches("rhel", "9.4", "x86_64"), "515-0");
  EXPECT_EQ(branches("fedora", "42", "x86_64"), "580-0");
  EXPECT_EQ(branches("fedora", "44", "x86_64"), "610-0");
  EXPECT_EQ(branches("sles", "16.0", "aarch64"), "595-0");
}

TEST(Distributions, WhatHasNoDriverIsSaid) {
  EXPECT_THAT(url("opensuse-leap", "15.6", "aarch64"),
              HasSubstr("no driver for opensuse-leap 15 on aarch64"));
  EXPECT_THAT(url("rhel", "7.9", "ppc64le"), HasSubstr("on ppc64le"));
  EXPECT_THAT(url("rhel", "8.10", "ppc64le"), HasSubstr("on ppc64le"));
  EXPECT_THAT(url("amzn", "2", "x86_64"), HasSubstr("Amazon Linux 2023"));
  EXPECT_THAT(url("rocky", "8.9", "cross-linux-sbsa"),
              HasSubstr("the toolkit alone"));
  const auto error = [](const char* id, const char* version) {
    const auto found = find_distribution(id, version);
    return found ? "found" : found.error().message();
  };
  EXPECT_THAT(error("rocky", "11.0"), HasSubstr("newer than this version"));
  EXPECT_THAT(error("rocky", "11.0"), HasSubstr("known are 8, 9, 10"));
  EXPECT_THAT(error("ubuntu", "24.10"), HasSubstr("no repository for ubuntu"));
  EXPECT_THAT(error("ubuntu", "28.04"), HasSubstr("update gpunode"));
  EXPECT_THAT(error("debian", ""), HasSubstr("no repository for debian"));
  EXPECT_THAT(error("fedora", "4"), HasSubstr("no repository for fedora 4;"));
  EXPECT_THAT(error("gentoo", "2.15"), HasSubstr("by other means"));
  EXPECT_EQ(row("rhel", "7.9").status, Status::kEndOfLife);
}

TEST(Distributions, TheDevelPackageOfAKernel) {
  const auto package = [](const char* id, const char* version,
                          const char* release) {
    return devel_package(row(id, version), release);
  };
  EXPECT_EQ(package("rocky", "8.9", "4.18.0-513.5.1.el8_9.x86_64"),
            "kernel-devel-4.18.0-513.5.1.el8_9.x86_64");
  EXPECT_EQ(package("rhel", "9.4", "5.14.0-427.el9.aarch64+64k"),
            "kernel-64k-devel-matched-5.14.0-427.el9.aarch64");
  EXPECT_EQ(package("ol", "8.9", "5.15.0-200.el8uek.x86_64"),
            "kernel-uek-devel-5.15.0-200.el8uek.x86_64");
  EXPECT_EQ(package("amzn", "2023", "6.12.20-23.97.amzn2023.x86_64"),
            "kernel6.12-devel-6.12.20-23.97.amzn2023.x86_64");
  EXPECT_EQ(package("amzn", "2023", "6.1.141-155.amzn2023.x86_64"),
            "kernel-devel-6.1.141-155.amzn2023.x86_64");
  EXPECT_EQ(package("ubuntu", "22.04", "5.15.0-1049-aws"),
            "linux-headers-5.15.0-1049-aws");
  EXPECT_EQ(package("sles", "15.6", "6.4.0-150600.23.7-default"),
            "kernel-default-devel=6.4.0-150600.23.7");
  EXPECT_EQ(package("sles", "15.6", "6.4.0-150600.8.5-azure"),
            "kernel-azure-devel=6.4.0-150600.8.5");
}

std::string text_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& one : names) text += (text.empty() ? "" : " ") + one;
  return text;
}

std::string names(Family family, Flavour flavour, int branch,
                  Profile profile = Profile::kCompute) {
  const auto driver = driver_packages(family, flavour, branch, profile);
  if (!driver) return driver.error().message();
  EXPECT_THAT(driver->packages, testing::Contains(driver->module));
  for (const std::string& rival : driver->rivals) {
    EXPECT_THAT(driver->packages, testing::Not(testing::Contains(rival)));
  }
  return driver->stream + "|" + text_of(driver->packages);
}

TEST(DriverPackages, ByFamilyFlavourAndBranch) {
  using enum Flavour;
  EXPECT_EQ(names(Family::kModular, kOpen, 580),
            "580-open|nvidia-driver-cuda kmod-nvidia-open-dkms");
  EXPECT_EQ(names(Family::kModular, kProprietary, 580),
            "580-dkms|nvidia-driver-cuda kmod-nvidia-latest-dkms");
  EXPECT_EQ(names(Family::kPlain, kOpen, 610),
            "|nvidia-driver-cuda kmod-nvidia-open-dkms");
  EXPECT_EQ(names(Family::kUbuntu, kOpen, 580),
            "|libnvidia-compute-580 nvidia-dkms-580-open nvidia-utils-580");
  EXPECT_EQ(names(Family::kUbuntu, kProprietary, 595),
            "|libnvidia-compute nvidia-dkms");
  EXPECT_EQ(names(Family::kDebian, kOpen, 595),
            "|nvidia-driver-cuda nvidia-kernel-open-dkms");
  EXPECT_EQ(names(Family::kRhel7, kProprietary, 550),
            "|nvidia-driver-branch-550-cuda kmod-nvidia-latest-dkms");
}

TEST(DriverPackages, OfSuseByGeneration) {
  using enum Flavour;
  EXPECT_EQ(names(Family::kSuse, kOpen, 570),
            "|nvidia-open-driver-G06-kmp-default nvidia-compute-utils-G06");
  EXPECT_EQ(names(Family::kSuse, kProprietary, 550),
            "|nvidia-driver-G06-kmp-default nvidia-compute-utils-G06");
  EXPECT_EQ(names(Family::kSuse, kOpen, 580),
            "|nvidia-open-driver-G06 nvidia-compute-utils-G06");
  EXPECT_EQ(names(Family::kSuse, kProprietary, 580),
            "|nvidia-driver-G06 nvidia-compute-utils-G06");
  EXPECT_EQ(names(Family::kSuse, kOpen, 590),
            "|nvidia-open-driver-G07 nvidia-compute-utils-G07");
}

TEST(DriverPackages, WithADisplay) {
  using enum Flavour;
  EXPECT_EQ(names(Family::kModular, kProprietary, 470, Profile::kFull),
            "470-dkms|nvidia-driver nvidia-driver-cuda "
            "kmod-nvidia-latest-dkms");
  EXPECT_EQ(names(Family::kDebian, kProprietary, 470, Profile::kFull),
            "|libcuda1 nvidia-smi nvidia-kernel-dkms nvidia-driver");
  EXPECT_EQ(names(Family::kDebian, kOpen, 580, Profile::kFull),
            "|nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-driver");
  EXPECT_EQ(names(Family::kUbuntu, kOpen, 580, Profile::kFull),
            "|libnvidia-compute-580 nvidia-dkms-580-open nvidia-utils-580 "
            "nvidia-driver-580-open");
}

TEST(DriverPackages, WhatCannotBeIsRefusedInWords) {
  using enum Flavour;
  EXPECT_THAT(names(Family::kModular, kProprietary, 620),
              HasSubstr("they end with 615"));
  EXPECT_THAT(names(Family::kUbuntu, kOpen, 470), HasSubstr("begin with 515"));
  EXPECT_THAT(names(Family::kRhel7, kOpen, 550), HasSubstr("no open modules"));
  EXPECT_THAT(names(Family::kDebian, kOpen, 550), HasSubstr("profile: full"));
}

std::string beside(Family family, int branch, const CompanionWish& wish,
                   const char* machine = "x86_64") {
  const Companions all = companions(family, branch, wish, machine);
  return text_of(all.same) + "|" + text_of(all.any);
}

TEST(Companions, ByBranchAndFamily) {
  const CompanionWish switches{.persistence = true, .fabric_manager = true};
  EXPECT_EQ(beside(Family::kModular, 580, switches),
            "nvidia-persistenced nvidia-fabricmanager libnvidia-nscq|");
  EXPECT_EQ(beside(Family::kModular, 570, switches),
            "nvidia-persistenced nvidia-fabric-manager libnvidia-nscq-570|");
  EXPECT_EQ(beside(Family::kUbuntu, 570, switches),
            "nvidia-persistenced nvidia-fabricmanager-570 libnvidia-nscq-570|");
  // Ubuntu's daemon was in a package of the branch's name.
  EXPECT_EQ(beside(Family::kUbuntu, 470, {.persistence = true}),
            "nvidia-compute-utils-470|");
  EXPECT_EQ(beside(Family::kDebian, 560, {.persistence = true}),
            "nvidia-persistenced|");
  EXPECT_EQ(beside(Family::kModular, 450, {.fabric_manager = true}),
            "nvidia-fabricmanager-450 libnvidia-nscq-450|");
  const CompanionWish nvlink5{.fabric_manager = true, .subnet_manager = true};
  EXPECT_EQ(beside(Family::kModular, 580, nvlink5),
            "nvidia-fabricmanager libnvidia-nscq libnvsdm|"
            "nvlsm infiniband-diags libibumad");
  EXPECT_EQ(beside(Family::kUbuntu, 580, nvlink5, "aarch64"),
            "nvidia-fabricmanager libnvidia-nscq|"
            "nvlsm infiniband-diags libibumad3");
  EXPECT_EQ(beside(Family::kModular, 575, {.imex = true}), "nvidia-imex-575|");
  EXPECT_EQ(beside(Family::kModular, 580, {.imex = true}), "nvidia-imex|");
  EXPECT_EQ(beside(Family::kModular, 535, {.imex = true}), "|");
}

}  // namespace
}  // namespace gpunode::distribution
