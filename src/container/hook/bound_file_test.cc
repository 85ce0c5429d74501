#include "container/hook/bound_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "container/hook/own_mounts_test.h"

namespace gpunode::hook {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_read_only(const std::string& path) {
  struct statvfs status {};
  return ::statvfs(path.c_str(), &status) == 0 &&
         (status.f_flag & ST_RDONLY) != 0;
}

TEST(BoundFile, CoversWithoutChanging) {
  const host::HostTree tree{{"root/etc/file", "image"}};
  IN_OWN_MOUNTS([&] {
    const auto root = host::RootDirectory::open(tree.path("root"));
    const auto change = bind_over(*root, "/etc/file", "generated");
    ASSERT_TRUE(change) << change.error().message();
    EXPECT_EQ(*change, host::Change::kMade);
    EXPECT_EQ(content(tree.path("root/etc/file")), "generated");
    EXPECT_TRUE(is_read_only(tree.path("root/etc/file")));
    EXPECT_LT(::open(tree.path("root/etc/file").c_str(), O_WRONLY), 0);
    // A second time there is nothing to do, and no mount on top of a mount.
    EXPECT_EQ(*bind_over(*root, "/etc/file", "generated"), host::Change::kNone);
    ASSERT_EQ(::umount(tree.path("root/etc/file").c_str()), 0);
    EXPECT_EQ(content(tree.path("root/etc/file")), "image");
  });
  EXPECT_EQ(content(tree.path("root/etc/file")), "image");
}

TEST(BoundFile, IsTheSameByEitherMethod) {
  const host::HostTree tree{{"root/tree", "image"},
                            {"root/classic", "image"},
                            {"source", "generated"}};
  IN_OWN_MOUNTS([&] {
    const auto root = host::RootDirectory::open(tree.path("root"));
    const UniqueFd file(::open(tree.path("source").c_str(), O_RDONLY));
    for (const auto& [method, name] :
         {std::pair{BindMethod::kTree, "tree"},
          std::pair{BindMethod::kClassic, "classic"}}) {
      const auto target = root->open_path(name, O_PATH);
      ASSERT_TRUE(target);
      const int error =
          bind_file(method, file.get(), target->get(), *root, name);
      if (error == ENOSYS) continue;  // An older kernel has only the second.
      ASSERT_EQ(error, 0) << name;
      const std::string path = tree.path("root/" + std::string(name));
      EXPECT_EQ(content(path), "generated");
      EXPECT_TRUE(is_read_only(path)) << name;
    }
  });
}

TEST(BoundFile, StaysInTheRoot) {
  const host::HostTree tree{{"root/etc/file", "image"}, {"outside", "host"}};
  tree.link("root/absolute", tree.path("outside"));
  tree.link("root/up", "../outside");
  IN_OWN_MOUNTS([&] {
    const auto root = host::RootDirectory::open(tree.path("root"));
    for (const char* path : {"absolute", "up", "../outside", "missing"}) {
      EXPECT_FALSE(bind_over(*root, path, "generated")) << path;
    }
    EXPECT_FALSE(bind_over(*root, "/etc", "generated"));
    EXPECT_EQ(content(tree.path("outside")), "host");
  });
}

TEST(BoundFile, TakesAwayWhatKilledCallsLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const host::HostTree tree{{"root/etc/file", "image"}};
  IN_OWN_MOUNTS([&] {
    // A store of our own: other tests use the machine's.
    ASSERT_EQ(::mount("none", "/run", "tmpfs", 0, nullptr), 0);
    for (const char* name : {".gpunode-1-2", ".gpunode-used", ".gpunode-other",
                             ".gpunode", "gpunode-1-2"}) {
      std::ofstream("/run/" + std::string(name)) << "left";
    }
    ASSERT_EQ(::chown("/run/.gpunode-other", 12345, 12345), 0);
    const UniqueFd used(::open("/run/.gpunode-used", O_RDONLY));
    ASSERT_EQ(::flock(used.get(), LOCK_EX), 0);
    ASSERT_EQ(::symlink("gpunode-1-2", "/run/.gpunode-link"), 0);
    ASSERT_EQ(::mkfifo("/run/.gpunode-fifo", 0600), 0);

    const auto root = host::RootDirectory::open(tree.path("root"));
    ASSERT_TRUE(bind_over(*root, "/etc/file", "generated"));
    EXPECT_EQ(content(tree.path("root/etc/file")), "generated");
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator("/run")) {
      names.insert(entry.path().filename().string());
    }
    EXPECT_EQ(names, (std::set<std::string>{".gpunode-used", ".gpunode-other",
                                            ".gpunode", "gpunode-1-2",
                                            ".gpunode-link", ".gpunode-fifo"}));
  });
}

}  // namespace
}  // namespace gpunode::hook
