#include "base/host/mount_table.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

const char* const kRoot =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n";

std::vector<Mount> parsed(const std::string& text) {
  auto mounts = parse_mount_table(text);
  EXPECT_TRUE(mounts) << (mounts ? "" : mounts.error().message());
  return mounts ? *std::move(mounts) : std::vector<Mount>();
}

TEST(MountTable, ReadsEveryField) {
  const auto mounts = parsed(
      "36 35 259:4 /sub /mnt/a\\040b rw,noatime master:1 shared:7 - xfs "
      "/dev/nvme1n1 rw,attr2,prjquota\n");
  ASSERT_EQ(mounts.size(), 1U);
  const Mount wanted{.id = 36,
                     .parent_id = 35,
                     .device = {259, 4},
                     .root = "/sub",
                     .mount_point = "/mnt/a b",
                     .options = "rw,noatime",
                     .type = "xfs",
                     .source = "/dev/nvme1n1",
                     .super_options = "rw,attr2,prjquota",
                     .shared = true};
  EXPECT_EQ(mounts[0], wanted);
}

TEST(MountTable, OptionalFieldsAndSourcesMayBeMissing) {
  const auto mounts = parsed(std::string(kRoot) +
                             "28 27 0:25 / /x ro - tmpfs  ro,size=4k\n"
                             "29 27 0:26 / /y ro - fuse.a none rw,a b\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_FALSE(mounts[0].shared);
  EXPECT_EQ(mounts[1].source, "");
  EXPECT_EQ(mounts[1].super_options, "ro,size=4k");
  EXPECT_EQ(mounts[2].super_options, "rw,a b");
  EXPECT_FALSE(mounts[2].device.is_device());
}

TEST(MountTable, NamesTheLineThatIsNone) {
  for (const std::string bad :
       {"garbage", "36 35 259:4 / /mnt rw - xfs", "36 35 259 / /m rw - xfs a b",
        "x 35 259:4 / /mnt rw - xfs a b", "36 35 259:4 / /mnt rw xfs a b",
        "36 35 259:4 / /mnt rw -", "36 35 259:4  /mnt rw - xfs a b",
        "36 99999999999999999999 259:4 / /mnt rw - xfs a b"}) {
    const auto mounts = parse_mount_table(kRoot + bad + "\n");
    ASSERT_FALSE(mounts) << bad;
    EXPECT_EQ(mounts.error().code(), ErrorCode::kCorrupt);
    EXPECT_NE(mounts.error().message().find("line 2"), std::string::npos)
        << mounts.error().message();
  }
  EXPECT_TRUE(parsed("").empty());
}

TEST(MountTable, EscapesAreOctal) {
  EXPECT_EQ(unescape_octal("a\\011b\\012c\\134d\\043"), "a\tb\nc\\d#");
  EXPECT_EQ(unescape_octal("\\"), "\\");
  EXPECT_EQ(unescape_octal("\\04"), "\\04");
  EXPECT_EQ(unescape_octal("\\049"), "\\049");
  EXPECT_EQ(unescape_octal("\\400"), "\\400");
  EXPECT_EQ(unescape_octal("\\377"), "\377");
}

TEST(MountTable, OptionsAreWholeWords) {
  EXPECT_TRUE(has_option("rw,noatime", "rw"));
  EXPECT_TRUE(has_option("rw,noatime", "noatime"));
  EXPECT_FALSE(has_option("rw,noatime", "atime"));
  EXPECT_FALSE(has_option("rw,size=4k", "size"));
  EXPECT_FALSE(has_option("", "rw"));
}

TEST(MountTable, FindsWhatAPathIsOn) {
  const auto mounts = parsed(
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "2 1 8:2 / /var rw - ext4 /dev/sda2 rw\n"
      "3 2 8:3 / /var/lib rw - ext4 /dev/sda3 rw\n"
      "4 2 8:4 / /var/lib rw - xfs /dev/sda4 rw\n");
  const auto on = [&](const char* path) {
    const Mount* mount = mount_of(mounts, path);
    return mount == nullptr ? 0U : mount->device.minor;
  };
  EXPECT_EQ(on("/"), 1U);
  EXPECT_EQ(on("/etc"), 1U);
  EXPECT_EQ(on("/var"), 2U);
  EXPECT_EQ(on("/variable"), 1U);
  EXPECT_EQ(on("/var/lib/containerd"), 4U);  // The later one hides the other.
  EXPECT_EQ(mount_of({}, "/"), nullptr);
}

TEST(MountTable, OfTheFirstProcessCountsToo) {
  const HostTree host{
      {"proc/self/mountinfo", kRoot},
      {"proc/1/mountinfo",
       std::string(kRoot) + "31 27 259:1 / /data rw - xfs /dev/nvme1n1 rw\n"}};
  const auto mounts = read_mount_table(host.root());
  ASSERT_TRUE(mounts);
  ASSERT_EQ(mounts->size(), 2U);
  EXPECT_EQ((*mounts)[1].mount_point, "/data");
}

TEST(MountTable, ThatCannotBeReadIsAnError) {
  const HostTree none;
  EXPECT_FALSE(read_mount_table(none.root()));
  const HostTree half{{"proc/self/mountinfo", kRoot},
                      {"proc/1/mountinfo", "half a line"}};
  EXPECT_FALSE(read_mount_table(half.root()));
}

TEST(MountTable, OfThisMachineHasARoot) {
  const auto mounts = read_mount_table(HostRoot());
  ASSERT_TRUE(mounts) << mounts.error().message();
  EXPECT_NE(mount_of(*mounts, "/"), nullptr);
}

}  // namespace
}  // namespace gpunode::host
