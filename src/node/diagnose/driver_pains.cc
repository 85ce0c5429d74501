// Pains 4 to 7 of docs/doctor.md, and GPUs that are gone.
#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gpu/device/health.h"
#include "gpu/device/module_rule.h"
#include "node/diagnose/pains.h"
#include "node/driver/gpu_services.h"

namespace gpunode::diagnose {
namespace {

constexpr std::string_view kService = ".service";

using device::ModuleRule;
using facts::PciGpu;

/// Names what runs here alone: systemctl fails on a unit that is not there.
std::string reload_advice(const facts::HostFacts& host) {
  std::vector<std::string_view> units;
  for (const driver::GpuService& service : driver::gpu_services()) {
    const auto unit = host.units.find(std::string(service.unit));
    if (unit == host.units.end() || unit->second.active_state != "active") {
      continue;
    }
    units.push_back(
        service.unit.substr(0, service.unit.size() - kService.size()));
  }
  std::string stop;
  std::string start;
  if (!units.empty()) {
    stop = fmt::format("systemctl stop {} && ", fmt::join(units, " "));
    std::ranges::reverse(units);
    start = fmt::format(" && systemctl start {}", fmt::join(units, " "));
  }
  return fmt::format(
      "`kubectl drain` the node, and stop what DaemonSets run on its GPUs; "
      "then `{}modprobe -r nvidia_drm nvidia_modeset nvidia_uvm nvidia && "
      "modprobe -a nvidia_uvm nvidia_modeset{}`, or reboot",
      stop, start);
}

const LogMark* mark_of(const DoctorLook& look, LogSign sign) {
  const auto found = std::ranges::find(look.kernel_log, sign, &LogMark::sign);
  return found == look.kernel_log.end() ? nullptr : &*found;
}

std::string quote(const DoctorLook& look, const LogMark& mark) {
  return mark.count == 1
             ? fmt::format("{}: {}", look.kernel_log_source, mark.line)
             : fmt::format("{}: {} ({} times)", look.kernel_log_source,
                           mark.line, mark.count);
}

std::string gpu_of(const LogMark& mark) {
  return mark.gpu.empty() ? "a GPU" : "the GPU at " + mark.gpu;
}

void check_versions(const DoctorLook& look, const RunningDriver& driver,
                    Findings& found) {
  Finding finding;
  finding.check = "driver.mismatch";
  finding.severity = Severity::kBad;
  finding.why =
      "an update replaced the driver's files while its modules stayed in the "
      "kernel; nvidia-smi says \"Driver/library version mismatch\"";
  finding.next = reload_advice(look.host);
  if (!driver.version.empty() && !driver.library.empty()) {
    if (driver.version == driver.library) return;
    finding.what = fmt::format(
        "the driver in the kernel is {}, its libraries are {}: no new program "
        "can use a GPU",
        driver.version, driver.library);
    finding.seen = "/sys/module/nvidia/version: " + driver.version;
    found.push_back(finding);
    return;
  }
  const LogMark* mark = mark_of(look, LogSign::kApiMismatch);
  // A module of another version was loaded since.
  if (mark == nullptr || (!mark->module.empty() && !driver.version.empty() &&
                          mark->module != driver.version)) {
    return;
  }
  finding.what = fmt::format(
      "a program's driver libraries are {}, the driver in the kernel is {}",
      mark->client.empty() ? "of another release" : mark->client,
      mark->module.empty() ? "not" : mark->module);
  finding.seen = quote(look, *mark);
  found.push_back(finding);
}

Finding flavour_finding(std::string what, std::string seen, bool wants_open) {
  return {"driver.flavour",
          std::move(what),
          fmt::format("set spec.driver.flavour: {} (or auto) and `gpunode "
                      "apply`; by hand, install the {} packages of the same "
                      "version and reboot",
                      wants_open ? "open" : "proprietary",
                      wants_open ? "open modules'" : "proprietary modules'"),
          Severity::kBad,
          std::move(seen),
          wants_open
              ? "Blackwell, GH200 and newer chips work with the open kernel "
                "modules alone"
              : "the open kernel modules need the GPU's own processor (GSP), "
                "which chips have since Turing"};
}

/// Of a GPU that the bus does not show any more it is not known: it may.
bool has_open_modules(const facts::HostFacts& host, std::string_view address) {
  const auto gpu = std::ranges::find(host.gpus, address, &PciGpu::address);
  return gpu == host.gpus.end() ||
         device::module_rule_of(gpu->device_id) != ModuleRule::kProprietaryOnly;
}

void check_flavour(const DoctorLook& look, const RunningDriver& driver,
                   Findings& found) {
  // Another flavour was loaded since: it is mended.
  const bool is_open = driver.is_open.value_or(false);
  const bool is_closed = !driver.is_open.value_or(true);
  const LogMark* mark = mark_of(look, LogSign::kNeedsOpenModule);
  if (mark != nullptr && !is_open) {
    found.push_back(flavour_finding(
        gpu_of(*mark) + " wants the open kernel modules, and the proprietary "
                        "ones are loaded",
        quote(look, *mark), true));
    return;
  }
  mark = mark_of(look, LogSign::kFirmwareFailed);
  if (mark != nullptr && !is_open && has_open_modules(look.host, mark->gpu)) {
    found.push_back(flavour_finding(
        gpu_of(*mark) + " could not be started by the proprietary kernel "
                        "modules: it wants the open ones",
        quote(look, *mark), true));
    return;
  }
  mark = mark_of(look, LogSign::kNeedsOtherModule);
  if (mark != nullptr && !is_closed) {
    found.push_back(flavour_finding(gpu_of(*mark) +
                                        " does not work with the open kernel "
                                        "modules, which are loaded",
                                    quote(look, *mark), false));
    return;
  }
  if (driver.version.empty() || !driver.is_open) return;
  for (const PciGpu& gpu : look.host.gpus) {
    if (gpu.is_switch || gpu.is_vgpu || gpu.device_id == 0) continue;
    const ModuleRule rule = device::module_rule_of(gpu.device_id);
    const bool wants_open = rule == ModuleRule::kOpenOnly;
    const bool fits =
        *driver.is_open ? rule != ModuleRule::kProprietaryOnly : !wants_open;
    if (fits) continue;
    found.push_back(flavour_finding(
        fmt::format("{} at {} {}", gpu.product, gpu.address,
                    wants_open ? "wants the open kernel modules, and the "
                                 "proprietary ones are loaded"
                               : "does not work with the open kernel modules, "
                                 "which are loaded"),
        fmt::format("10de:{:04x} with driver {} ({})", gpu.device_id,
                    driver.version, *driver.is_open ? "open" : "proprietary"),
        wants_open));
    return;
  }
}

struct MarkWords {
  LogSign sign;
  std::string_view check;
  std::string_view what;  ///< After the GPU.
  std::string_view why;
  std::string_view next;
};

constexpr std::array<MarkWords, 8> kMarkWords = {{
    {LogSign::kNotInBranch, "driver.branch",
     "is not known to this release of the driver",
     "each branch of the driver knows the chips of its time",
     "set spec.driver.branch to one that has it (`gpunode plan` chooses one) "
     "and `gpunode apply`"},
    {LogSign::kLegacyGpu, "driver.branch",
     "is too old for this branch of the driver",
     "Kepler ends with branch 470, Maxwell to Volta with 580",
     "set spec.driver.branch to 470 or 580 and `gpunode apply`"},
    {LogSign::kFallenOff, "gpu.lost", "has fallen off the bus",
     "power, heat, a loose card or a defect; a restart of the driver does not "
     "bring it back",
     "`kubectl drain` the node, switch the machine off and on; if it comes "
     "again, have the card replaced (on a cloud: stop and start the instance)"},
    {LogSign::kBadRegion, "gpu.region", "has no place for its memory",
     "the firmware or hypervisor keeps too little address space",
     "switch on \"Above 4G Decoding\" in the firmware; in a virtual machine, "
     "enlarge its 64-bit MMIO window"},
    {LogSign::kProbeNotCalled, "gpu.held",
     "is held by another driver than NVIDIA's",
     "nouveau, or vfio for virtual machines, came first",
     "`lspci -nnk -d 10de:` names it; `gpunode plan` keeps nouveau out"},
    {LogSign::kGsp, "driver.gsp",
     "does not answer: its own processor (GSP) "
     "hangs",
     "known of g4dn and g5 instances and of some releases",
     "reboot; with proprietary modules before 620 set "
     "spec.driver.moduleOptions NVreg_EnableGpuFirmware: \"0\" and `gpunode "
     "apply`; with open ones take another release"},
    {LogSign::kFirmwareFailed, "gpu.init",
     "could not be started: its own processor (GSP) does not come up",
     "firmware of another release than the modules is the usual cause, or a "
     "defect",
     "look whether the packages of the driver are of one version (`gpunode "
     "plan`), then switch the machine off and on; if it stays, "
     "`nvidia-bug-report.sh` for NVIDIA"},
    {LogSign::kInitFailed, "gpu.init", "could not be started by the driver",
     "what comes before it in the log tells the cause",
     "`journalctl -k -b -g NVRM`, and `nvidia-bug-report.sh` for NVIDIA"},
}};

/// A cause is told, and what follows from it is not.
bool explains(const Findings& found, std::string_view gpu) {
  return !gpu.empty() && std::ranges::any_of(found, [&](const auto& finding) {
    return finding.severity == Severity::kBad &&
           finding.what.find(gpu) != std::string::npos;
  });
}

void check_marks(const DoctorLook& look, Findings& found) {
  for (const MarkWords& words : kMarkWords) {
    for (const LogMark& mark : look.kernel_log) {
      if (mark.sign != words.sign) continue;
      const bool follows = words.sign == LogSign::kInitFailed ||
                           words.sign == LogSign::kFirmwareFailed ||
                           words.sign == LogSign::kFallenOff ||
                           words.sign == LogSign::kBadRegion;
      if (follows && explains(found, mark.gpu)) continue;
      found.push_back({std::string(words.check),
                       fmt::format("{} {}", gpu_of(mark), words.what),
                       std::string(words.next), Severity::kBad,
                       quote(look, mark), std::string(words.why)});
    }
  }
}

/// Faults of hardware by NVIDIA's list of Xids; the others are mostly those of
/// programs, and no reason to call somebody.
bool is_hardware(int xid) {
  constexpr std::array<int, 12> kHardware = {48, 61, 62, 63,  64,  74,
                                             92, 94, 95, 140, 143, 154};
  return std::ranges::find(kHardware, xid) != kHardware.end();
}

void check_xids(const DoctorLook& look, Findings& found) {
  for (const LogMark& mark : look.kernel_log) {
    if (mark.sign != LogSign::kXid) continue;
    const bool is_bad = is_hardware(mark.xid);
    found.push_back(
        {"gpu.xid",
         fmt::format("{} reported {}{}", gpu_of(mark),
                     device::describe_xid(static_cast<std::uint64_t>(mark.xid)),
                     is_bad ? ", which is of the hardware" : ""),
         is_bad ? "`nvidia-smi -q -d ECC,ROW_REMAPPER`; drain and reset or "
                  "reboot, and have the card replaced if it stays"
                : "look at the program named there; nothing need be done to "
                  "the node",
         is_bad ? Severity::kWarning : Severity::kNote, quote(look, mark),
         "docs.nvidia.com/deploy/xid-errors says what each number means"});
  }
}

void check_signatures(const DoctorLook& look, const RunningDriver& driver,
                      Findings& found) {
  // It was taken in the end.
  if (!driver.version.empty()) return;
  const LogMark* mark = mark_of(look, LogSign::kRejected);
  if (mark == nullptr) mark = mark_of(look, LogSign::kLockedDown);
  const bool is_unsigned =
      look.host.secure_boot.enforces_signatures &&
      std::ranges::any_of(look.host.kernels.images, [&](const auto& image) {
        return image.release == look.kernels.running &&
               !image.module.version.empty() && image.module.signer.empty();
      });
  if (look.host.gpus.empty() || (mark == nullptr && !is_unsigned)) return;
  const std::string& key = look.host.secure_boot.mok_certificate;
  found.push_back(
      {"secureboot.rejected",
       "the kernel takes signed modules alone, and NVIDIA's is signed by no "
       "key "
       "that it knows",
       fmt::format("`mokutil --import {}`, reboot, and confirm \"Enroll MOK\" "
                   "on the console; or take the distribution's signed modules",
                   key.empty() ? "/var/lib/dkms/mok.pub" : key),
       Severity::kBad,
       mark != nullptr ? quote(look, *mark)
                       : "modinfo names no signer, and the kernel enforces "
                         "signatures",
       "Secure Boot is on; modprobe says \"Key was rejected by service\" or "
       "\"Operation not permitted\""});
}

/// What the bus tells without a driver.
void check_condition(const DoctorLook& look, Findings& found) {
  for (const PciGpu& gpu : look.host.gpus) {
    if (gpu.condition.is_lost) {
      found.push_back(
          {"gpu.lost",
           fmt::format("the GPU at {} has fallen off the bus", gpu.address),
           "`kubectl drain` the node, switch the machine off and on; if it "
           "comes again, have the card replaced",
           Severity::kBad,
           fmt::format("/sys/bus/pci/devices/{}/config is all ones",
                       gpu.address),
           "power, heat, a loose card or a defect"});
    }
    if (gpu.condition.memory == procfs::PciMemory::kLacking) {
      found.push_back(
          {"gpu.region",
           fmt::format("the GPU at {} has no place for its memory",
                       gpu.address),
           "switch on \"Above 4G Decoding\" in the firmware; in a virtual "
           "machine, enlarge its 64-bit MMIO window",
           Severity::kBad,
           fmt::format("/sys/bus/pci/devices/{}/resource has a region without "
                       "an address",
                       gpu.address),
           "the firmware or hypervisor keeps too little address space"});
    }
  }
}

/// A driver is there, and a GPU is with somebody else.
void check_holders(const DoctorLook& look, const RunningDriver& driver,
                   Findings& found) {
  if (driver.version.empty() && look.kernels.running_module.empty()) return;
  for (const PciGpu& gpu : look.host.gpus) {
    if (gpu.driver != "nouveau" && gpu.driver != "nova_core") continue;
    found.push_back(
        {"gpu.nouveau",
         fmt::format("the GPU at {} is held by {}, though NVIDIA's driver is "
                     "installed",
                     gpu.address, gpu.driver),
         "`gpunode apply` keeps it out; by hand: blacklist it in "
         "/etc/modprobe.d, rebuild the initramfs, reboot",
         Severity::kBad,
         fmt::format("/sys/bus/pci/devices/{}/driver is {}", gpu.address,
                     gpu.driver),
         "it is loaded from the initramfs before a blacklist of the root is "
         "read"});
  }
}

}  // namespace

Findings find_driver_pains(const DoctorLook& look) {
  const RunningDriver driver = running_driver_of(look.host);
  Findings found;
  check_versions(look, driver, found);
  check_flavour(look, driver, found);
  check_signatures(look, driver, found);
  Findings fabric = find_fabric_pains(look.host);
  std::move(fabric.begin(), fabric.end(), std::back_inserter(found));
  check_holders(look, driver, found);
  check_condition(look, found);
  check_marks(look, found);
  check_xids(look, found);
  return found;
}

}  // namespace gpunode::diagnose
