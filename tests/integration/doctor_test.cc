// `gpunode doctor` on whole hosts: what it says, and how it ends.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kPersonNeeded = 5;
constexpr int kUnsupportedHost = 8;
constexpr const char* kRelease = "4.18.0-513.el8.x86_64";
constexpr const char* kLog = "var/log/messages";
constexpr const char* kStart = "d gpu-1 kernel: Linux version 4.18.0\n";

host::Completed run(const std::vector<std::string>& arguments) {
  host::Command command;
  command.argv = {GPUNODE};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  auto done = host::SystemCommandRunner().run(command);
  EXPECT_TRUE(done) << done.error().message();
  return done ? *std::move(done) : host::Completed();
}

host::Completed doctor(const BareHost& host,
                       const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"doctor", "--root", host.tree.path()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(arguments);
}

TEST(Doctor, HasNothingToSayOfANodeThatWorks) {
  const BareHost host;
  host.tree.file(kLog, std::string(kStart) +
                           "d gpu-1 kernel: nvidia: loading out-of-tree "
                           "module taints kernel.\n");
  const host::Completed done = doctor(host);
  EXPECT_EQ(done.status, 0) << done.out;
  EXPECT_EQ(done.out, "Nothing to report.\n");
}

TEST(Doctor, TellsWhatTheLogsOfAHostShow) {
  const BareHost host;
  host.tree.file(kLog,
                 std::string(kStart) +
                     "d gpu-1 kernel: NVRM: Xid (PCI:0000:00:1e): 79, GPU has "
                     "fallen off the bus.\n");
  host.tree.file("var/log/dnf.log",
                 "--- logging initialized ---\nGPG check FAILED\n");
  const host::Completed done = doctor(host);
  EXPECT_EQ(done.status, kPersonNeeded);
  EXPECT_THAT(
      done.out,
      AllOf(StartsWith("gpu.lost (bad): the GPU at 0000:00:1e.0 has fallen "
                       "off the bus\n    seen: /var/log/messages: NVRM: Xid"),
            HasSubstr("\nrepository.key: the last run of the package manager"),
            HasSubstr("\n    seen: /var/log/dnf.log: GPG check FAILED\n")));
  const host::Completed json = doctor(host, {"--json"});
  EXPECT_EQ(json.status, kPersonNeeded);
  EXPECT_THAT(json.out,
              AllOf(StartsWith(R"({"check":"gpu.lost","what":")"),
                    HasSubstr(R"("severity":"bad","seen":"/var/log/mess)")));
}

TEST(Doctor, ForgetsTheLogOfAnEarlierBoot) {
  const BareHost host;
  host.tree.file(kLog, "d gpu-1 kernel: NVRM: Xid (PCI:0000:00:1e): 79, x\n" +
                           std::string(kStart));
  EXPECT_EQ(doctor(host).status, 0);
}

TEST(Doctor, IsContentWithNotes) {
  const BareHost host;
  host.tree.file(kLog, std::string(kStart) +
                           "d gpu-1 kernel: NVRM: Xid (PCI:0000:00:1e): 13, "
                           "pid=1, name=a\n");
  const host::Completed done = doctor(host);
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, StartsWith("gpu.xid (note): "));
}

TEST(Doctor, NamesABuildThatFailedAndItsKernel) {
  const BareHost host;
  host.tree.remove(std::string("lib/modules/") + kRelease);
  host.tree.remove("sys/module/nvidia");
  host.tree.file("var/lib/dkms/nvidia/580.65.06/build/make.log",
                 std::string("DKMS make.log for nvidia-580.65.06 for kernel ") +
                     kRelease + " (x86_64)\nnv.c:1: error: no member\n");
  const host::Completed done = doctor(host);
  EXPECT_EQ(done.status, kPersonNeeded);
  EXPECT_THAT(
      done.out,
      AllOf(StartsWith("dkms.failed (bad): "), HasSubstr(kRelease),
            HasSubstr("error: no member"), HasSubstr("dkms autoinstall -k ")));
}

/// It is of a distribution that no table has, and its kernel has no headers.
void lack_headers(const BareHost& host) {
  host.tree.file("etc/os-release", "ID=kin\nVERSION_ID=\"3\"\n");
  host.tree.file("var/lib/dkms/nvidia/580.65.06/build/make.log", "\n");
}

TEST(Doctor, NamesPackagesByWhatTheFileOfTheHostAddsToTheTable) {
  const BareHost host;
  lack_headers(host);
  EXPECT_THAT(doctor(host).out,
              HasSubstr("next: install the devel package of kernel "));
  host.tree.file("etc/gpunode/node.yaml",
                 "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: {}\n");
  host.tree.file("etc/gpunode/conf.d/kin.yaml",
                 "spec:\n  distributions:\n    - id: kin\n      version: "
                 "\"3\"\n      like: rhel 8\n");
  const host::Completed done = doctor(host);
  EXPECT_THAT(done.err, Not(HasSubstr("spec.distributions")));
  EXPECT_THAT(done.out,
              HasSubstr("next: dnf install kernel-devel-4.18.0-513.el8"));
}

TEST(Doctor, SaysThatTheFileOfTheHostIsNotUnderstood) {
  const BareHost host;
  lack_headers(host);
  host.tree.file("etc/gpunode/node.yaml", "kind: GPUNode\nspce: {}\n");
  const host::Completed done = doctor(host);
  EXPECT_THAT(done.err, HasSubstr("spec.distributions is not known: "));
  EXPECT_THAT(done.out, HasSubstr("kernel.headers"));
}

TEST(Doctor, KeepsHostileTextOnItsLine) {
  const BareHost host;
  host.tree.file("etc/fstab",
                 "/dev/nvme1n1\\012cdi:\\033[2J /data xfs x 0 0\n");
  const host::Completed done = doctor(host);
  EXPECT_THAT(done.out, AllOf(HasSubstr("disk.names"), Not(HasSubstr("\033")),
                              Not(HasSubstr("\ncdi:"))));
}

TEST(Doctor, ExaminesABundle) {
  const BareHost host;
  host.tree.file(kLog,
                 std::string(kStart) +
                     "d gpu-1 kernel: NVRM: Xid (PCI:0000:00:1e): 79, x\n");
  const std::string bundle = host.tree.path("bundle.tar");
  ASSERT_EQ(
      run({"facts", "--root", host.tree.path(), "--export", bundle}).status, 0);
  host.tree.remove(kLog);
  const host::Completed done = run({"doctor", "--from", bundle});
  EXPECT_EQ(done.status, kPersonNeeded) << done.err;
  EXPECT_THAT(done.out, StartsWith("gpu.lost (bad): "));
}

TEST(Doctor, SaysThatThereIsNoHost) {
  const host::HostTree empty;
  const host::Completed done = run({"doctor", "--root", empty.path()});
  EXPECT_EQ(done.status, kUnsupportedHost);
  EXPECT_THAT(done.err, HasSubstr("no Linux host at " + empty.path()));
  EXPECT_EQ(done.out, "");
}

}  // namespace
}  // namespace gpunode::integration
