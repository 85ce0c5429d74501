#include "node/provision/offline/bundle_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::offline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

BundleManifest sample() {
  return {.distribution = "rocky",
          .version = "8.9",
          .machine = "x86_64",
          .wanted = {"dkms", "containerd.io=1.7.29-1.el8"},
          .steps = {{"kernel.build", {"dkms"}},
                    {"driver.packages",
                     {"nvidia-driver-cuda=3:580.95.05-1",
                      "kmod-nvidia-580.95.05-4.18.0=3:580.95.05-1"}}},
          .gaps = {{"driver.hold", "nobody knows; next: ask"}},
          .packages = {"dkms-3.1.8-1.el8.noarch.rpm"},
          .keys = {"RPM-GPG-KEY-cuda"},
          .images = {{"registry.k8s.io/pause:3.10", "0.tar"}}};
}

facts::OsRelease os(const std::string& id, const std::string& version) {
  facts::OsRelease release;
  release.id = id;
  release.version_id = version;
  return release;
}

TEST(BundleManifest, IsReadAsItWasWritten) {
  const auto read = parse_manifest(to_json(sample()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, sample());
}

TEST(BundleManifest, OfAnotherVersionIsRefusedInWords) {
  const auto read = parse_manifest(R"({"version": 1})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(read.error().message(), HasSubstr("version 1"));
}

TEST(BundleManifest, ThatIsNoneIsCorrupt) {
  for (const char* const text :
       {"", "[]", "{", "{}", R"({"version": "2"})", R"({"version": 2})"}) {
    const auto read = parse_manifest(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << text;
  }
}

TEST(BundleManifest, WithNamesThatLeadElsewhereIsCorrupt) {
  for (const char* const name : {"../x", "/etc/x", ".x", "", "a b"}) {
    BundleManifest manifest = sample();
    manifest.keys = {name};
    EXPECT_FALSE(parse_manifest(to_json(manifest))) << name;
    manifest = sample();
    manifest.images[0].file = name;
    EXPECT_FALSE(parse_manifest(to_json(manifest))) << name;
  }
}

TEST(BundleManifest, TellsWhatItWasNotMadeWith) {
  const BundleManifest manifest = sample();
  EXPECT_THAT(missing_of(manifest, {"nvidia-driver-cuda", "containerd.io"}, ""),
              IsEmpty());
  EXPECT_THAT(missing_of(manifest, {"nvidia-driver-cuda"}, "580"), IsEmpty());
  EXPECT_THAT(missing_of(manifest, {"containerd.io"}, "1.7"), IsEmpty());
  EXPECT_THAT(missing_of(manifest, {"kmod-nvidia-*-4.18.0"}, "580.95.05"),
              IsEmpty());
  EXPECT_THAT(missing_of(manifest,
                         {"nvidia-driver-cuda", "nvidia-fabricmanager"}, "595"),
              ElementsAre("nvidia-driver-cuda", "nvidia-fabricmanager"));
  // In which version it has that nobody said.
  EXPECT_THAT(missing_of(manifest, {"dkms"}, "3.1"), ElementsAre("dkms"));
  EXPECT_THAT(missing_of(manifest, {"kmod-nvidia-*-4.18.1"}, ""),
              ElementsAre("kmod-nvidia-*-4.18.1"));
}

TEST(BundleManifest, SaysWhatIsInItAndWhatIsNot) {
  EXPECT_EQ(contents_text(sample()),
            "  kernel.build: dkms\n"
            "  driver.packages: nvidia-driver-cuda=3:580.95.05-1, "
            "kmod-nvidia-580.95.05-4.18.0=3:580.95.05-1\n"
            "  image registry.k8s.io/pause:3.10\n"
            "  LACKS driver.hold: nobody knows; next: ask\n");
}

TEST(BundleManifest, FitsHostsOfItsRelease) {
  EXPECT_EQ(misfit(sample(), os("rocky", "8.10"), "x86_64"), "");
  EXPECT_EQ(misfit(sample(), os("rocky", "9.4"), "x86_64"),
            "it is for rocky 8 x86_64, and this host is rocky 9 x86_64");
  EXPECT_NE(misfit(sample(), os("almalinux", "8.9"), "x86_64"), "");
  EXPECT_NE(misfit(sample(), os("rocky", "8.9"), "aarch64"), "");
  BundleManifest ubuntu = sample();
  ubuntu.distribution = "ubuntu";
  ubuntu.version = "22.04";
  EXPECT_EQ(misfit(ubuntu, os("ubuntu", "22.04"), "x86_64"), "");
  EXPECT_NE(misfit(ubuntu, os("ubuntu", "22.10"), "x86_64"), "");
}

}  // namespace
}  // namespace gpunode::offline
