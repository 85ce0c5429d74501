// gpunode-runtime as an engine runs it, with a low-level runtime that only
// says how it was called.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::runtime {

/// A directory with a fake runc and crun in bin/, a config.toml and a bundle.
class RuntimeProcess : public testing::Test {
 protected:
  RuntimeProcess();

  /// Runs `program` with `arguments`; argv[0] is the program's path.
  host::Completed run(const std::string& program,
                      const std::vector<std::string>& arguments);
  host::Completed run_shim(const std::vector<std::string>& arguments) {
    return run(shim(), arguments);
  }
  static std::string shim();
  static std::string ordinary();

  /// Links `name` in bin/ to `program`; the path of the link.
  std::string named(const std::string& name, const std::string& program) const;

  std::vector<std::string> create(
      const std::vector<std::string>& more = {}) const;
  void write_config(const std::string& text) const;
  std::string read_config() const;
  void write_toml(const std::string& text) const;
  void set_env(const std::string& variable) { env_.push_back(variable); }

  host::HostTree tree_;
  std::vector<std::string> env_;
};

/// `text` without what differs from run to run (the time in log lines).
std::string without_times(std::string text);

}  // namespace gpunode::runtime
