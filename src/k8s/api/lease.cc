#include "k8s/api/lease.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using std::chrono::seconds;
using text::Node;

/// The longest duration that is believed: years of a stranger's would be
/// waited for by nobody.
constexpr seconds kMostDuration = std::chrono::hours(1);

seconds seconds_at(const Node& root, const text::KeyPath& path) {
  const Node* const found = text::find_at(root, path);
  int number = 0;
  if (found == nullptr || !found->is(Node::Kind::kInteger)) return seconds(0);
  const std::string& digits = found->scalar;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return seconds(0);
  }
  return seconds(number);
}

}  // namespace

ResourceType leases() {
  return {"coordination.k8s.io", "v1", "leases", true};
}

Result<Lease> read_lease(std::string_view json) {
  TRY(const text::JsonValue value,
      text::read_json(json, "the API server's answer"));
  const Node root = text::tree_of(value);
  Lease lease;
  lease.resource_version =
      text::string_at(root, {"metadata", "resourceVersion"});
  lease.holder = text::string_at(root, {"spec", "holderIdentity"});
  lease.duration = seconds_at(root, {"spec", "leaseDurationSeconds"});
  const std::string renewed = text::string_at(root, {"spec", "renewTime"});
  if (!renewed.empty()) {
    TRY(lease.renewed, parse_time(renewed));
  }
  return lease;
}

std::string lease_json(const ObjectKey& key, const Lease& lease) {
  Node body = text::mapping_node();
  text::put_at(body, {"apiVersion"},
               text::string_node("coordination.k8s.io/v1"));
  text::put_at(body, {"kind"}, text::string_node("Lease"));
  text::put_at(body, {"metadata", "name"}, text::string_node(key.name));
  text::put_at(body, {"metadata", "namespace"}, text::string_node(key.space));
  if (!lease.resource_version.empty()) {
    text::put_at(body, {"metadata", "resourceVersion"},
                 text::string_node(lease.resource_version));
  }
  text::put_at(body, {"spec"}, text::mapping_node());
  if (!lease.holder.empty()) {
    text::put_at(body, {"spec", "holderIdentity"},
                 text::string_node(lease.holder));
    text::put_at(body, {"spec", "leaseDurationSeconds"},
                 text::integer_node(lease.duration.count()));
    text::put_at(body, {"spec", "renewTime"},
                 text::string_node(micro_time(lease.renewed)));
  }
  return text::to_json(body);
}

bool is_held(const Lease& lease, WallTime now) {
  if (lease.holder.empty()) return false;
  return now < lease.renewed + std::min(lease.duration, kMostDuration);
}

Result<void> LeaseHolder::write(const Lease& lease, bool is_new) {
  const std::string body = lease_json(key_, lease);
  auto answer = is_new ? client_.create(leases(), key_.space, body)
                       : client_.replace(leases(), key_, body);
  if (!answer) return std::move(answer).error();
  TRY(const Lease written, read_lease(*answer));
  version_ = written.resource_version;
  written_ = clock_.now();
  return {};
}

Error LeaseHolder::lost() const {
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("the lease {}/{} is another's by now: this one was "
                           "not heard of for too long, or the clocks differ; "
                           "it stops here",
                           key_.space, key_.name));
}

bool LeaseHolder::is_ours_still() {
  const auto json = client_.get(leases(), key_);
  if (!json) return false;
  const auto now = read_lease(*json);
  if (!now || now->holder != self_.name) return false;
  version_ = now->resource_version;
  written_ = clock_.now();
  return true;
}

Result<void> LeaseHolder::take() {
  is_lost_ = false;
  const WallTime now = wall_();
  Lease mine{self_.name, kDuration, now, ""};
  auto json = client_.get(leases(), key_);
  if (!json && json.error().code() != ErrorCode::kNotFound) {
    return std::move(json).error();
  }
  if (json) {
    TRY(const Lease lease, read_lease(*json));
    const bool is_dead = self_.is_dead && self_.is_dead(lease.holder);
    if (is_held(lease, now) && lease.holder != self_.name && !is_dead) {
      const auto left = std::chrono::ceil<seconds>(
          lease.renewed + std::min(lease.duration, kMostDuration) - now);
      return Error(
          ErrorCode::kAlreadyExists,
          fmt::format("{} is at work in this cluster; next: wait for its end, "
                      "or, if it is dead, {} s (lease {}/{})",
                      lease.holder, left.count(), key_.space, key_.name));
    }
    mine.resource_version = lease.resource_version;
  }
  auto done = write(mine, !json);
  if (!done && done.error().code() == ErrorCode::kAlreadyExists) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("another one has begun in this cluster at the "
                             "same moment (lease {}/{}); next: look who, and "
                             "wait for its end",
                             key_.space, key_.name));
  }
  return done;
}

Result<void> LeaseHolder::renew() {
  if (is_lost_) return lost();
  if (version_.empty() || clock_.now() - written_ < kRenewEvery) return {};
  auto done = write({self_.name, kDuration, wall_(), version_}, false);
  if (done) return done;
  if (done.error().code() == ErrorCode::kAlreadyExists ||
      done.error().code() == ErrorCode::kNotFound) {
    if (is_ours_still()) return {};
    version_.clear();
    is_lost_ = true;
    return lost();
  }
  // The rest may pass: nobody takes it over before its duration has.
  if (clock_.now() - written_ < kDuration - kRenewEvery) return {};
  return done;
}

void LeaseHolder::release() {
  if (version_.empty()) return;
  (void)write({"", {}, {}, version_}, false);
  version_.clear();
}

}  // namespace gpunode::kube
