#include "agent/resource/preferred_allocator.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "agent/resource/replica_id.h"

namespace gpunode::resource {
namespace {

constexpr std::string_view kCalled =
    "error getting list of preferred allocation devices";

}  // namespace

/// A call's ids as positions.
struct PreferredAllocator::Request {
  std::vector<std::size_t> required;    // In the order asked, each once.
  std::vector<bool> is_candidate;       // By position: available, not required.
  std::vector<std::size_t> candidates;  // How many, by Device.
  std::size_t candidate_count = 0;
  bool has_shared = false;
};

PreferredAllocator::PreferredAllocator(const Resource& resource,
                                       const device::Topology& topology,
                                       config::AllocationPolicy policy)
    : resource_(resource), policy_(policy) {
  const auto& devices = resource.devices();
  if (std::none_of(devices.begin(), devices.end(),
                   [](const Device& one) { return one.is_mig(); })) {
    aligned_choice_.emplace(Affinity(devices, topology));
  }
}

Result<std::vector<std::string>> PreferredAllocator::prefer(
    const std::vector<std::string>& available,
    const std::vector<std::string>& must_include, std::int32_t size) const {
  TRY(Request request, resolve(available, must_include));
  if (aligned_choice_ && !request.has_shared) return aligned(request, size);
  if (resource_.sharing().strategy == config::SharingStrategy::kShares) {
    const auto wanted = static_cast<std::size_t>(std::max(size, 0));
    std::vector<std::size_t> packed = on_one(request, wanted);
    if (packed.empty()) packed = on_whole(request, wanted);
    if (!packed.empty()) return ids_at(packed);
  }
  return spread(std::move(request), size);
}

Result<PreferredAllocator::Request> PreferredAllocator::resolve(
    const std::vector<std::string>& available,
    const std::vector<std::string>& must_include) const {
  Request request;
  request.is_candidate.resize(resource_.replica_count());
  request.candidates.resize(resource_.devices().size());
  for (const std::string& id : available) {
    const auto replica = resource_.find(id);
    if (!replica || request.is_candidate[replica->position]) continue;
    request.is_candidate[replica->position] = true;
    ++request.candidates[replica->device];
    ++request.candidate_count;
  }
  std::vector<bool> is_required(
      must_include.empty() ? 0 : resource_.replica_count());
  for (const std::string& id : must_include) {
    const auto replica = resource_.find(id);
    if (!replica) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: unknown device: {}", kCalled, printable(id)));
    }
    if (is_required[replica->position]) continue;
    is_required[replica->position] = true;
    request.required.push_back(replica->position);
    request.has_shared =
        request.has_shared || resource_.devices()[replica->device].replicas > 0;
    if (!request.is_candidate[replica->position]) continue;
    request.is_candidate[replica->position] = false;
    --request.candidates[replica->device];
    --request.candidate_count;
  }
  for (std::size_t i = 0; i < request.candidates.size(); ++i) {
    request.has_shared =
        request.has_shared ||
        (request.candidates[i] > 0 && resource_.devices()[i].replicas > 0);
  }
  return request;
}

std::vector<std::string> PreferredAllocator::aligned(const Request& request,
                                                     std::int32_t size) const {
  std::vector<std::size_t> required;
  for (const std::size_t position : request.required) {
    required.push_back(resource_.device_at(position));
  }
  std::sort(required.begin(), required.end());
  std::vector<std::size_t> available = required;
  for (std::size_t i = 0; i < request.candidates.size(); ++i) {
    if (request.candidates[i] > 0) available.push_back(i);
  }
  std::sort(available.begin(), available.end());
  std::vector<std::string> ids;
  for (const std::size_t i : aligned_choice_->choose(
           available, required, static_cast<std::size_t>(std::max(size, 0)))) {
    ids.push_back(resource_.devices()[i].id.value);
  }
  return ids;
}

std::vector<std::size_t> PreferredAllocator::on_one(const Request& request,
                                                    std::size_t size) const {
  if (request.required.size() > size) return {};
  const std::size_t needed = size - request.required.size();
  const std::size_t none = request.candidates.size();
  std::size_t best = none;
  for (std::size_t i = 0; i < none; ++i) {
    const bool has_required =
        std::all_of(request.required.begin(), request.required.end(),
                    [&](std::size_t position) {
                      return resource_.device_at(position) == i;
                    });
    if (!has_required || request.candidates[i] < needed) continue;
    // One that is not divided is nobody's who asks for a part, while others
    // have room.
    const auto rank = [&](std::size_t device) {
      return std::pair(resource_.devices()[device].replicas == 0,
                       request.candidates[device]);
    };
    if (best == none || rank(i) < rank(best)) best = i;
  }
  std::vector<std::size_t> positions;
  if (best == none) return positions;
  positions = request.required;
  for (std::size_t at = resource_.first_position(best); positions.size() < size;
       ++at) {
    if (request.is_candidate[at]) positions.push_back(at);
  }
  return positions;
}

std::vector<std::size_t> PreferredAllocator::on_whole(const Request& request,
                                                      std::size_t size) const {
  // What is required of a Device is of those that are free, too.
  std::vector<std::size_t> free_of = request.candidates;
  std::vector<std::size_t> required;
  for (const std::size_t position : request.required) {
    const std::size_t device = resource_.device_at(position);
    ++free_of[device];
    if (required.empty() || required.back() != device) {
      required.push_back(device);
    }
  }
  std::sort(required.begin(), required.end());
  required.erase(std::unique(required.begin(), required.end()), required.end());
  std::vector<std::size_t> available;
  std::size_t each = 0;
  for (std::size_t i = 0; i < free_of.size(); ++i) {
    const std::size_t replicas = resource_.devices()[i].replicas;
    if (free_of[i] != replicas || replicas == 0) continue;
    if (each == 0) each = replicas;
    if (replicas == each) available.push_back(i);
  }
  if (each == 0 || size % each != 0 ||
      !std::includes(available.begin(), available.end(), required.begin(),
                     required.end())) {
    return {};
  }
  const std::size_t wanted = size / each;
  if (wanted > available.size() || wanted < required.size()) return {};
  std::vector<std::size_t> chosen;
  if (aligned_choice_) {
    chosen = aligned_choice_->choose(available, required, wanted);
  } else {
    chosen = required;
    for (const std::size_t i : available) {
      if (chosen.size() == wanted) break;
      if (std::find(required.begin(), required.end(), i) == required.end()) {
        chosen.push_back(i);
      }
    }
  }
  std::vector<std::size_t> positions;
  for (const std::size_t device : chosen) {
    for (std::size_t n = 0; n < each; ++n) {
      positions.push_back(resource_.first_position(device) + n);
    }
  }
  return positions;
}

std::vector<std::string> PreferredAllocator::ids_at(
    const std::vector<std::size_t>& positions) const {
  std::vector<std::string> ids;
  ids.reserve(positions.size());
  for (const std::size_t position : positions) {
    ids.push_back(resource_.id_at(position));
  }
  return ids;
}

Result<std::vector<std::string>> PreferredAllocator::spread(
    Request request, std::int32_t size) const {
  const auto wanted = static_cast<std::size_t>(std::max(size, 0));
  const std::size_t needed = wanted - std::min(wanted, request.required.size());
  if (request.candidate_count < needed) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{}: not enough available devices to satisfy "
                             "allocation",
                             kCalled));
  }
  std::vector<std::size_t> positions = request.required;
  // What is neither available nor asked to be taken from is in use.
  std::vector<std::size_t> taken(request.candidates.size());
  std::vector<std::size_t> next(taken.size());
  std::vector<std::size_t> picked(taken.size());
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const std::size_t replicas =
        std::max<std::size_t>(resource_.devices()[i].replicas, 1);
    taken[i] = replicas - request.candidates[i];
    next[i] = resource_.first_position(i);
  }
  const auto precedes = [&](std::size_t a, std::size_t b) {
    if (taken[a] != taken[b]) {
      return (policy_ == config::AllocationPolicy::kPacked) ==
             (taken[a] > taken[b]);
    }
    return picked[a] < picked[b];
  };
  for (std::size_t n = 0; n < needed; ++n) {
    std::size_t best = taken.size();
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if (request.candidates[i] == 0) continue;
      if (best == taken.size() || precedes(i, best)) best = i;
    }
    while (!request.is_candidate[next[best]]) ++next[best];
    positions.push_back(next[best]++);
    ++taken[best];
    ++picked[best];
    --request.candidates[best];
  }
  return ids_at(positions);
}

}  // namespace gpunode::resource
