// Keys of repositories, fetched by the host's own means and looked at.
#pragma once

#include <map>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::provision {

/// One thread. `runner` must outlive it.
class KeyActions {
 public:
  KeyActions(const host::HostRoot& host, host::CommandRunner& runner,
             packages::Settings settings)
      : host_(host), runner_(runner), settings_(std::move(settings)) {}

  /// What the key's file is to hold: what is there if it will do, else what
  /// apt's own helper or curl gets from the URL. Nothing is put in place.
  ///
  /// Refused (kPermissionDenied): a key that is not pinned, has expired, or
  /// that apt or rpm here does not take since only SHA-1 binds it. kCorrupt:
  /// no key at all, as a web page.
  Result<std::string> content_of(const FetchKey& action);

 private:
  Result<std::string> fetch(const std::string& url);
  Result<void> check(const FetchKey& action, const std::string& key) const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
  packages::Settings settings_;
  /// What was fetched and is not in place yet, by URL: prepared and performed
  /// is one fetch.
  std::map<std::string, std::string> fetched_;
};

}  // namespace gpunode::provision
