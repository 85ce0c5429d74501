#include "share/grants/reconciliation.h"

#include <algorithm>

namespace gpunode::share {
namespace {

std::uint64_t held_by(const std::vector<GrantProcess>& processes,
                      std::uint32_t pid) {
  std::uint64_t bytes = 0;
  for (const GrantProcess& one : processes) {
    if (one.pid == pid) bytes = std::max(bytes, one.bytes);
  }
  return bytes;
}

bool is_hexadecimal(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

std::uint64_t unaccounted_bytes(const std::vector<GrantProcess>& before,
                                const std::vector<GrantProcess>& after,
                                const std::vector<device::ProcessUse>& driver) {
  std::uint64_t unaccounted = 0;
  for (const GrantProcess& one : after) {
    const std::uint64_t known = std::max(one.bytes, held_by(before, one.pid));
    for (const device::ProcessUse& use : driver) {
      if (use.pid == one.pid && use.bytes > known) {
        unaccounted += use.bytes - known;
      }
    }
  }
  return unaccounted;
}

std::string pod_of_cgroup(const std::string& cgroup) {
  // "…/kubepods/burstable/pod<uid>/…" or "…-pod<uid with _>.slice/…".
  constexpr std::size_t kUid = 36;
  // Of another cgroup namespace it is told from where the reader is.
  const bool is_relative = cgroup.find("/../") != std::string::npos;
  if (!is_relative && cgroup.find("kubepods") == std::string::npos) return {};
  for (std::size_t at = cgroup.find("pod"); at != std::string::npos;
       at = cgroup.find("pod", at + 1)) {
    std::string uid = cgroup.substr(at + 3, kUid);
    std::replace(uid.begin(), uid.end(), '_', '-');
    const bool is_uid = uid.size() == kUid && uid[8] == '-' && uid[13] == '-' &&
                        uid[18] == '-' && uid[23] == '-' &&
                        std::all_of(uid.begin(), uid.end(), [](char c) {
                          return c == '-' || is_hexadecimal(c);
                        });
    if (is_uid) return uid;
  }
  return {};
}

}  // namespace gpunode::share
