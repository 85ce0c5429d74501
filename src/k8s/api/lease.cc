#include "k8s/api/lease.h"

#include <algorithm>
#include <charconv>
#include <optional>
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

/// Whether nobody has written it between the two looks.
bool is_unchanged(const Lease& first, const Lease& now) {
  return first.resource_version == now.resource_version &&
         first.holder == now.holder && first.renew_text == now.renew_text;
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
  lease.renew_text = text::string_at(root, {"spec", "renewTime"});
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

seconds patience_of(const Lease& lease) {
  return std::clamp(lease.duration, LeaseHolder::kDuration, kMostDuration);
}

Result<void> LeaseHolder::write(const Lease& lease, bool is_new) {
  const std::string body = lease_json(key_, lease);
  // Others count from when they see it, which is later.
  const TimePoint sent = clock_.now();
  auto answer = is_new ? client_.create(leases(), key_.space, body)
                       : client_.replace(leases(), key_, body);
  if (!answer) return std::move(answer).error();
  TRY(const Lease written, read_lease(*answer));
  version_ = written.resource_version;
  written_ = sent;
  return {};
}

Error LeaseHolder::lost() const {
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("the lease {}/{} is another's by now, or was taken "
                           "away: this one was not heard of for too long; it "
                           "stops here",
                           key_.space, key_.name));
}

Result<bool> LeaseHolder::is_ours_still() {
  auto json = client_.get(leases(), key_);
  if (!json) {
    if (json.error().code() == ErrorCode::kNotFound) return false;
    return std::move(json).error();
  }
  TRY(const Lease now, read_lease(*json));
  if (now.holder != self_.name) return false;
  version_ = now.resource_version;
  return true;
}

/// Writes it as ours. `version`: of the Lease that is there; empty: none is.
Result<void> LeaseHolder::take_over(const std::string& version) {
  const TimePoint begun = clock_.now();
  auto done =
      write({self_.name, kDuration, wall_(), "", version}, version.empty());
  if (done || done.error().code() != ErrorCode::kAlreadyExists) return done;
  TRY(const bool is_ours, is_ours_still());
  if (is_ours) {
    written_ = begun;
    return {};
  }
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("another one has begun in this cluster at the "
                           "same moment, or has just been heard of (lease "
                           "{}/{}); next: look who, and wait for its end",
                           key_.space, key_.name));
}

Result<void> LeaseHolder::take(const Await& await, const Patience& patience) {
  for (;;) {
    // Anew each time: while the server is away nobody can be heard of, so that
    // counts for nothing.
    auto taken = try_to_take(await);
    if (taken || taken.error().code() != ErrorCode::kUnavailable || !patience ||
        !patience(taken.error())) {
      return taken;
    }
  }
}

Result<void> LeaseHolder::try_to_take(const Await& await) {
  is_lost_ = false;
  std::optional<Lease> first;
  TimePoint seen{};
  for (;;) {
    const TimePoint asked = clock_.now();
    auto json = client_.get(leases(), key_);
    if (!json && json.error().code() == ErrorCode::kNotFound) {
      return take_over("");
    }
    if (!json) return std::move(json).error();
    TRY(const Lease lease, read_lease(*json));
    const bool is_free = lease.holder.empty() || lease.holder == self_.name ||
                         (self_.is_dead && self_.is_dead(lease.holder));
    if (is_free) return take_over(lease.resource_version);
    if (first && !is_unchanged(*first, lease)) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("{} is at work in this cluster and was heard of "
                               "just now; next: wait for its end (lease {}/{})",
                               lease.holder, key_.space, key_.name));
    }
    if (!first) {
      first = lease;
      seen = clock_.now();
    }
    const auto left = std::chrono::ceil<seconds>(seen + patience_of(lease) -
                                                 std::max(asked, seen));
    if (left <= seconds(0)) return take_over(lease.resource_version);
    if (!await(lease, left)) {
      return Error(
          ErrorCode::kAlreadyExists,
          fmt::format("{} has begun in this cluster and was not seen to end; "
                      "next: wait for its end; if it is dead, this is known "
                      "after watching for {} s (lease {}/{})",
                      lease.holder, left.count(), key_.space, key_.name));
    }
  }
}

Result<void> LeaseHolder::renew_now() {
  const Lease mine{self_.name, kDuration, wall_(), "", version_};
  auto done = write(mine, false);
  if (done) return done;
  const bool is_refused = done.error().code() == ErrorCode::kAlreadyExists ||
                          done.error().code() == ErrorCode::kNotFound;
  if (!is_refused) return done;
  TRY(const bool is_ours, is_ours_still());
  if (!is_ours) return lost();
  return write({self_.name, kDuration, wall_(), "", version_}, false);
}

Result<void> LeaseHolder::renew() {
  if (is_lost_) return lost();
  if (version_.empty() || clock_.now() - written_ < kRenewEvery) return {};
  auto done = renew_now();
  if (done) return done;
  if (done.error().code() == ErrorCode::kAlreadyExists ||
      done.error().code() == ErrorCode::kNotFound) {
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
  (void)write({"", {}, {}, "", version_}, false);
  version_.clear();
}

}  // namespace gpunode::kube
