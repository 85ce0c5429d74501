#include "node/diagnose/verify_levels.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kRelease = "4.18.0-513.el8.x86_64";

facts::PciGpu a10g(const std::string& address = "0000:00:1e.0") {
  facts::PciGpu gpu;
  gpu.address = address;
  gpu.device_id = 0x2237;
  gpu.product = "NVIDIA A10G";
  gpu.driver = "nvidia";
  gpu.condition.memory = procfs::PciMemory::kAssigned;
  gpu.condition.link = {16, 2500};
  gpu.condition.link_most = {16, 16000};
  return gpu;
}

DoctorLook healthy() {
  DoctorLook look;
  look.host.kernel.release = kRelease;
  look.host.gpus = {a10g()};
  look.host.driver.loaded_version = "580.65.06";
  look.host.driver.is_loaded_open = true;
  look.host.driver.library = "580.65.06";
  look.host.driver.params = {{"EnableGpuFirmware", "18"}};
  facts::KernelImage image;
  image.release = kRelease;
  image.module = {"/lib/modules/nvidia.ko", "580.65.06",
                  std::string(kRelease) + " SMP mod_unload", "", ""};
  look.host.kernels.images = {image};
  look.kernel_log_source = "journalctl -k -b";
  return look;
}

/// The answer to `id`; a check of no name if there is none.
VerifyCheck answer(const VerifyChecks& checks, const std::string& id) {
  for (const VerifyCheck& check : checks) {
    if (check.id == id) return check;
  }
  return {};
}

const auto passes = Field("verdict", &VerifyCheck::verdict, Verdict::kPass);
const auto is_skipped = Field("verdict", &VerifyCheck::verdict, Verdict::kSkip);

MATCHER_P2(Is, verdict, words, "") {
  *result_listener << verdict_name(arg.verdict) << ": " << arg.evidence;
  const bool has_hint = verdict == Verdict::kPass || verdict == Verdict::kSkip
                            ? arg.hint.empty()
                            : !arg.hint.empty();
  return arg.verdict == verdict && has_hint &&
         arg.evidence.find(words) != std::string::npos;
}

TEST(VerifyPci, OfAHealthyHostPasses) {
  const VerifyChecks checks =
      verify_pci(healthy().host, {.count = 1, .kinds = {{.product = "A10G"}}});
  EXPECT_THAT(checks, AllOf(SizeIs(6), Each(passes)));
  EXPECT_EQ(checks[0].evidence, "1 x NVIDIA A10G");
}

TEST(VerifyPci, TellsWhatIsNotWell) {
  facts::HostFacts host;
  EXPECT_THAT(answer(verify_pci(host), "pci.gpus"),
              Is(Verdict::kFail, "no NVIDIA GPU"));
  EXPECT_THAT(answer(verify_pci(host), "pci.link"),
              Is(Verdict::kSkip, "no GPU"));

  host.gpus = {a10g(), a10g("0000:00:1f.0")};
  host.gpus[1].condition.is_lost = true;
  EXPECT_THAT(answer(verify_pci(host), "pci.present"),
              Is(Verdict::kFail, "0000:00:1f.0"));

  host.gpus[1].condition = {};
  EXPECT_THAT(answer(verify_pci(host), "pci.memory"),
              Is(Verdict::kSkip, "0000:00:1f.0"));
  host.gpus[1].condition.memory = procfs::PciMemory::kLacking;
  EXPECT_THAT(answer(verify_pci(host), "pci.memory"),
              Is(Verdict::kFail, "0000:00:1f.0"));

  host.gpus[0].condition.link.width = 8;
  EXPECT_THAT(answer(verify_pci(host), "pci.link"),
              Is(Verdict::kWarn, "x8 at 2.5 GT/s of x16 at 16 GT/s"));
  host.gpus[0].condition.link = {};
  EXPECT_THAT(answer(verify_pci(host), "pci.link"),
              Is(Verdict::kSkip, "virtual machines"));
}

TEST(VerifyPci, TellsAGpuThatIsMissing) {
  facts::HostFacts host;
  host.gpus = {a10g(), a10g("0000:00:1f.0")};
  EXPECT_THAT(answer(verify_pci(host, {.count = 2}), "pci.count"),
              Is(Verdict::kPass, "2 on the bus"));
  host.gpus[1].condition.is_lost = true;
  EXPECT_THAT(answer(verify_pci(host, {.count = 2}), "pci.count"),
              Is(Verdict::kFail, "1 on the bus, 2 by spec.gpu.count"));
  EXPECT_THAT(answer(verify_pci(host), "pci.count"),
              Is(Verdict::kSkip, "no GPUNode file"));
}

TEST(VerifyPci, TellsGpusThatNobodyExpects) {
  facts::HostFacts host;
  host.gpus = {a10g(), a10g("0000:00:1f.0")};
  EXPECT_THAT(
      answer(verify_pci(host, {.kinds = {{.product = "A10G", .count = 2}}}),
             "pci.kinds"),
      Is(Verdict::kPass, "spec.gpu.expect"));
  EXPECT_THAT(
      answer(verify_pci(host, {.kinds = {{.product = "A10G", .count = 1}}}),
             "pci.kinds"),
      Is(Verdict::kFail, "2 x A10G and not 1"));
  EXPECT_THAT(answer(verify_pci(host), "pci.kinds"),
              Is(Verdict::kSkip, "no GPUNode file"));
}

TEST(VerifyPci, DoesNotCountSwitchesAsGpus) {
  facts::HostFacts host;
  host.gpus = {a10g()};
  host.gpus[0].is_switch = true;
  EXPECT_THAT(answer(verify_pci(host), "pci.gpus"),
              Is(Verdict::kFail, "no NVIDIA GPU"));
}

TEST(VerifyModule, OfAHealthyHostPasses) {
  EXPECT_THAT(verify_module(healthy()), AllOf(SizeIs(6), Each(passes)));
}

TEST(VerifyModule, WithoutOneFailsOnce) {
  DoctorLook look = healthy();
  look.host.driver = {};
  const VerifyChecks checks = verify_module(look);
  EXPECT_THAT(checks[0], Is(Verdict::kFail, "no NVIDIA module"));
  EXPECT_THAT(VerifyChecks(checks.begin() + 1, checks.end()),
              AllOf(SizeIs(5), Each(is_skipped)));
}

TEST(VerifyModule, TellsWhatIsNotWell) {
  DoctorLook look = healthy();
  look.host.gpus[0].driver = "nouveau";
  look.host.driver.library = "580.95.05";
  look.host.kernels.images[0].module.version = "580.95.05";
  VerifyChecks checks = verify_module(look);
  EXPECT_THAT(answer(checks, "module.bound"), Is(Verdict::kFail, "nouveau"));
  EXPECT_THAT(answer(checks, "module.library"),
              Is(Verdict::kFail, "580.95.05"));
  EXPECT_THAT(answer(checks, "module.file"), Is(Verdict::kWarn, "580.95.05"));

  look.host.kernels.images[0].module.vermagic = "5.14.0-1 SMP";
  EXPECT_THAT(answer(verify_module(look), "module.file"),
              Is(Verdict::kWarn, "5.14.0-1"));
  look.host.kernels.images[0].module = {};
  EXPECT_THAT(answer(verify_module(look), "module.file"),
              Is(Verdict::kWarn, "gone after a reboot"));
  look.host.kernels.images.clear();
  EXPECT_THAT(answer(verify_module(look), "module.file"),
              Is(Verdict::kSkip, "none of this host's own"));
}

TEST(VerifyModule, VirtualFunctionsAreForVirtualMachines) {
  DoctorLook look = healthy();
  facts::PciGpu function = a10g("0000:00:1f.0");
  function.driver.clear();
  look.host.gpus.push_back(function);
  EXPECT_THAT(answer(verify_module(look), "module.bound"),
              Is(Verdict::kFail, "0000:00:1f.0"));
  look.host.gpus[1].condition.physical_function = "0000:00:1e.0";
  EXPECT_THAT(answer(verify_module(look), "module.bound"), passes);
}

TEST(VerifyModule, ReadsTheKernelsLog) {
  DoctorLook look = healthy();
  look.kernel_log =
      read_kernel_log("NVRM: Xid (PCI:0000:00:1e): 119, pid=1, Timeout\n");
  EXPECT_THAT(answer(verify_module(look), "module.log"),
              Is(Verdict::kFail, "119"));
  look.kernel_log = read_kernel_log("NVRM: Xid (PCI:0000:00:1e): 48, DBE\n");
  EXPECT_THAT(answer(verify_module(look), "module.log"),
              Is(Verdict::kWarn, "48"));
  look.kernel_log = read_kernel_log("NVRM: Xid (PCI:0000:00:1e): 13, a\n");
  EXPECT_THAT(answer(verify_module(look), "module.log"),
              Is(Verdict::kPass, "13"));
  look.gaps = {"the kernel's log is not known: no journalctl"};
  EXPECT_THAT(answer(verify_module(look), "module.log"),
              Is(Verdict::kSkip, "not known"));
}

/// A report of one GPU that has `members` too.
std::string report(const std::string& members) {
  return R"({"start":{"code":0,"text":"Success"},"driverVersion":)"
         R"("580.65.06","nvmlVersion":"13.580.65.06","count":1,"gpus":[)"
         R"({"index":0,"uuid":"GPU-1","pciBusId":"00000000:00:1E.0",)"
         R"("persistence":true,"ecc":true,"eccPending":true,)"
         R"("remappedRows":0,"remapPending":false,"remapFailed":false)" +
         members + "}]}";
}

VerifyCheck nvml(const std::string& id, const std::string& text) {
  return answer(verify_nvml(healthy().host, text), id);
}

TEST(VerifyNvml, OfAHealthyHostPasses) {
  const VerifyChecks checks = verify_nvml(healthy().host, report(""));
  EXPECT_THAT(checks, SizeIs(8));
  for (const VerifyCheck& check : checks) {
    EXPECT_EQ(check.verdict,
              check.id == "nvml.fabric" ? Verdict::kSkip : Verdict::kPass)
        << check.id << ": " << check.evidence;
  }
  EXPECT_THAT(nvml("nvml.fabric", report(R"(,"fabricState":3)")),
              Is(Verdict::kPass, "set up"));
}

TEST(VerifyNvml, TellsWhatIsNotWell) {
  const auto with = [](const std::string& id, const std::string& members) {
    return nvml(id, report(members));
  };
  EXPECT_THAT(with("nvml.persistence", R"(,"persistence":false)"),
              Is(Verdict::kWarn, "0 (0000:00:1e.0)"));
  EXPECT_THAT(with("nvml.modes", R"(,"eccPending":false)"),
              Is(Verdict::kWarn, "after a reset"));
  EXPECT_THAT(with("nvml.modes", R"(,"mig":false,"migPending":true)"),
              Is(Verdict::kWarn, "after a reset"));
  EXPECT_THAT(with("nvml.modes", R"(,"ecc":false,"eccPending":false)"),
              Is(Verdict::kPass, "ECC is off"));
  EXPECT_THAT(with("nvml.memory", R"(,"remapPending":true)"),
              Is(Verdict::kWarn, "waits"));
  EXPECT_THAT(with("nvml.memory", R"(,"retiredPending":true)"),
              Is(Verdict::kWarn, "waits"));
  EXPECT_THAT(with("nvml.memory", R"(,"remapPending":true,"remapFailed":true)"),
              Is(Verdict::kFail, "could not be replaced"));
  EXPECT_THAT(with("nvml.answers", R"(,"problem":{"code":15,"text":"lost"})"),
              Is(Verdict::kFail, "lost (15)"));
  for (const char* state : {"1", "2"}) {
    EXPECT_THAT(with("nvml.fabric", std::string(R"(,"fabricState":)") + state),
                Is(Verdict::kFail, "not set up"));
  }
  EXPECT_THAT(with("nvml.fabric", R"(,"fabricState":3,"fabricStatus":999)"),
              Is(Verdict::kFail, "could not be set up"));
}

TEST(VerifyNvml, WhatIsNotToldIsNotTakenForWell) {
  const std::string start = R"({"start":{"code":0,"text":"ok"},"count":1,)";
  const std::string bare = start + R"("gpus":[{"index":0,"uuid":"GPU-x"}]})";
  EXPECT_THAT(nvml("nvml.persistence", bare), Is(Verdict::kSkip, "not tell"));
  EXPECT_THAT(nvml("nvml.memory", bare), is_skipped);
  EXPECT_THAT(nvml("nvml.answers", start + R"("gpus":[]})"),
              Is(Verdict::kFail, "counts 1 and tells of 0"));
}

std::string silent(const char* member, int code) {
  return fmt::format(
      R"(,"errors":[{{"member":"{}","code":{},"text":"no word"}}])", member,
      code);
}

TEST(VerifyNvml, WhatIsNotToldByAnErrorIsSaidAndNotPassed) {
  const auto told = [](const std::string& id, const char* member, int code) {
    return nvml(id, report(silent(member, code)));
  };
  EXPECT_THAT(told("nvml.answers", "ecc", 15),
              Is(Verdict::kFail, "GPU 0 does not tell ecc: no word (15)"));
  const VerifyCheck forbidden = told("nvml.answers", "ecc", 4);
  EXPECT_THAT(forbidden, Is(Verdict::kWarn, "ecc: no word (4)"));
  EXPECT_THAT(forbidden.hint, HasSubstr("as root"));
  for (const auto& [id, member] :
       {std::pair("nvml.modes", "ecc"), std::pair("nvml.modes", "mig"),
        std::pair("nvml.memory", "remappedRows"),
        std::pair("nvml.memory", "retiredPending"),
        std::pair("nvml.persistence", "persistence"),
        std::pair("nvml.fabric", "fabricState")}) {
    EXPECT_THAT(told(id, member, 999), Is(Verdict::kSkip, "nvml.answers"))
        << member;
  }
  EXPECT_THAT(told("nvml.memory", "ecc", 15), passes);
  EXPECT_THAT(nvml("nvml.version",
                   R"({"start":{"code":0},"count":0,"gpus":[],"errors":[)"
                   R"({"member":"driverVersion","code":999,"text":"who"}]})"),
              Is(Verdict::kSkip, "driverVersion: who (999)"));
}

TEST(VerifyNvml, NamesEveryGpuThatDoesNotAnswer) {
  EXPECT_THAT(
      nvml("nvml.answers",
           R"({"start":{"code":0},"count":3,"gpus":[)"
           R"({"index":0,"problem":{"code":15,"text":"lost"}},)"
           R"({"index":1,"uuid":"GPU-1"},)"
           R"({"index":2,"problem":{"code":16,"text":"reset"}}]})"),
      Is(Verdict::kFail, "GPU 0 does not: lost (15); GPU 2 does not: reset"));
}

/// A host with an NVSwitch, whose driver is 580.65.06.
facts::HostFacts with_switch(const std::string& manager) {
  facts::HostFacts host = healthy().host;
  host.gpus.push_back(
      {"0000:05:00.0", 0x1af1, "NVIDIA NVSwitch", "nvidia", true});
  if (!manager.empty()) {
    host.units["nvidia-fabricmanager.service"] = {"loaded", manager, ""};
  }
  return host;
}

TEST(VerifyNvml, AsksTheFabricManagerOfGpusThatDoNotTell) {
  const auto fabric = [](const facts::HostFacts& host,
                         const std::string& members) {
    return answer(verify_nvml(host, report(members)), "nvml.fabric");
  };
  for (const char* members :
       {"", R"(,"mig":true)", R"(,"mig":true,"fabricState":0)"}) {
    EXPECT_THAT(fabric(with_switch("active"), members),
                Is(Verdict::kPass, "is active"));
    for (const char* state : {"inactive", "failed"}) {
      EXPECT_THAT(fabric(with_switch(state), members),
                  Is(Verdict::kFail, "error 802"));
    }
    facts::HostFacts other = with_switch("active");
    other.packages["nvidia-fabricmanager"] = {"580.65.060-1"};
    EXPECT_THAT(fabric(other, members), Is(Verdict::kFail, "580.65.060"));
  }
  // Nobody tells: level 3 does, but not of GPUs that MIG divides.
  EXPECT_THAT(fabric(with_switch(""), ""), Is(Verdict::kSkip, "level 3 does"));
  EXPECT_THAT(fabric(with_switch(""), R"(,"mig":true)"),
              Is(Verdict::kWarn, "not known"));
  EXPECT_THAT(fabric(healthy().host, R"(,"mig":true)"),
              Is(Verdict::kSkip, "in no NVLink fabric"));
}

TEST(VerifyNvml, DoesNotWantAGpuThatMigDividesInTheFabric) {
  const auto fabric = [](const char* of_second) {
    return nvml("nvml.fabric",
                std::string(R"({"start":{"code":0},"count":2,"gpus":[)") +
                    R"({"index":0,"uuid":"a","fabricState":3},)" +
                    R"({"index":1,"uuid":"b")" + of_second + "}]}");
  };
  EXPECT_THAT(fabric(R"(,"mig":true,"fabricState":0)"), passes);
  EXPECT_THAT(fabric(R"(,"mig":false,"fabricState":0)"),
              Is(Verdict::kFail, "not set up: GPU 1"));
}

TEST(VerifyNvml, ComparesWithTheBus) {
  facts::HostFacts host = healthy().host;
  host.gpus.push_back(a10g("0000:00:1f.0"));
  EXPECT_THAT(answer(verify_nvml(host, report("")), "nvml.count"),
              Is(Verdict::kFail, "1 by NVML, 2 on the PCI bus"));
  host.gpus[1].driver = "vfio-pci";
  EXPECT_THAT(answer(verify_nvml(host, report("")), "nvml.count"),
              Is(Verdict::kPass, "1 by NVML"));
}

TEST(VerifyNvml, ThatDoesNotStartSaysWhy) {
  const std::string mismatch =
      R"({"start":{"code":18,"text":"Driver/library version mismatch"}})";
  const VerifyChecks checks = verify_nvml(healthy().host, mismatch);
  EXPECT_THAT(checks[0], Is(Verdict::kFail, "version mismatch (18)"));
  EXPECT_THAT(checks[0].hint, HasSubstr("an update"));
  EXPECT_THAT(VerifyChecks(checks.begin() + 1, checks.end()),
              AllOf(SizeIs(7), Each(is_skipped)));

  const VerifyCheck hung =
      verify_nvml(healthy().host, Error(ErrorCode::kUnavailable, "no end"))[0];
  EXPECT_THAT(hung, Is(Verdict::kFail, "no end"));
  EXPECT_THAT(hung.hint, HasSubstr("reboot"));
  const VerifyCheck missing =
      verify_nvml(healthy().host, Error(ErrorCode::kInternal, "no library"))[0];
  EXPECT_THAT(missing.hint, HasSubstr("installed"));
  EXPECT_THAT(nvml("nvml.start", "Segmentation"), Is(Verdict::kFail, ""));
  EXPECT_THAT(
      nvml("nvml.count",
           R"({"start":{"code":0},"counted":{"code":999,"text":"Unknown"}})"),
      Is(Verdict::kFail, "Unknown (999)"));
}

MATCHER_P2(IsTarget, name, reason, "") {
  *result_listener << arg.gpu << " skipped: " << arg.skipped;
  return arg.gpu == name &&
         (std::string(reason).empty()
              ? arg.skipped.empty()
              : arg.skipped.find(reason) != arg.skipped.npos);
}

std::vector<CudaTarget> targets(const std::string& members) {
  return cuda_targets(healthy().host, report(members));
}

TEST(VerifyCuda, TriesGpusThatAreNotDividedAndAnswer) {
  EXPECT_THAT(targets(""), ElementsAre(IsTarget("GPU 0", "")));
  EXPECT_THAT(targets(R"(,"mig":true)"), ElementsAre(IsTarget("GPU 0", "MIG")));
  EXPECT_THAT(targets(R"(,"problem":{"code":15,"text":"lost"})"),
              ElementsAre(IsTarget("GPU 0", "lost (15)")));
  EXPECT_THAT(targets(R"(,"uuid":"")"), ElementsAre(IsTarget("GPU 0", "UUID")));
  EXPECT_THAT(cuda_targets({}, std::string("nonsense")), IsEmpty());
  EXPECT_THAT(cuda_targets({}, Error(ErrorCode::kUnavailable, "x")), IsEmpty());
  EXPECT_THAT(verify_cuda({}), ElementsAre(is_skipped));
}

TEST(VerifyCuda, NamesGpusThatNvmlDoesNotHave) {
  facts::HostFacts host = healthy().host;
  host.gpus.push_back(a10g("0000:00:1f.0"));
  host.gpus.push_back(a10g("0000:00:20.0"));
  host.gpus[2].driver = "vfio-pci";
  host.gpus.push_back(a10g("0000:00:21.0"));
  host.gpus[3].is_switch = true;
  EXPECT_THAT(cuda_targets(host, report("")),
              ElementsAre(IsTarget("GPU 0", ""),
                          IsTarget("GPU at 0000:00:1f.0", "NVML"),
                          IsTarget("GPU at 0000:00:20.0", "vfio-pci")));
  // One whose address NVML does not tell is not named a second time.
  EXPECT_THAT(cuda_targets(healthy().host, report(R"(,"pciBusId":"")")),
              ElementsAre(IsTarget("GPU 0", "")));
}

TEST(VerifyCuda, NamesEveryGpuAlsoAfterOneThatHangs) {
  std::vector<std::string> asked;
  const auto add = [&](const std::string& uuid) -> Result<host::Completed> {
    asked.push_back(uuid);
    if (uuid == "crash") return Error(ErrorCode::kInternal, "signal 11");
    if (uuid == "hang") return Error(ErrorCode::kUnavailable, "no end");
    return host::Completed{};
  };
  const VerifyChecks checks =
      verify_cuda(run_cuda({{"GPU 0", "fine", ""},
                            {"GPU 1", "crash", ""},
                            {"GPU 2", "", "MIG divides it"},
                            {"GPU 3", "hang", ""},
                            {"GPU 4", "fine", ""},
                            {"GPU 5", "", "MIG divides it"}},
                           add));
  EXPECT_THAT(asked, ElementsAre("fine", "crash", "hang"));
  EXPECT_THAT(checks, ElementsAre(Is(Verdict::kPass, "GPU 0: "),
                                  Is(Verdict::kFail, "GPU 1: signal 11"),
                                  Is(Verdict::kSkip, "GPU 2: MIG divides it"),
                                  Is(Verdict::kFail, "GPU 3: no end"),
                                  Is(Verdict::kSkip, "GPU 4: GPU 3 hung"),
                                  Is(Verdict::kSkip, "GPU 5: MIG divides it")));
}

VerifyCheck cuda(int status, const std::string& err) {
  return verify_cuda(
      {{{"GPU 2", "", ""}, host::Completed{status, "", err}}})[0];
}

TEST(VerifyCuda, TellsEachEnd) {
  EXPECT_THAT(cuda(0, ""), Is(Verdict::kPass, "GPU 2: "));
  const VerifyCheck fabric =
      cuda(5, "cuInit failed: CUDA_ERROR_SYSTEM_NOT_READY (802): x\nmore\n");
  EXPECT_THAT(fabric, Is(Verdict::kFail, "CUDA_ERROR_SYSTEM_NOT_READY (802)"));
  EXPECT_THAT(fabric.evidence, Not(HasSubstr("more")));
  EXPECT_THAT(fabric.hint, HasSubstr("fabric manager"));
  EXPECT_THAT(cuda(1, "x CUDA_ERROR_OUT_OF_MEMORY (2)").verdict,
              Verdict::kWarn);
  EXPECT_THAT(cuda(1, "x CUDA_ERROR_DEVICE_UNAVAILABLE (46)").verdict,
              Verdict::kWarn);
  EXPECT_THAT(cuda(3, "wrong").hint, HasSubstr("computes wrongly"));
  EXPECT_THAT(cuda(4, "no file").hint, HasSubstr("libcuda.so.1"));
  EXPECT_THAT(cuda(1, "other").verdict, Verdict::kFail);
  const VerifyCheck killed = verify_cuda(
      {{{"GPU 0", "", ""}, Error(ErrorCode::kUnavailable, "killed")}})[0];
  EXPECT_THAT(killed, Is(Verdict::kFail, "killed"));
}

TEST(SkippedLevel, HasEveryCheckOfIt) {
  EXPECT_THAT(skipped_level(0, "x"), SizeIs(6));
  EXPECT_THAT(skipped_level(1, "x"), SizeIs(6));
  EXPECT_THAT(skipped_level(2, "x"), SizeIs(8));
  EXPECT_THAT(skipped_level(3, "x"), SizeIs(1));
}

}  // namespace
}  // namespace gpunode::diagnose
