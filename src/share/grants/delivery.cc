#include "share/grants/delivery.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/core/unique_fd.h"
#include "base/host/container_label.h"
#include "base/host/file.h"
#include "base/host/host_root.h"

namespace gpunode::share {
namespace {

constexpr const char* kWord = "/on-unsupported";
constexpr const char* kUnlimited = "/unlimited";
constexpr const char* kPreload = "/ld.so.preload";
constexpr std::string_view kLimits = "/limits";
constexpr std::size_t kMostBytes = 4096;
constexpr mode_t kMode = 0644;

/// On tmpfs, as all of a grant.
Result<void> put(const std::string& path, std::string_view text) {
  return host::write_file_atomic(path, text, kMode,
                                 host::Durability::kVolatile);
}

}  // namespace

bool is_allocation_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
         });
}

std::optional<Delivery> Delivery::of_mount(const std::string& root,
                                           std::string_view source) {
  if (!source.starts_with(root) || !source.ends_with(kLimits)) return {};
  source.remove_prefix(root.size());
  source.remove_suffix(std::min(kLimits.size(), source.size()));
  if (!source.starts_with('/') || !is_allocation_id(source.substr(1))) {
    return {};
  }
  return Delivery(root, std::string(source.substr(1)));
}

OnUnsupported Delivery::on_unsupported() const {
  const auto word = host::HostRoot().read_file(place_ + kWord, kMostBytes);
  return word && *word == "unlimited\n" ? OnUnsupported::kUnlimited
                                        : OnUnsupported::kRefuse;
}

bool Delivery::has_word() const {
  return ::access((place_ + kWord).c_str(), F_OK) == 0;
}

Result<void> Delivery::tell(OnUnsupported word) const {
  return put(place_ + kWord,
             word == OnUnsupported::kUnlimited ? "unlimited\n" : "refuse\n");
}

std::string Delivery::why_unlimited() const {
  auto reason = host::HostRoot().read_file(place_ + kUnlimited, kMostBytes);
  if (!reason) return {};
  while (reason->ends_with('\n')) reason->pop_back();
  return *std::move(reason);
}

Result<void> Delivery::tell_unlimited(const std::string& reason) const {
  const std::string path = place_ + kUnlimited;
  if (!reason.empty()) return put(path, reason + "\n");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("remove " + path, errno);
  }
  return {};
}

Result<std::string> Delivery::write_preload(std::string_view text) const {
  const std::string path = place_ + kPreload;
  TRY_VOID(put(path, text));
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd) host::label_for_containers(fd.get());
  return path;
}

void Delivery::forget() const {
  for (const char* name : {kWord, kUnlimited, kPreload}) {
    ::unlink((place_ + name).c_str());
  }
}

}  // namespace gpunode::share
