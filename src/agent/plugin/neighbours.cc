#include "agent/plugin/neighbours.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_root.h"
#include "container/oci/device_record.h"
#include "k8s/kubelet/listening_socket.h"

namespace gpunode::plugin {
namespace {

constexpr std::chrono::milliseconds kAnswer{50};

/// /proc/PID/comm: up to 15 bytes, which the process chooses itself.
std::string program_of(pid_t pid) {
  std::string name;
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::getline(file, name);
  for (char& c : name) {
    if (c < ' ' || c > '~') c = '?';
  }
  return name;
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

Neighbours::Neighbours(std::string plugin_directory)
    : directory_(std::move(plugin_directory)) {
  open_directory();
}

void Neighbours::open_directory() {
  mark_.reset(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // One who is being looked for at this very moment finds the mark free: the
  // next look sets it, below.
  if (mark_) (void)::flock(mark_.get(), LOCK_SH | LOCK_NB);
}

bool Neighbours::another_agent_runs() {
  struct stat marked {};
  struct stat named {};
  if (!mark_ || ::fstat(mark_.get(), &marked) != 0 ||
      ::stat(directory_.c_str(), &named) != 0 || !is_same_file(marked, named)) {
    open_directory();  // The directory was made anew.
  }
  if (!mark_) return false;
  const bool is_alone = ::flock(mark_.get(), LOCK_EX | LOCK_NB) == 0;
  (void)::flock(mark_.get(), LOCK_SH | LOCK_NB);
  return !is_alone;
}

std::optional<Neighbour> Neighbours::on_socket(const std::string& path) {
  const Result<UniqueFd> connection = kubelet::connect_unix(path, kAnswer);
  if (!connection) return std::nullopt;
  Neighbour found;
  // For a client these are the credentials of whoever called listen().
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(connection->get(), SOL_SOCKET, SO_PEERCRED, &listener,
                   &size) == 0) {
    found.pid = listener.pid;
  }
  if (found.pid > 0) found.program = program_of(found.pid);
  found.is_gpunode = another_agent_runs();
  return found;
}

std::string name_of(const Neighbour& neighbour) {
  if (neighbour.pid <= 0) return "in a container of its own";
  if (neighbour.program.empty()) {
    return fmt::format("process {}", neighbour.pid);
  }
  return fmt::format("{}, process {}", neighbour.program, neighbour.pid);
}

Neighbours::Recorded Neighbours::recorded(const std::string& resource) const {
  Recorded recorded;
  const auto text =
      host::HostRoot().read_file(directory_ + "/" + oci::kDeviceRecordFile);
  if (!text) return recorded;
  const auto record = oci::read_device_record(*text, oci::kDeviceRecordFile);
  if (!record) return recorded;
  for (const auto& one : record->resources) {
    if (one.name == resource) recorded.registered = one.ids;
  }
  for (const auto& one : record->holdings) {
    if (one.resource != resource) continue;
    recorded.held.insert(recorded.held.end(), one.ids.begin(), one.ids.end());
  }
  return recorded;
}

std::optional<std::string> Neighbours::beside(
    const std::function<bool(const std::string& name)>& is_ours) {
  std::error_code none;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_, none)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("nvidia-") || !name.ends_with(".sock") ||
        is_ours(name)) {
      continue;
    }
    std::string path = directory_ + "/" + name;
    if (kubelet::connect_unix(path, kAnswer) && !another_agent_runs()) {
      return path;
    }
  }
  return std::nullopt;
}

std::string refusal_because_of(const Neighbour& neighbour,
                               const std::string& path, Rival rival,
                               const NodeSigns& signs) {
  if (neighbour.is_gpunode) {
    return fmt::format(
        "another gpunode-agent ({}) has taken its place on {}; a node needs "
        "one: remove either",
        name_of(neighbour), path);
  }
  return fmt::format("{} ({}) serves the kubelet on {}; {}", name_of(rival),
                     name_of(neighbour), path, remedy_for(rival, signs));
}

std::string refusal_beside(const Neighbour& neighbour, const std::string& path,
                           Rival rival, const NodeSigns& signs) {
  return fmt::format(
      "{} ({}) serves the kubelet on {}, by another resource name: each GPU "
      "would be given out twice; {}. --take-over cannot take that place, only "
      "the GPU Operator's labels",
      name_of(rival), name_of(neighbour), path, remedy_for(rival, signs));
}

}  // namespace gpunode::plugin
