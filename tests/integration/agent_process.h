// The real agent as a process, among doubles.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/nvml/control.h"

namespace gpunode::integration {

/// A child process whose standard error goes to a file. Killed when destroyed.
class Process {
 public:
  Process(const std::vector<std::string>& argv,
          const std::map<std::string, std::string>& environment,
          std::string log_path);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }

  /// The exit status, or -signal; blocks until it is there.
  int wait();

  /// Everything it wrote to standard output and error so far.
  std::string log() const;

 private:
  pid_t pid_ = -1;
  std::string log_path_;
};

/// One agent, one kubelet, one driver. A test changes settings, starts what it
/// needs, and looks at the node through the kubelet's eyes.
class AgentTest : public testing::Test {
 protected:
  static constexpr const char* kGpu = "nvidia.com/gpu";

  AgentTest();
  ~AgentTest() override;

  void use_profile(const std::string& name);
  /// What a host with the profile's driver has in /proc and /sys; MIG needs it.
  void lay_host_tree(const std::string& profile) const;
  /// The config file; written before start_agent() or before a reload.
  void write_config(const std::string& text) const;
  void start_kubelet();
  /// `more` follows the arguments that every agent here has.
  void start_agent(const std::vector<std::string>& more = {});

  doubles::KubeletDouble& kubelet() { return *kubelet_; }
  FakeNvmlControl& driver() { return *control_; }
  Process& agent() { return *agent_; }
  const doubles::PluginDirectory& plugins() const { return plugins_; }
  std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }

  /// The list, once the kubelet has one with so many devices, so many healthy.
  bool lists(const std::string& resource, std::size_t devices,
             std::size_t healthy);
  bool registered(const std::string& resource, std::uint64_t times = 1);
  /// GET of the agent's own pages, which start_agent() turns on.
  std::string page(const std::string& path);
  /// Value of a metric without labels, or of the first that has `label`.
  std::optional<double> metric(const std::string& name,
                               const std::string& label = "");
  /// Whether the agent has said this by now, or soon does.
  bool says(const std::string& text) const;

  std::map<std::string, std::string> environment;
  std::vector<std::string> launcher;  ///< Words before the agent's own.

 private:
  doubles::PluginDirectory plugins_;
  std::filesystem::path folder_;
  std::unique_ptr<FakeNvmlControl> control_;
  std::unique_ptr<doubles::KubeletDouble> kubelet_;
  std::unique_ptr<Process> agent_;
};

/// The seed's `config.map.default`.
inline constexpr const char* kSeedConfig =
    "version: v1\n"
    "sharing:\n"
    "  timeSlicing:\n"
    "    failRequestsGreaterThanOne: true\n"
    "    resources:\n"
    "    - name: nvidia.com/gpu\n"
    "      replicas: 20\n";

}  // namespace gpunode::integration
