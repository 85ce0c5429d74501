// Runs a package manager: waits for its lock, asks slow mirrors again, and
// says in words what went wrong.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/packages/failure.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// As the desired state has it; empty members are not set.
struct Proxy {
  std::string http;  ///< "http://user:password@proxy:3128".
  std::string https;
  std::string none;  ///< "10.0.0.0/8,.internal".
};

/// What a bundle's packages are known as to apt and dnf.
inline constexpr const char* kBundleRepository = "gpunode-bundle";

struct Settings {
  /// The system whose packages are meant. Another than "/" is handed to the
  /// tools as their --root or --installroot; scripts of packages run in it.
  std::string root = "/";
  /// In the tools' environment, where other users can't read it.
  Proxy proxy;
  /// Only questions will be asked, of what is on this host already: no mirror
  /// is, and apt writes nothing; dnf keeps its log and a mark in its cache.
  bool is_offline = false;
  /// The only repository that is asked, in a file of this name
  /// (kBundleRepository); empty: all of the host's. Not of zypper.
  std::string only_repository = {};
  /// NAME=value, after ours: the last one counts.
  std::vector<std::string> environment;
  /// How long somebody else's lock is waited for, in all.
  std::chrono::milliseconds lock_wait = std::chrono::minutes(5);
  std::chrono::milliseconds lock_poll = std::chrono::seconds(2);
  /// Attempts in all when mirrors fail; the pause doubles from the first.
  int mirror_attempts = 4;
  std::chrono::milliseconds first_pause = std::chrono::seconds(3);
  std::chrono::milliseconds query_timeout = std::chrono::minutes(2);
  /// A change that is cut off leaves a half-installed system: generous.
  std::chrono::milliseconds change_timeout = std::chrono::minutes(90);
};

/// For what would otherwise be real time: pauses, and what is said meanwhile.
struct Waiting {
  /// Returns after that time. Empty: std::this_thread::sleep_for.
  std::function<void(std::chrono::milliseconds)> pause;
  /// One line a pause, for people. May be empty.
  std::function<void(const std::string&)> notice;
};

/// One tool on one host. Not for several threads at once.
class ToolRunner {
 public:
  /// `runner` must outlive this. `host` is where the tools and the processes
  /// that hold their locks are looked at.
  ToolRunner(Tool tool, host::CommandRunner& runner, Settings settings,
             Waiting waiting = {}, host::HostRoot host = host::HostRoot());

  Tool tool() const { return tool_; }
  const Settings& settings() const { return settings_; }
  const host::HostRoot& host() const { return host_; }
  bool has_root() const { return settings_.root != "/"; }
  /// The system whose packages are meant: settings().root, or host() itself.
  host::HostRoot system() const {
    return has_root() ? host::HostRoot(settings_.root) : host_;
  }

  /// Runs a question once; a failing exit status is the caller's to judge.
  Result<host::Completed> ask(const std::vector<std::string>& argv,
                              const std::string& input = "");

  /// What makes a run a success; default: exit status 0.
  using Judge = std::function<bool(const host::Completed&)>;

  /// Runs a command that needs the tool's lock or mirrors, again and again as
  /// the settings say, until `is_done`. `refresh`, if given, is run before a
  /// further attempt when the index was behind its mirror. The Error is
  /// to_error()'s; a lock's names its holder and how long was waited.
  Result<host::Completed> act(const std::string& attempted,
                              const std::vector<std::string>& argv,
                              const std::string& input = "",
                              const Judge& is_done = {},
                              const std::function<void()>& refresh = {});

 private:
  host::Command command(const std::vector<std::string>& argv,
                        const std::string& input,
                        std::chrono::milliseconds timeout) const;
  void pause(std::chrono::milliseconds time, const std::string& why);

  Tool tool_;
  host::CommandRunner& runner_;
  Settings settings_;
  Waiting waiting_;
  host::HostRoot host_;
};

/// Output and errors of a run as one text.
std::string all_output(const host::Completed& completed);

}  // namespace gpunode::packages
