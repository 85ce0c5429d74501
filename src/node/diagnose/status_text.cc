#include "node/diagnose/status_text.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::diagnose {
namespace {

// Bytes from 0x80 on hold C1 controls, which some terminals obey.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
  return text;
}

std::string duration(std::uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

std::string memory(std::uint64_t bytes) {
  return bytes == 0 ? std::string("memory unknown")
                    : fmt::format("{} MiB", bytes >> 20);
}

std::string health(const AgentStatus& status, const std::string& uuid) {
  for (const AgentStatus::Unhealthy& one : status.unhealthy) {
    if (one.uuid != uuid) continue;
    return fmt::format("      UNHEALTHY for {}: {}\n", duration(one.seconds),
                       printable(one.reason));
  }
  return "";
}

std::string gpu_lines(const AgentStatus& status) {
  std::string out;
  for (const AgentStatus::Gpu& gpu : status.gpus) {
    out += fmt::format("  {}  {}, {}{}\n      {}\n{}", gpu.index,
                       printable(gpu.name), memory(gpu.memory_bytes),
                       gpu.mig_enabled ? ", MIG" : "", printable(gpu.uuid),
                       health(status, gpu.uuid));
    for (const AgentStatus::Mig& mig : gpu.mig) {
      out +=
          fmt::format("    {}:{}  {}, {}\n      {}\n{}", gpu.index, mig.index,
                      printable(mig.profile), memory(mig.memory_bytes),
                      printable(mig.uuid), health(status, mig.uuid));
    }
  }
  return out.empty() ? "  none\n" : out;
}

std::string resource_lines(const AgentStatus& status) {
  std::string out;
  for (const AgentStatus::Resource& one : status.resources) {
    out += fmt::format(
        "  {}  {} of {} healthy{}{}\n", printable(one.name), one.allocatable,
        one.capacity,
        one.sharing == "none" ? "" : ", shared by " + printable(one.sharing),
        one.is_registered ? "" : ", NOT registered");
  }
  return out.empty() ? "  none\n" : out;
}

std::string config_line(const AgentStatus& status) {
  std::string what = "flags, environment and defaults";
  if (!status.config_file.empty()) {
    what = "file " + printable(status.config_file);
  } else if (!status.config_name.empty()) {
    what = fmt::format("{}, chosen by {}", printable(status.config_name),
                       printable(status.config_origin));
  }
  return fmt::format("  {}, MIG strategy {}\n", what,
                     printable(status.mig_strategy));
}

}  // namespace

Findings check_status(const AgentStatus& status) {
  Findings findings;
  for (const std::string& reason : status.not_ready) {
    const bool is_driver = reason.starts_with("driver: ");
    findings.push_back(
        {"agent", printable(reason),
         is_driver ? "look at nvidia-smi and dmesg; the agent goes on by itself"
                   : "look at the agent's log"});
  }
  for (const AgentStatus::Unhealthy& one : status.unhealthy) {
    findings.push_back(
        {"health",
         fmt::format("{} is unhealthy for {}: {}", printable(one.uuid),
                     duration(one.seconds), printable(one.reason)),
         "see dmesg; it is offered again when it answers, else reset the GPU "
         "or reboot"});
  }
  for (const AgentStatus::LeftOut& one : status.left_out) {
    findings.push_back(
        {"resource",
         fmt::format("{}{}{}", printable(one.resource),
                     one.resource.empty() ? "" : ": ", printable(one.reason)),
         "mend the configuration; gpunode-agent --config-check tells"});
  }
  if (!status.reload_problem.empty()) {
    findings.push_back({"config",
                        "what is configured is not in force: " +
                            printable(status.reload_problem),
                        "mend the file; the configuration before it holds"});
  }
  if (!status.label_problem.empty()) {
    findings.push_back({"labels",
                        "the node's labels are not where they should be: " +
                            printable(status.label_problem),
                        "look at the agent's log"});
  }
  if (status.config_warnings > 0) {
    findings.push_back(
        {"config",
         fmt::format("{} warnings about the configuration in force",
                     status.config_warnings),
         "gpunode-agent --config-check names them"});
  }
  return findings;
}

std::string describe(const AgentStatus& status, const Findings& findings) {
  std::string out = fmt::format(
      "Driver\n  {}{}\nGPUs\n{}Resources\n{}Configuration\n{}",
      status.driver_version.empty() ? std::string("unknown")
                                    : printable(status.driver_version),
      status.driver_answers ? "" : ", DOES NOT ANSWER", gpu_lines(status),
      resource_lines(status), config_line(status));
  if (findings.empty()) return out + "Nothing is wrong.\n";
  out += "What is wrong\n";
  for (const Finding& one : findings) {
    out += fmt::format("  {}\n    next: {}\n", one.what, one.next);
  }
  return out;
}

}  // namespace gpunode::diagnose
