#include "apps/gpunode/top/collector.h"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/rfc3339.h"
#include "gpu/procfs/driver_library.h"
#include "node/diagnose/host_look.h"
#include "share/grants/process_table.h"
#include "share/grants/reconciliation.h"

namespace gpunode::top {
namespace {

constexpr const char* kNvml = "libnvidia-ml.so.1";
constexpr const char* kSocket = "/gpunode/agent.sock";

std::string first_line(std::string text) {
  return text.substr(0, text.find('\n'));
}

Result<Readings> read_driver(const host::HostRoot& driver_root,
                             const Sources& sources,
                             host::CommandRunner& runner) {
  const procfs::DriverLibrary library =
      procfs::find_driver_library(driver_root, kNvml);
  // Of another root only its own library is loaded: that of this machine would
  // be asked about this machine.
  if (driver_root.prefix() != "/" && library.path == kNvml) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no {} in {}: no driver is installed "
                             "there (gpunode doctor says what is missing)",
                             kNvml, fmt::join(library.looked_in, ", ")));
  }
  host::Command command;
  command.argv = {sources.probe, "--use", "--library", library.path};
  command.timeout = sources.patience;
  TRY(const std::string report, runner.output(command));
  return parse_readings(report);
}

}  // namespace

Collector::Collector(Sources sources, host::CommandRunner& runner)
    : sources_(std::move(sources)),
      host_(sources_.root),
      driver_root_(sources_.driver_root.empty() ? sources_.root
                                                : sources_.driver_root),
      runner_(runner) {}

Snapshot Collector::look() {
  Gathered all;
  const auto name = host_.read_file("/proc/sys/kernel/hostname");
  if (name) all.host = first_line(*name);
  all.time = rfc3339(std::chrono::system_clock::now());
  ask_driver(all);
  ask_agent(all);
  read_grants(all);
  read_processes(all);
  return assemble(all);
}

void Collector::ask_driver(Gathered& all) {
  Result<Readings> readings = read_driver(driver_root_, sources_, runner_);
  if (readings) {
    all.readings = *std::move(readings);
  } else {
    all.driver_problem = readings.error().message();
  }
}

void Collector::ask_agent(Gathered& all) const {
  const auto document =
      diagnose::ask_agent(host_.outside(sources_.plugin_directory + kSocket));
  auto status = document ? diagnose::parse_agent_status(*document)
                         : Result<diagnose::AgentStatus>(document.error());
  if (status) {
    all.status = *std::move(status);
  } else {
    all.agent_problem = status.error().message() +
                        "; names are from the kubelet's files, if there are";
    all.status = diagnose::look_at_host(host_, sources_.plugin_directory).known;
  }
  diagnose::name_pods(all.status.holders, host_);
}

void Collector::read_grants(Gathered& all) const {
  const share::GrantFiles files(host_.outside(share::GrantFiles::kRoot));
  const auto ids = files.list();
  if (!ids) {
    all.share_problem = ids.error().message();
    return;
  }
  // Read when somebody has a slot.
  std::optional<share::ProcessTable> table;
  for (const std::string& id : *ids) {
    GrantReading grant{id, {}, {}};
    auto look = files.look(id);
    // Between the list and the look its Pod has ended.
    if (!look && look.error().code() == ErrorCode::kNotFound) continue;
    if (look) {
      grant.look = *std::move(look);
    } else {
      grant.look.problem = look.error().message();
    }
    for (const share::SlotHeld& slot : grant.look.slots) {
      if (!table) table = share::ProcessTable::read(host_);
      const share::HostProcess* process =
          table->find(slot.pid, slot.pid_namespace, slot.start_time);
      if (process != nullptr) grant.pids.push_back(process->pid);
    }
    all.grants.push_back(std::move(grant));
  }
}

void Collector::read_processes(Gathered& all) const {
  for (const GpuReading& gpu : all.readings.gpus) {
    for (const ProcessReading& process : gpu.processes) {
      const std::string place = fmt::format("/proc/{}/", process.pid);
      ProcessFacts facts;
      if (const auto command = host_.read_file(place + "comm")) {
        facts.command = first_line(*command);
      }
      if (const auto cgroup = host_.read_file(place + "cgroup")) {
        facts.pod_uid = share::pod_of_cgroup(*cgroup);
      }
      all.processes.emplace(process.pid, std::move(facts));
    }
  }
}

}  // namespace gpunode::top
