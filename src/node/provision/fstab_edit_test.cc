#include "node/provision/fstab_edit.h"

#include <gtest/gtest.h>

#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

TEST(FstabWithoutSwap, CommentsOutSwapAndKeepsEveryOtherByte) {
  EXPECT_EQ(fstab_without_swap("# /dev/sda2 none swap sw 0 0\n"
                               "UUID=1\t/  xfs defaults 0 0\n"
                               "/dev/sda2 none swap sw 0 0\n"
                               "  /swap.img\tnone\tswap\tsw\t0\t0"),
            "# /dev/sda2 none swap sw 0 0\n"
            "UUID=1\t/  xfs defaults 0 0\n"
            "# gpunode turned swap off: /dev/sda2 none swap sw 0 0\n"
            "# gpunode turned swap off:   /swap.img\tnone\tswap\tsw\t0\t0");
  const std::string none = "caf\xe9 / ext4\n\n\n# x";
  EXPECT_EQ(fstab_without_swap(none), none);
  EXPECT_EQ(fstab_without_swap(""), "");
}

TEST(FstabWithoutSwap, TwiceIsAsOnce) {
  const std::string once = fstab_without_swap("/dev/a none swap sw\n");
  EXPECT_EQ(fstab_without_swap(once), once);
}

TEST(FstabWith, AddsAtTheEndWithItsMark) {
  EXPECT_EQ(fstab_with("UUID=1 / xfs\n", "c", "UUID=2 /c xfs noatime 0 0"),
            "UUID=1 / xfs\n# gpunode:c\nUUID=2 /c xfs noatime 0 0\n");
  // A file without its last newline must not have two lines in one.
  EXPECT_EQ(fstab_with("UUID=1 / xfs", "c", "L"),
            "UUID=1 / xfs\n# gpunode:c\nL\n");
  EXPECT_EQ(fstab_with("", "c", "L"), "# gpunode:c\nL\n");
}

TEST(FstabWith, ReplacesItsOwnLineInPlace) {
  const std::string before =
      "A / xfs\n# gpunode:c\nUUID=old /c xfs x 0 0\nB /b xfs\n";
  EXPECT_EQ(fstab_with(before, "c", "NEW /c xfs x 0 0"),
            "A / xfs\n# gpunode:c\nNEW /c xfs x 0 0\nB /b xfs\n");
  const std::string same = fstab_with(before, "c", "UUID=old /c xfs x 0 0");
  EXPECT_EQ(same, before);
}

TEST(FstabWith, AMarkWhoseLineIsGoneGetsItBack) {
  EXPECT_EQ(fstab_with("# gpunode:c\n\nA / xfs\n", "c", "L /c xfs"),
            "# gpunode:c\nL /c xfs\n\nA / xfs\n");
  EXPECT_EQ(fstab_with("# gpunode:c", "c", "L /c xfs"),
            "# gpunode:c\nL /c xfs\n");
}

TEST(FstabWith, AMarkBeforeSomebodyElsesLineDoesNotEatIt) {
  EXPECT_EQ(fstab_with("# gpunode:c\nA / xfs\n", "c", "L /c xfs"),
            "# gpunode:c\nL /c xfs\nA / xfs\n");
}

TEST(FstabWith, TheSameFileSystemElsewhereIsOneLineStill) {
  EXPECT_EQ(fstab_with("# gpunode:c\nUUID=2 /old xfs x 0 0\n", "c",
                       "UUID=2 /new xfs x 0 0"),
            "# gpunode:c\nUUID=2 /new xfs x 0 0\n");
}

TEST(FstabWithout, TakesItsOwnLineAndNothingElse) {
  const std::string before =
      "A / xfs\n# gpunode:c\nUUID=2 /c xfs x 0 0\nB /b xfs\n";
  EXPECT_EQ(fstab_without(before, "c", "UUID=2"), "A / xfs\nB /b xfs\n");
  EXPECT_EQ(fstab_without(before, "c", "UUID=3"), before);
  EXPECT_EQ(fstab_without(before, "cc", "UUID=2"), before);
  const std::string unmarked = "UUID=2 /c xfs x 0 0\n";
  EXPECT_EQ(fstab_without(unmarked, "c", "UUID=2"), unmarked);
  EXPECT_EQ(fstab_without("# gpunode:c\nUUID=2 /c xfs", "c", "UUID=2"), "");
}

TEST(UnitName, IsWhatSystemdEscapeSays) {
  EXPECT_EQ(unit_name("/var/lib/containerd", "mount"),
            "var-lib-containerd.mount");
  EXPECT_EQ(unit_name("/", "mount"), "-.mount");
  EXPECT_EQ(unit_name("/dev/zram0", "swap"), "dev-zram0.swap");
  EXPECT_EQ(unit_name("/mnt//k8s-disks/.x/", "mount"),
            "mnt-k8s\\x2ddisks-.x.mount");
  EXPECT_EQ(unit_name("/.snap", "mount"), "\\x2esnap.mount");
}

}  // namespace
}  // namespace gpunode::provision
