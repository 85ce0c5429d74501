#include "agent/plugin/neighbours.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <utility>

#include <fmt/format.h>

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

std::string refusal_because_of(const Neighbour& neighbour,
                               const std::string& path) {
  if (neighbour.is_gpunode) {
    return fmt::format(
        "another gpunode-agent ({}) has taken its place on {}; a node needs "
        "one: remove either",
        name_of(neighbour), path);
  }
  return fmt::format(
      "another device plugin ({}) serves the kubelet on {}; remove it from "
      "this node (NVIDIA's device plugin or HAMi: uninstall it, or exclude the "
      "node in its DaemonSet; the GPU Operator: kubectl label node NAME "
      "nvidia.com/gpu.deploy.device-plugin=false --overwrite), or start this "
      "agent with --take-over",
      name_of(neighbour), path);
}

}  // namespace gpunode::plugin
