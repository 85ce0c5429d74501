// What the tests of real package managers share: roots of their own on stub
// repositories, a mirror that fails as told, locks held by other processes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "base/http/scripted_server.h"
#include "node/provision/packages/package_manager.h"

namespace gpunode::packages {

/// The directory that tests/packages/stubs.py filled.
std::string stubs();

/// A little HTTP server over a directory. `status` decides for each path with
/// the number of earlier requests for it: 0 serves the file.
class Mirror {
 public:
  using Status = std::function<int(const std::string& path, int earlier)>;

  explicit Mirror(std::string directory, Status status = {});

  std::string url() const;

  /// How many requests came as to a proxy: with the host's name in them.
  int proxied() const { return proxied_; }

  /// Serves a file's bytes changed, but not their number.
  void spoil(const std::string& part) { spoiled_ = part; }

  /// Serves the first half of such files, as if that were all.
  void truncate(const std::string& part) { truncated_ = part; }

 private:
  void answer(http::Peer& peer, int);

  std::string directory_;
  Status status_;
  std::string spoiled_;
  std::string truncated_;
  std::atomic<int> proxied_{0};
  std::vector<std::pair<std::string, int>> requests_;
  std::unique_ptr<http::ScriptedServer> server_;
};

/// Another process. Ends with the value.
class Bystander {
 public:
  /// Holds an fcntl(2) lock on `path` from before the constructor returns.
  static Bystander locking(const std::string& path);
  /// Does nothing.
  static Bystander idling() { return locking(""); }
  ~Bystander() { end(); }
  Bystander(Bystander&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Bystander& operator=(Bystander&&) = delete;

  pid_t pid() const { return pid_; }
  void end();

 private:
  explicit Bystander(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

/// Runs programs of another root's userland with this one's /tmp, where tests
/// have their roots, and the stubs at their own place. Needs root.
class UserlandRunner final : public host::CommandRunner {
 public:
  UserlandRunner(host::CommandRunner& runner, std::string userland)
      : runner_(runner), userland_(std::move(userland)) {}

  Result<host::Completed> run(const host::Command& command) override;

 private:
  host::CommandRunner& runner_;
  std::string userland_;
};

/// The root that has dnf 5; empty: there is none.
std::string dnf5_userland();
/// Why there is none.
std::string dnf5_obstacle();

/// A root for one tool, and the manager on it.
class RealPackages : public ::testing::Test {
 protected:
  explicit RealPackages(Tool tool) : tool_(tool) {}

  /// The tools are those of that root; of this machine unless said.
  void use_userland(const std::string& userland);

  /// Directories and configuration of an apt of its own: the host's stays out,
  /// and scripts run without a shell of their own in the root.
  void lay_apt_root();

  PackageManager& manager();
  /// What `names` are installed as: "name version", sorted.
  std::vector<std::string> installed(const std::vector<std::string>& names);
  /// simulate() that must succeed.
  TransactionPlan plan(const Transaction& wanted);
  /// simulate(), then apply().
  Applied change(const Transaction& wanted);
  /// Runs any program; its output, whatever its status.
  std::string say(const std::vector<std::string>& argv,
                  const std::vector<std::string>& env = {});

  Tool tool_;
  host::HostTree root_;
  host::SystemCommandRunner runner_;
  std::unique_ptr<UserlandRunner> userland_;  ///< Null: this machine's own.
  host::HostRoot tools_;                      ///< Where they are.
  Settings settings_;
  std::vector<std::chrono::milliseconds> pauses_;
  std::vector<std::string> notices_;
  std::function<void()> on_pause_;  ///< For each pause, if set.
  std::unique_ptr<PackageManager> manager_;
};

/// "install stub-lib 580.1-1", "upgrade stub-lib 580.1-1 580.2-1".
std::vector<std::string> in_words(const std::vector<PackageChange>& changes);

}  // namespace gpunode::packages
