#include "node/diagnose/kernel_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

auto is(LogSign sign, const std::string& gpu = "") {
  return testing::AllOf(Field("sign", &LogMark::sign, sign),
                        Field("gpu", &LogMark::gpu, gpu));
}

TEST(KernelLog, OfAHealthyHostSaysNothing) {
  EXPECT_THAT(
      read_kernel_log(
          "Linux version 5.14.0\n"
          "Lockdown: swapper/0: hibernation is restricted; see man "
          "kernel_lockdown.7\n"
          "nvidia: loading out-of-tree module taints kernel.\n"
          "nvidia: module verification failed: signature and/or required key "
          "missing - tainting kernel\n"
          "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65.06\n"
          "[drm] Initialized nvidia-drm 0.0.0 for 0000:00:1e.0\n"),
      IsEmpty());
  EXPECT_THAT(read_kernel_log(""), IsEmpty());
}

TEST(KernelLog, TellsTheFlavourAGpuWants) {
  const auto open = read_kernel_log(
      "NVRM: The NVIDIA GPU 0000:19:00.0 (PCI ID: 10de:2901)\n"
      "NVRM: installed in this system requires use of the NVIDIA open kernel "
      "modules.\n"
      "NVRM: GPU 0000:19:00.0: RmInitAdapter failed! (0x22:0x56:894)\n"
      "NVRM: GPU 0000:19:00.0: rm_init_adapter failed, device minor number "
      "0\n");
  EXPECT_THAT(open, ElementsAre(is(LogSign::kNeedsOpenModule, "0000:19:00.0"),
                                is(LogSign::kInitFailed, "0000:19:00.0")));
  const auto closed = read_kernel_log(
      "NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:1db4)\n"
      "NVRM: installed in this system is not supported by open\n"
      "NVRM: nvidia.ko because it does not include the required GPU\n"
      "NVRM: System Processor (GSP).\n");
  ASSERT_THAT(closed,
              ElementsAre(is(LogSign::kNeedsOtherModule, "0000:3b:00.0")));
  EXPECT_THAT(read_kernel_log("NVRM: The NVIDIA GPU 0000:65:00.0 (PCI ID: "
                              "10de:2bb5)\nNVRM: installed in this system is "
                              "not supported by the\nNVRM: NVIDIA 550.90.07 "
                              "driver release.\n"),
              ElementsAre(is(LogSign::kNotInBranch, "0000:65:00.0")));
}

TEST(KernelLog, TellsAFirmwareThatTheGpuDoesNotTake) {
  EXPECT_THAT(
      read_kernel_log(
          "NVRM: Xid (PCI:0000:19:00): 169, pid=1, name=a\n"
          "NVRM: GPU 0000:1a:00.0: RmInitAdapter failed! (0x62:0x55:2477)\n"
          "NVRM: GPU 0000:1b:00.0: RmInitAdapter failed! (0x24:0x62:1)\n"),
      ElementsAre(is(LogSign::kFirmwareFailed, "0000:19:00.0"),
                  is(LogSign::kFirmwareFailed, "0000:1a:00.0"),
                  is(LogSign::kInitFailed, "0000:1b:00.0")));
}

TEST(KernelLog, CountsXidsOfEachGpu) {
  const auto marks = read_kernel_log(
      "NVRM: Xid (PCI:0000:00:1e): 79, pid='<unknown>', name=<unknown>, GPU "
      "has fallen off the bus.\n"
      "NVRM: Xid (PCI:0000:3B:00): 13, pid=1, name=a, Graphics Exception\n"
      "NVRM: Xid (PCI:0000:3b:00): 13, pid=2, name=b, Graphics Exception\n"
      "NVRM: Xid (PCI:0000:3b:00): 119, pid=3, name=c, Timeout after 6s of "
      "waiting for RPC response from GPU0 GSP! Expected function 76\n");
  ASSERT_THAT(marks, ElementsAre(is(LogSign::kFallenOff, "0000:00:1e.0"),
                                 is(LogSign::kXid, "0000:3b:00.0"),
                                 is(LogSign::kGsp, "0000:3b:00.0")));
  EXPECT_EQ(marks[1].xid, 13);
  EXPECT_EQ(marks[1].count, 2U);
  EXPECT_THAT(marks[1].line, HasSubstr("name=b"));
}

TEST(KernelLog, TellsBothVersionsOfAMismatch) {
  for (const char* client : {" 'nvidia-smi' (pid 812)\n", "\n"}) {
    const auto marks = read_kernel_log(
        std::string("NVRM: API mismatch: the client") + client +
        "NVRM: has the version 580.95.05, but this kernel module has\n"
        "NVRM: the version 580.65.06.  Please make sure that this\n"
        "NVRM: kernel module and all NVIDIA driver\n");
    ASSERT_THAT(marks, ElementsAre(is(LogSign::kApiMismatch)));
    EXPECT_EQ(marks[0].client, "580.95.05");
    EXPECT_EQ(marks[0].module, "580.65.06");
  }
}

TEST(KernelLog, TellsThemInTheFormOfOtherReleases) {
  const auto marks = read_kernel_log(
      "NVRM: API mismatch: the client has the version 570.153.02, but\n"
      "NVRM: this kernel module has the version 570.144.  Please\n"
      "NVRM: make sure that this kernel module and all NVIDIA driver\n"
      "NVRM: components have the same version.\n"
      "NVRM: GPU 0000:00:1e.0: RmInitAdapter failed! (0x1)\n"
      "NVRM: API mismatch: the client has the version 570.172.08, but\n"
      "NVRM: this kernel module has the version 570.153.02.  Please\n");
  ASSERT_THAT(marks, ElementsAre(is(LogSign::kApiMismatch),
                                 is(LogSign::kInitFailed, "0000:00:1e.0")));
  EXPECT_EQ(marks[0].client, "570.172.08");
  EXPECT_EQ(marks[0].module, "570.153.02");
}

TEST(KernelLog, OfSeveralLinesInOneMessageIsReadAsJournalctlIndentsIt) {
  EXPECT_THAT(
      read_kernel_log(
          "[   12.345678] gpu-1 kernel: NVRM: The NVIDIA GPU 0000:19:00.0 (PCI "
          "ID: 10de:2901)\n"
          "                             NVRM: installed in this system "
          "requires use of the NVIDIA open kernel modules.\n"),
      ElementsAre(is(LogSign::kNeedsOpenModule, "0000:19:00.0")));
}

TEST(KernelLog, TellsWhyAModuleWasNotTaken) {
  EXPECT_THAT(
      read_kernel_log(
          "Loading of unsigned module is rejected\n"
          "Lockdown: modprobe: unsigned module loading is restricted; see man "
          "kernel_lockdown.7\n"
          "nvidia: version magic '5.14.0-1 SMP' should be '5.14.0-2 SMP'\n"
          "nvidia: disagrees about version of symbol module_layout\n"),
      ElementsAre(is(LogSign::kRejected), is(LogSign::kLockedDown),
                  is(LogSign::kOtherKernel)));
  EXPECT_THAT(read_kernel_log("e1000: version magic 'a' should be 'b'\n"),
              IsEmpty());
}

TEST(KernelLog, TellsTheRest) {
  EXPECT_THAT(
      read_kernel_log(
          "NVRM: The NVIDIA probe routine was not called for 1 device(s).\n"
          "NVRM: This PCI I/O region assigned to your NVIDIA device is "
          "invalid:\n"
          "NVRM: ignoring the legacy GPU 0000:02:00.0\n"
          "overlayfs: upper fs needs to support d_type.\n"),
      ElementsAre(is(LogSign::kProbeNotCalled), is(LogSign::kBadRegion),
                  is(LogSign::kLegacyGpu, "0000:02:00.0"),
                  is(LogSign::kNoEntryTypes)));
}

TEST(KernelLog, OfDmesgAndOfSyslogIsTheSame) {
  const std::string message =
      "NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the bus.";
  const auto plain = read_kernel_log(message);
  ASSERT_THAT(plain, SizeIs(1));
  EXPECT_EQ(read_kernel_log("[  121.000417] " + message + "\r\n"), plain);
  EXPECT_EQ(read_kernel_log("Nov 28 22:00:01 gpu-1 kernel: " + message), plain);
  EXPECT_EQ(read_kernel_log("2026-11-28T22:00:01+00:00 gpu-1 kernel: [  1.5] " +
                            message),
            plain);
}

TEST(KernelLog, IsNotForgedByTheNameOfAProcess) {
  EXPECT_THAT(read_kernel_log(
                  "NVRM: Xid (PCI:[4711]: segfault at 0 ip 0 sp 0 error 4\n"
                  "x[1]: NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off\n"
                  "audit: comm=\"Loading of unsigned module is rejected\"\n"
                  "traps: a: b kernel: NVRM: Xid (PCI:0000:00:1e): 79, x\n"
                  "d h logger: kernel: NVRM: Xid (PCI:0000:00:1e): 79, x\n"
                  "NVRM: Xid (PCI:0000:00:1e): -1, x\n"
                  "NVRM: Xid (nonsense): 79, x\n"
                  "NVRM: a[4711]: segfault at 0 ip 0 sp 0 error 4 in GPU "
                  "0000:00:1e.0: RmInitAdapter failed![55d0+1000]\n"
                  "nvidia[12]: segfault at 0 ip 0 in version magic '[5+1]\n"
                  "[  1.5] h kernel: a[1]: segfault at 0 ip 0 sp 0 error 4 in "
                  "x\n                 NVRM: Xid (PCI:0000:00:1e): 79, x\n"),
              IsEmpty());
}

TEST(KernelLog, IsBounded) {
  std::string log;
  for (int xid = 1; xid < 1000; ++xid) {
    log += "NVRM: Xid (PCI:0000:00:1e): " + std::to_string(xid) + ", " +
           std::string(5000, 'x') + "\n";
  }
  const auto marks = read_kernel_log(log);
  EXPECT_THAT(marks, SizeIs(kMarkLimit));
  EXPECT_THAT(marks, testing::Each(Field(&LogMark::line, SizeIs(300))));
}

}  // namespace
}  // namespace gpunode::diagnose
