// Modules that DKMS builds: for which kernels they are there.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// A package's scriptlet builds as well and hides that it failed
/// (open-gpu-kernel-modules issue 805): so what counts here is the module's own
/// file, for every kernel. One thread.
class ModuleActions {
 public:
  ModuleActions(host::HostRoot host, host::CommandRunner& runner)
      : host_(std::move(host)), runner_(runner) {}

  /// The kernels that lack the module are taken off again.
  Result<Inverse> prepare(const BuildModule& action) const;

  /// All are built before any is installed: where one kernel fails, none gets
  /// the module. kUnavailable then, with the end of make.log; kNotFound if no
  /// source of the module is there.
  Result<void> perform(const BuildModule& action) const;

 private:
  /// Of DKMS, as "-m" and "-v" take it; empty: there is none.
  struct Source {
    std::string name;
    std::string version;
  };

  Source find_source(const BuildModule& action) const;
  Result<void> check_source(const BuildModule& action,
                            const Source& source) const;
  Result<bool> is_there(const BuildModule& action, const Source& source,
                        const std::string& kernel) const;
  Result<std::vector<std::string>> kernels_without(const BuildModule& action,
                                                   const Source& source) const;
  Result<void> dkms(const Source& source, const std::string& kernel,
                    std::string_view verb) const;
  Result<void> take_off(const BuildModule& action, const Source& source) const;
  std::string log_of(const Source& source, const std::string& kernel) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
};

/// The last 40 lines of a log, control characters made harmless.
std::string last_lines(std::string_view log);

}  // namespace gpunode::provision
