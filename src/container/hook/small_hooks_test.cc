// Links, permissions, musl's path, preloads and the application profile.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "container/hook/application_profile.h"
#include "container/hook/links.h"
#include "container/hook/musl_path.h"
#include "container/hook/own_mounts_test.h"
#include "container/hook/permissions.h"
#include "container/hook/preload.h"

namespace gpunode::hook {
namespace {

using host::Change;
using testing::IsEmpty;

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class SmallHooks : public testing::Test {
 protected:
  SmallHooks() {
    tree_.directory("root");
    auto opened = host::RootDirectory::open(tree_.path("root"));
    if (!opened) std::abort();
    root_.emplace(*std::move(opened));
  }
  std::string inside(const std::string& name) const {
    return tree_.path("root/" + name);
  }

  const host::HostTree tree_;
  std::optional<host::RootDirectory> root_;
};

TEST(LinkArgument, IsTargetAndLink) {
  const auto link = parse_link("libcuda.so.1::/usr/lib64/libcuda.so");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->target, "libcuda.so.1");
  EXPECT_EQ(link->path, "/usr/lib64/libcuda.so");
  for (const char* bad : {"", "::", "a::", "::b", "a:b", "a"}) {
    EXPECT_FALSE(parse_link(bad)) << bad;
  }
}

TEST_F(SmallHooks, MakeALinkOnce) {
  const Link link{"libcuda.so.550", "/usr/lib64/libcuda.so.1"};
  EXPECT_EQ(*make_link(*root_, link), Change::kMade);
  EXPECT_EQ(std::filesystem::read_symlink(inside("usr/lib64/libcuda.so.1")),
            "libcuda.so.550");
  EXPECT_EQ(*make_link(*root_, link), Change::kNone);
}

TEST_F(SmallHooks, ReplaceAnOldLinkAndAFile) {
  tree_.link("root/lib/a", "old");
  tree_.file("root/lib/b", "old");
  EXPECT_EQ(*make_link(*root_, {"new", "/lib/a"}), Change::kMade);
  EXPECT_EQ(*make_link(*root_, {"new", "/lib/b"}), Change::kMade);
  EXPECT_EQ(std::filesystem::read_symlink(inside("lib/a")), "new");
  EXPECT_EQ(std::filesystem::read_symlink(inside("lib/b")), "new");
}

TEST_F(SmallHooks, ChangeModesInsideOnly) {
  tree_.file("outside", "host");
  std::filesystem::permissions(tree_.path("outside"),
                               std::filesystem::perms::owner_read);
  tree_.file("root/file", "x");
  tree_.link("root/out", tree_.path("outside"));
  tree_.link("root/up", "../outside");
  EXPECT_EQ(*change_mode(*root_, "file", 0755), Change::kMade);
  EXPECT_EQ(*change_mode(*root_, "file", 0755), Change::kNone);
  EXPECT_FALSE(change_mode(*root_, "out", 0777));
  EXPECT_FALSE(change_mode(*root_, "up", 0777));
  EXPECT_FALSE(change_mode(*root_, "../outside", 0777));
  struct stat status {};
  ASSERT_EQ(::stat(tree_.path("outside").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0400U);
}

TEST(MuslPath, GetsWhatItLacks) {
  EXPECT_EQ(with_musl_folders("/lib:/usr/lib", {"/usr/lib", "/drv"}),
            "/lib:/usr/lib\n/drv\n");
  EXPECT_EQ(with_musl_folders("/lib\n/drv\n", {"/drv"}), "/lib\n/drv\n");
  EXPECT_EQ(with_musl_folders("/lib\n", {}), "/lib\n");
  EXPECT_EQ(with_musl_folders("/drv2\n", {"/drv"}), "/drv2\n/drv\n");
}

TEST_F(SmallHooks, StartAMuslPathWithTheDefault) {
  std::vector<std::string> warnings;
  ASSERT_TRUE(update_musl_paths(*root_, {"/drv"}, warnings));
  EXPECT_FALSE(std::filesystem::exists(inside("etc")));
  tree_.file("root/lib/ld-musl-x86_64.so.1", "");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(update_musl_paths(*root_, {"/drv"}, warnings));
    EXPECT_EQ(content(inside("etc/ld-musl-x86_64.path")),
              "/lib:/usr/local/lib:/usr/lib\n/drv\n");
  }
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(Preload, ComesBeforeWhatTheImageHas) {
  EXPECT_EQ(merged_preload("/our.so", ""), "/our.so\n");
  EXPECT_EQ(merged_preload("/our.so", "/a.so /b.so\n"),
            "/our.so\n/a.so /b.so\n");
  EXPECT_EQ(merged_preload("/our.so", " \n/our.so:/a.so"), " \n/our.so:/a.so");
  EXPECT_EQ(merged_preload("/our.so", "/our.so2\n"), "/our.so\n/our.so2\n");
}

TEST_F(SmallHooks, MergeAnImagesPreload) {
  tree_.file("root/etc/ld.so.preload", "/image.so\n");
  IN_OWN_MOUNTS([&] {
    // Opened again: the fixture's descriptor is of the parent's mounts.
    const auto root = host::RootDirectory::open(tree_.path("root"));
    EXPECT_EQ(*preload_library(*root, "/our.so"), Change::kNone)
        << "no loader reads it";
    tree_.file("root/lib64/ld-linux-x86-64.so.2", "");
    for (int i = 0; i < 2; ++i) {
      const auto change = preload_library(*root, "/our.so");
      ASSERT_TRUE(change) << change.error().message();
      EXPECT_EQ(content(inside("etc/ld.so.preload")), "/our.so\n/image.so\n");
    }
    EXPECT_LT(::open(inside("etc/ld.so.preload").c_str(), O_WRONLY), 0);
  });
  EXPECT_EQ(content(inside("etc/ld.so.preload")), "/image.so\n");
}

TEST_F(SmallHooks, RefuseAPreloadThatIsMoreThanOne) {
  for (const char* bad : {"", "our.so", "/a.so /b.so", "/a:b", "/a\n/b"}) {
    EXPECT_FALSE(preload_library(*root_, bad)) << bad;
  }
}

TEST_F(SmallHooks, APreloadThatCoversTheImagesIsMergedWithIt) {
  tree_.file("root/etc/ld.so.preload", "/image.so\n");
  tree_.file("ours", "/our.so\n");
  // Nothing covers it.
  EXPECT_EQ(*uncover_preload(*root_, "/our.so"), Change::kNone);
  IN_OWN_MOUNTS([&] {
    auto root = host::RootDirectory::open(tree_.path("root"));
    ASSERT_TRUE(root);
    ASSERT_EQ(
        ::mount(tree_.path("ours").c_str(), inside("etc/ld.so.preload").c_str(),
                nullptr, MS_BIND, nullptr),
        0);
    EXPECT_EQ(*read_preload(*root), "/our.so\n");
    // Another's mount stays.
    EXPECT_EQ(*uncover_preload(*root, "/other.so"), Change::kNone);
    EXPECT_EQ(*uncover_preload(*root, "/our.so"), Change::kMade);
    EXPECT_EQ(*read_preload(*root), "/image.so\n");
    EXPECT_EQ(*cover_preload(*root, "/our.so"), Change::kMade);
    EXPECT_EQ(*read_preload(*root), "/our.so\n/image.so\n");
    EXPECT_EQ(*uncover_preload(*root, "/our.so"), Change::kNone);
    EXPECT_EQ(*cover_preload(*root, "/our.so"), Change::kNone);
  });
  EXPECT_EQ(content(inside("etc/ld.so.preload")), "/image.so\n");
}

TEST(ApplicationProfile, NamesGpusByABitEach) {
  EXPECT_EQ(application_profile(5),
            R"({"profiles": [{"name": "_container_", "settings": )"
            R"(["EGLVisibleDGPUDevices", 0x5]}], "rules": [{"pattern": [], )"
            R"("profile": "_container_"}]})");
}

TEST_F(SmallHooks, FindTheGpusOfAContainer) {
  EXPECT_EQ(*write_application_profile(*root_), Change::kNone);
  tree_.directory("root/dev");
  tree_.file("root/dev/nvidia7", "no device");
  const auto node = [&](const char* name) {
    return ::mknod(inside("dev/" + std::string(name)).c_str(), S_IFCHR | 0600,
                   ::makedev(1, 3)) == 0;
  };
  if (!node("nvidia0")) GTEST_SKIP() << "may not make device nodes here";
  ASSERT_TRUE(node("nvidia63") && node("nvidia64") && node("nvidiactl") &&
              node("nvidia-uvm") && node("nvidia2x"));
  EXPECT_EQ(*gpu_minors(*root_), 0x8000000000000001U);
  EXPECT_EQ(*write_application_profile(*root_), Change::kMade);
  EXPECT_EQ(*write_application_profile(*root_), Change::kNone);
  EXPECT_EQ(
      content(inside(
          "etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf")),
      application_profile(0x8000000000000001U));
}

}  // namespace
}  // namespace gpunode::hook
