#include "node/provision/key_actions.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "node/facts/os_release.h"
#include "node/provision/journal.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/lines.h"
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

/// Who on this host takes no key that SHA-1 alone binds, in words; empty: it is
/// taken. apt's sqv by a date of its own; rpm from Enterprise Linux 9 on by the
/// policy for all cryptography, unless its owner lowered that.
std::string refusal_of_weak(const host::HostRoot& host) {
  if (host.exists("/usr/bin/sqv")) {
    return "apt here takes no such key since 2026-02-01";
  }
  const auto text = host.read_file("/etc/os-release");
  const auto policy = host.read_file("/etc/crypto-policies/state/current");
  if (!text || !policy) return {};
  const auto os = facts::parse_os_release(*text);
  constexpr int kFirst = 9;
  if (!os || !os->is_like("rhel") || os->major_version() < kFirst) return {};
  const bool is_lowered = policy->find("SHA1") != std::string::npos ||
                          policy->find("LEGACY") != std::string::npos;
  if (is_lowered && policy->find("NO-SHA1") == std::string::npos) return {};
  return fmt::format("rpm here takes no such key by the policy {}",
                     packages::trimmed(*policy));
}

bool is_web_page(std::string_view text) {
  return text.find("<html") != std::string_view::npos ||
         text.find("<HTML") != std::string_view::npos ||
         text.find("<!DOCTYPE") != std::string_view::npos ||
         text.find("<!doctype") != std::string_view::npos;
}

}  // namespace

Result<void> KeyActions::check(const FetchKey& action,
                               const std::string& key) const {
  if (is_web_page(key)) {
    return Error(ErrorCode::kCorrupt,
                 "a web page came instead of a key; next: look at the address "
                 "with curl: a proxy, a login or a mirror's \"not found\" "
                 "answers there (spec.proxy, spec.mirrors)");
  }
  TRY_VOID(packages::check_key(key, action.fingerprints, now_seconds()));
  TRY(const auto keys, packages::parse_openpgp_keys(key));
  const auto weak =
      std::ranges::find_if(keys, &packages::OpenPgpKey::is_weakly_bound);
  if (weak == keys.end()) return {};
  const std::string who = refusal_of_weak(host_);
  if (who.empty()) return {};
  return Error(
      ErrorCode::kPermissionDenied,
      fmt::format(
          "repository key {} is bound by SHA-1 alone, and {}; next: use "
          "the repository of this very release, which has another key; "
          "do not lower the policy",
          weak->fingerprint, who));
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
