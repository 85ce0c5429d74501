#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/diagnose/verify_gpus.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::diagnose {
namespace {

using facts::GpuHealth;
using facts::NvmlHealth;

constexpr int kMismatch = 18;     ///< NVML_ERROR_LIB_RM_VERSION_MISMATCH.
constexpr int kNoPermission = 4;  ///< NVML_ERROR_NO_PERMISSION.

bool nobody_tells(
    const NvmlHealth& health,
    const std::function<std::optional<bool>(const GpuHealth&)>& member) {
  return std::ranges::none_of(health.gpus, [&](const GpuHealth& gpu) {
    return member(gpu).has_value();
  });
}

VerifyCheck not_started(const Error& why) {
  // A program that is killed says so; one that says something has said why.
  const bool was_killed = why.code() == ErrorCode::kUnavailable;
  return {2, "nvml.start", Verdict::kFail, why.message(),
          was_killed
              ? "the driver does not answer: `journalctl -k -b -g NVRM`; drain "
                "the node and reboot"
              : "see that the driver's libraries are installed, of the same "
                "version as its module; `gpunode doctor` tells more"};
}

VerifyCheck check_start(const NvmlHealth& health) {
  if (health.start.code == 0) {
    return {2, "nvml.start", Verdict::kPass, "NVML starts"};
  }
  const std::string seen = fmt::format("NVML does not start: {} ({})",
                                       health.start.text, health.start.code);
  return {2, "nvml.start", Verdict::kFail, seen,
          health.start.code == kMismatch
              ? "an update replaced the libraries: drain the node, unload the "
                "modules and load them again, or reboot"
              : "`gpunode doctor`, and `journalctl -k -b -g NVRM`"};
}

VerifyCheck check_count(const facts::HostFacts& host,
                        const NvmlHealth& health) {
  if (health.counted.code != 0) {
    return {2, "nvml.count", Verdict::kFail,
            fmt::format("NVML does not count the GPUs: {} ({})",
                        health.counted.text, health.counted.code),
            "`journalctl -k -b -g NVRM` tells why"};
  }
  // One that is with another driver is told on level 1.
  const auto on_bus =
      std::ranges::count_if(host.gpus, [](const facts::PciGpu& gpu) {
        return !gpu.is_switch && gpu.driver != "vfio-pci" &&
               gpu.condition.physical_function.empty();
      });
  const std::string seen =
      fmt::format("{} by NVML, {} on the PCI bus", health.count, on_bus);
  if (static_cast<std::int64_t>(health.count) == on_bus) {
    return {2, "nvml.count", Verdict::kPass, seen};
  }
  return {2, "nvml.count", Verdict::kFail, seen,
          "the driver could not start the others: `journalctl -k -b -g NVRM` "
          "names them"};
}

/// "GPU 2 does not: GPU is lost (15)", "GPU 3 does not tell ecc, mig: …".
std::vector<std::string> silences_of(const GpuHealth& gpu) {
  if (gpu.problem.code != 0) {
    return {fmt::format("GPU {} does not: {} ({})", gpu.index, gpu.problem.text,
                        gpu.problem.code)};
  }
  std::map<int, std::vector<std::string>> members;
  std::map<int, std::string> words;
  for (const facts::NvmlSilence& silence : gpu.silences) {
    members[silence.problem.code].push_back(silence.member);
    words[silence.problem.code] = silence.problem.text;
  }
  std::vector<std::string> said;
  for (const auto& [code, names] : members) {
    said.push_back(fmt::format("GPU {} does not tell {}: {} ({})", gpu.index,
                               fmt::join(names, ", "), words[code], code));
  }
  return said;
}

/// Whether all that is kept from us is so by want of rights.
bool is_but_forbidden(const NvmlHealth& health) {
  return std::ranges::all_of(health.gpus, [](const GpuHealth& gpu) {
    return gpu.problem.code == 0 &&
           std::ranges::all_of(gpu.silences, [](const auto& silence) {
             return silence.problem.code == kNoPermission;
           });
  });
}

VerifyCheck check_answers(const NvmlHealth& health) {
  std::vector<std::string> silent;
  for (const GpuHealth& gpu : health.gpus) {
    std::vector<std::string> more = silences_of(gpu);
    std::move(more.begin(), more.end(), std::back_inserter(silent));
  }
  if (silent.empty() && health.gpus.size() == health.count) {
    return {2, "nvml.answers", Verdict::kPass, "every GPU answers"};
  }
  if (silent.empty()) {
    return {2, "nvml.answers", Verdict::kFail,
            fmt::format("NVML counts {} and tells of {}", health.count,
                        health.gpus.size()),
            "`journalctl -k -b -g NVRM` tells why"};
  }
  const bool is_forbidden = is_but_forbidden(health);
  return {2, "nvml.answers", is_forbidden ? Verdict::kWarn : Verdict::kFail,
          fmt::format("{}", fmt::join(silent, "; ")),
          is_forbidden
              ? "ask as root, on the host and not in a container"
              : "drain the node and reset the GPU (nvidia-smi --gpu-reset) or "
                "reboot; if it comes again, have it replaced"};
}

/// What nobody has told is no reason to call it well: GPUs that did not tell
/// one of `members` make a check that passed one that was not asked.
VerifyCheck unless_silent(VerifyCheck check, const NvmlHealth& health,
                          std::initializer_list<std::string_view> members) {
  if (check.verdict != Verdict::kPass && check.verdict != Verdict::kSkip) {
    return check;
  }
  const std::string silent = gpus_where(health, [&](const GpuHealth& gpu) {
    return gpu.problem.code != 0 ||
           std::ranges::any_of(gpu.silences, [&](const auto& silence) {
             return std::ranges::find(members, silence.member) != members.end();
           });
  });
  if (silent.empty()) return check;
  return {check.level, check.id, Verdict::kSkip,
          fmt::format("not told of GPU {}: see nvml.answers", silent)};
}

VerifyCheck check_version(const NvmlHealth& health) {
  const std::string& driver = health.driver_version;
  const std::string& library = health.nvml_version;
  if (driver.empty() || library.empty()) {
    std::string seen = "NVML does not tell";
    for (const facts::NvmlSilence& silence : health.silences) {
      seen += fmt::format("; {}: {} ({})", silence.member, silence.problem.text,
                          silence.problem.code);
    }
    return {2, "nvml.version", Verdict::kSkip, seen};
  }
  if (library == driver || library.ends_with("." + driver)) {
    return {2, "nvml.version", Verdict::kPass,
            "driver and library are " + driver};
  }
  return {2, "nvml.version", Verdict::kWarn,
          fmt::format("the driver is {}, its library {}", driver, library),
          "drain the node and reboot, so that both are of one release"};
}

VerifyCheck check_persistence(const NvmlHealth& health) {
  const std::string off = gpus_where(health, [](const GpuHealth& gpu) {
    return says(gpu.persistence, false);
  });
  if (nobody_tells(health,
                   [](const GpuHealth& gpu) { return gpu.persistence; })) {
    return {2, "nvml.persistence", Verdict::kSkip, "NVML does not tell"};
  }
  if (off.empty()) {
    return {2, "nvml.persistence", Verdict::kPass,
            "the driver keeps every GPU awake"};
  }
  return {2, "nvml.persistence", Verdict::kWarn, "off: GPU " + off,
          "`systemctl enable --now nvidia-persistenced`; without it each "
          "first use takes seconds"};
}

VerifyCheck check_modes(const NvmlHealth& health) {
  const std::string pending = gpus_where(health, [](const GpuHealth& gpu) {
    const bool ecc = gpu.ecc && gpu.ecc_pending && *gpu.ecc != *gpu.ecc_pending;
    const bool mig = gpu.mig && gpu.mig_pending && *gpu.mig != *gpu.mig_pending;
    return ecc || mig;
  });
  if (pending.empty()) {
    const std::string off = gpus_where(
        health, [](const GpuHealth& gpu) { return says(gpu.ecc, false); });
    return {2, "nvml.modes", Verdict::kPass,
            off.empty() ? "no change of ECC or MIG is pending"
                        : "no change is pending; ECC is off: GPU " + off};
  }
  return {2, "nvml.modes", Verdict::kWarn,
          "ECC or MIG will be another after a reset: GPU " + pending,
          "drain the node and reset the GPU (nvidia-smi --gpu-reset) or "
          "reboot"};
}

VerifyCheck check_memory(const NvmlHealth& health) {
  const std::string failed = gpus_where(health, [](const GpuHealth& gpu) {
    return says(gpu.remap_failed, true);
  });
  if (!failed.empty()) {
    return {2, "nvml.memory", Verdict::kFail,
            "a row of memory could not be replaced: GPU " + failed,
            "take it out of use and have it replaced"};
  }
  const std::string pending = gpus_where(health, [](const GpuHealth& gpu) {
    return says(gpu.remap_pending, true) || says(gpu.retired_pending, true);
  });
  if (!pending.empty()) {
    return {2, "nvml.memory", Verdict::kWarn,
            "bad memory waits to be replaced by spare: GPU " + pending,
            "drain the node and reset the GPU (nvidia-smi --gpu-reset) or "
            "reboot"};
  }
  // Of memory without ECC nothing is known, and nothing waits.
  if (nobody_tells(health,
                   [](const GpuHealth& gpu) { return gpu.remap_failed; }) &&
      nobody_tells(health,
                   [](const GpuHealth& gpu) { return gpu.retired_pending; })) {
    return {2, "nvml.memory", Verdict::kSkip,
            "NVML tells of no replaced memory on these GPUs"};
  }
  return {2, "nvml.memory", Verdict::kPass, "no bad memory waits"};
}

}  // namespace

VerifyChecks verify_nvml(const facts::HostFacts& host,
                         const Result<std::string>& report) {
  VerifyChecks checks = skipped_level(2, "NVML does not start");
  if (!report) {
    checks[0] = not_started(report.error());
    return checks;
  }
  const auto health = facts::parse_health_report(*report);
  if (!health) {
    checks[0] = not_started(health.error());
    return checks;
  }
  checks[0] = check_start(*health);
  if (health->start.code != 0) return checks;
  return {checks[0],
          check_count(host, *health),
          check_answers(*health),
          check_version(*health),
          unless_silent(check_persistence(*health), *health, {"persistence"}),
          unless_silent(check_modes(*health), *health, {"ecc", "mig"}),
          unless_silent(check_memory(*health), *health,
                        {"remappedRows", "retiredPending"}),
          unless_silent(check_fabric(host, *health), *health, {"fabricState"})};
}

}  // namespace gpunode::diagnose
