#include "node/provision/key_actions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "node/facts/os_release.h"
#include "node/provision/journal.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/openpgp_key.h"
#include "node/provision/packages/repository.h"

namespace gpunode::provision {
namespace {

// Real ones have 2 to 10 KB.
constexpr std::size_t kKeyLimitBytes = std::size_t{256} << 10U;
constexpr std::string_view kFileScheme = "file://";

std::int64_t now_seconds() {
  return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

/// What gets `url` into the file `to`: what each family has for its own
/// packages, so that proxies and certificates are theirs.
std::vector<std::string> fetch_argv(packages::Tool tool, const std::string& url,
                                    const std::string& to) {
  if (tool == packages::Tool::kApt) {
    return {"/usr/lib/apt/apt-helper", "download-file", url, to};
  }
  return {"/usr/bin/curl",
          "--proto",
          "=https,http",
          "--proto-redir",
          "=https",
          "--fail",
          "--location",
          "--silent",
          "--show-error",
          "--max-time",
          "120",
          "--max-filesize",
          std::to_string(kKeyLimitBytes),
          "--output",
          to,
          "--",
          url};
}

}  // namespace

Result<void> KeyActions::check(const FetchKey& action,
                               const std::string& key) const {
  TRY_VOID(packages::check_key(key, action.fingerprints, now_seconds()));
  if (!host_.exists("/usr/bin/sqv")) return {};
  TRY(const auto keys, packages::parse_openpgp_keys(key));
  const auto weak =
      std::ranges::find_if(keys, &packages::OpenPgpKey::is_weakly_bound);
  if (weak == keys.end()) return {};
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("repository key {} is bound by SHA-1 alone, and apt "
                           "here takes no such key since 2026-02-01; next: use "
                           "the repository of this very release, which has "
                           "another key; do not lower apt's policy",
                           weak->fingerprint));
}

Result<std::string> KeyActions::fetch(const std::string& url) {
  if (url.starts_with(kFileScheme)) {
    return host_.read_file(url.substr(kFileScheme.size()), kKeyLimitBytes);
  }
  TRY(const std::string text, host_.read_file("/etc/os-release"));
  TRY(const facts::OsRelease os, facts::parse_os_release(text));
  TRY(const packages::Tool tool, package_tool(os));
  // Ours alone: nobody else can put a key there meanwhile.
  const std::string to = fmt::format("{}/fetch/key", kStateDirectory);
  TRY_VOID(host::replace_host_file(host_, to, "", {.mode = 0600}));
  packages::ToolRunner tools(tool, runner_, settings_, {}, host_);
  const auto done = tools.act(fmt::format("fetch the key {}", url),
                              fetch_argv(tool, url, host_.outside(to)));
  auto key = host_.read_file(to, kKeyLimitBytes);
  TRY_VOID(host::remove_host_file(host_, to));
  if (!done) return done.error();
  return key;
}

Result<std::string> KeyActions::content_of(const FetchKey& action) {
  const auto there = host_.read_file(action.path, kKeyLimitBytes);
  if (there && check(action, *there)) return *there;
  if (const auto known = fetched_.find(action.url);
      known != fetched_.end() && check(action, known->second)) {
    return known->second;
  }
  TRY(std::string key, fetch(action.url));
  if (auto good = check(action, key); !good) {
    return std::move(good).error().with_context("the key of " + action.url);
  }
  // apt tells the two forms by the name.
  const bool is_armoured = key.find("-----BEGIN PGP") != std::string::npos;
  if (action.path.ends_with(".asc") && !is_armoured) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the key of {} is not ASCII-armoured, and apt "
                             "would not read it as {}",
                             action.url, action.path));
  }
  fetched_[action.url] = key;
  return key;
}

}  // namespace gpunode::provision
