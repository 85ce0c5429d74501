#include "node/provision/conffiles_left.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Undoing removal(std::vector<std::string> packages, bool left = false) {
  Undoing one;
  one.line.action = InstallPackages{packages};
  one.line.inverse = {RemovePackages{std::move(packages)}};
  one.left = left;
  return one;
}

struct Debian {
  const host::HostTree tree{
      {"var/lib/dpkg/status",
       "Package: containerd\nStatus: deinstall ok config-files\n"
       "Conffiles:\n /etc/containerd/config.toml 0123 obsolete\n"
       " /etc/gone 4567\nDescription: x\n /etc/not-one of them\n\n"
       "Package: chrony\nStatus: install ok installed\n"
       "Conffiles:\n /etc/chrony.conf 0123\n\n"
       "Package: somebodys\nStatus: deinstall ok config-files\n"
       "Conffiles:\n /etc/somebodys 0123\n"},
      {"etc/containerd/config.toml", ""},
      {"etc/chrony.conf", ""},
      {"etc/not-one", ""},
      {"etc/somebodys", ""}};
};

TEST(ConffilesLeft, AreThoseOfPackagesThatTheRollbackRemoved) {
  const Debian debian;
  const auto left = conffiles_left(debian.tree.root(),
                                   {removal({"chrony", "containerd:amd64"})});
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].package, "containerd");
  EXPECT_THAT(left[0].files, ElementsAre("/etc/containerd/config.toml"));
}

TEST(ConffilesLeft, AreNoneWhereNothingWasRemoved) {
  const Debian debian;
  EXPECT_THAT(conffiles_left(debian.tree.root(), {}), IsEmpty());
  EXPECT_THAT(
      conffiles_left(debian.tree.root(), {removal({"containerd"}, true)}),
      IsEmpty());
  const host::HostTree fedora;
  EXPECT_THAT(conffiles_left(fedora.root(), {removal({"containerd"})}),
              IsEmpty());
}

}  // namespace
}  // namespace gpunode::provision
