#include "apps/gpunode/top/collector.h"

#include <unistd.h>

#include <optional>
#include <thread>
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

std::string first_line(const std::string& text) {
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
  // It must not outlive who asked, whatever the driver does to it.
  command.argv = {sources.probe, "--use",    "--library",
                  library.path,  "--parent", std::to_string(::getpid())};
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

Gathered Collector::begin() const {
  Gathered all;
  const auto name = host_.read_file("/proc/sys/kernel/hostname");
  if (name) all.host = first_line(*name);
  all.time = rfc3339(std::chrono::system_clock::now());
  return all;
}

Snapshot Collector::look() const {
  Gathered all = begin();
  {
    const std::jthread driver([&] { put(ask_driver(), all); });
    const std::jthread agent([&] { put(ask_agent(), all); });
    put(read_accounts(), all);
  }
  return assemble(all);
}

DriverPart Collector::ask_driver() const {
  DriverPart part;
  Result<Readings> readings = read_driver(driver_root_, sources_, runner_);
  if (readings) {
    part.readings = *std::move(readings);
    part.processes = processes_of(part.readings);
  } else {
    part.problem = readings.error().message();
  }
  return part;
}

AgentPart Collector::ask_agent() const {
  AgentPart part;
  part.counted = std::chrono::steady_clock::now();
  const auto document =
      diagnose::ask_agent(host_.outside(sources_.plugin_directory + kSocket));
  auto status = document ? diagnose::parse_agent_status(*document)
                         : Result<diagnose::AgentStatus>(document.error());
  if (status) {
    part.status = *std::move(status);
  } else {
    part.problem = status.error().message() +
                   "; names are from the kubelet's files, if there are";
    part.status =
        diagnose::look_at_host(host_, sources_.plugin_directory).known;
  }
  diagnose::name_pods(part.status.holders, host_);
  return part;
}

AccountsPart Collector::read_accounts() const {
  AccountsPart part;
  const share::GrantFiles files(host_.outside(share::GrantFiles::kRoot));
  const auto ids = files.list();
  if (!ids) {
    part.problem = ids.error().message();
    return part;
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
    part.grants.push_back(std::move(grant));
  }
  return part;
}

std::map<std::uint32_t, ProcessFacts> Collector::processes_of(
    const Readings& readings) const {
  std::map<std::uint32_t, ProcessFacts> processes;
  for (const GpuReading& gpu : readings.gpus) {
    for (const ProcessReading& process : gpu.processes) {
      const std::string place = fmt::format("/proc/{}/", process.pid);
      ProcessFacts facts;
      if (const auto command = host_.read_file(place + "comm")) {
        facts.command = first_line(*command);
      }
      if (const auto cgroup = host_.read_file(place + "cgroup")) {
        facts.pod_uid = share::pod_of_cgroup(*cgroup);
      }
      processes.emplace(process.pid, std::move(facts));
    }
  }
  return processes;
}

void put(DriverPart part, Gathered& all) {
  all.readings = std::move(part.readings);
  all.processes = std::move(part.processes);
  all.driver_problem = std::move(part.problem);
}

void put(AgentPart part, Gathered& all) {
  all.status = std::move(part.status);
  all.agent_problem = std::move(part.problem);
  all.counted = part.counted;
}

void put(AccountsPart part, Gathered& all) {
  all.grants = std::move(part.grants);
  all.share_problem = std::move(part.problem);
}

}  // namespace gpunode::top
