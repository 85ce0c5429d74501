#include "apps/gpunode/commands/share_page.h"

#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/gpunode/commands/share_amount.h"

namespace gpunode::cli {
namespace {

constexpr std::uint64_t kNoMore = ~std::uint64_t{0};

using Compute = diagnose::AgentStatus::Compute;
using Json = nlohmann::ordered_json;

std::string in_mib(std::uint64_t bytes) {
  return fmt::format("{} MiB", bytes >> 20U);
}

Json time_of(const share::DeviceHeld& held, const Compute* use) {
  Json json = {{"part", held.time.thousandths},
               {"policy", share::name_of(held.time.policy)},
               {"priority", held.priority.value},
               {"prioritySource", share::name_of(held.priority.source)}};
  if (use == nullptr) return json;
  json["gpuSeconds"] = use->gpu_seconds;
  json["throttledSeconds"] = use->throttled_seconds;
  json["turns"] = use->turns;
  json["launches"] = use->launches;
  json["persistent"] = use->is_persistent;
  if (use->observed_seconds > 0) {
    json["observedSeconds"] = use->observed_seconds;
    json["meanPart"] = use->mean_part;
    json["peakPart"] = use->peak_part;
  }
  return json;
}

std::string priority_text(share::TurnPriority priority) {
  switch (priority.source) {
    case share::PrioritySource::kPod:
      return fmt::format(", priority {}", priority.value);
    case share::PrioritySource::kHand:
      return fmt::format(", priority {} (set by hand)", priority.value);
    case share::PrioritySource::kNobody:
      break;
  }
  return {};
}

void add_time(const share::DeviceHeld& held, const Compute* use,
              console::Page& page) {
  std::string text = fmt::format(
      "time: {}, {}{}", percent_text(held.time.thousandths),
      share::name_of(held.time.policy), priority_text(held.priority));
  if (use != nullptr) {
    text += fmt::format("; used {:.1f} s, waited {:.1f} s", use->gpu_seconds,
                        use->throttled_seconds);
  }
  page.line(4, text);
  if (use != nullptr && use->is_persistent) {
    page.line(4,
              "a kernel of it does not end, and holds the GPU beside all turns",
              console::Style::kWarning);
  }
}

void add_device(const Share& one, const share::DeviceHeld& held,
                console::Page& page) {
  // What a container says may be anything.
  const std::uint64_t used = held.use.total > kNoMore - held.unaccounted
                                 ? kNoMore
                                 : held.use.total + held.unaccounted;
  page.line(2,
            fmt::format("{}: {} of {}, at most {}; {} processes, {} "
                        "requests refused",
                        held.uuid, in_mib(used), in_mib(held.limit),
                        in_mib(held.use.peak), one.look.slots.size(),
                        held.use.refusals),
            held.use.refusals > 0 ? console::Style::kWarning
                                  : console::Style::kPlain);
  if (held.use.imported() > 0) {
    page.line(4, fmt::format("and {} that others made and pay for",
                             in_mib(held.use.imported())));
  }
  if (held.time.thousandths > 0) {
    add_time(held, one.compute_of(held.uuid), page);
  }
}

}  // namespace

const Compute* Share::compute_of(const std::string& device) const {
  for (const Compute& one : compute) {
    if (one.device == device) return &one;
  }
  return nullptr;
}

std::string json_of(const std::vector<Share>& shares) {
  Json list = Json::array();
  for (const Share& one : shares) {
    Json devices = Json::array();
    for (const share::DeviceHeld& held : one.look.devices) {
      Json kinds;
      for (std::size_t kind = 0; kind < share::kMemoryKinds; ++kind) {
        if (!share::is_of_sum(static_cast<share::MemoryKind>(kind))) continue;
        kinds[share::name_of(static_cast<share::MemoryKind>(kind))] =
            held.use.held[kind];
      }
      Json device = {{"uuid", held.uuid},
                     {"limitBytes", held.limit},
                     {"usedBytes", held.use.total},
                     {"usedByKind", kinds},
                     {"importedBytes", held.use.imported()},
                     {"unaccountedBytes", held.unaccounted},
                     {"peakBytes", held.use.peak},
                     {"refusals", held.use.refusals}};
      if (held.time.thousandths > 0) {
        device["compute"] = time_of(held, one.compute_of(held.uuid));
      }
      devices.push_back(std::move(device));
    }
    list.push_back({{"allocation", one.allocation},
                    {"namespace", one.space},
                    {"pod", one.pod},
                    {"container", one.container},
                    {"processes", one.look.slots.size()},
                    {"problem", one.look.problem},
                    {"unlimited", one.look.why_unlimited},
                    {"devices", devices}});
  }
  // What a container wrote is in none of these but as numbers.
  return Json{{"version", 1}, {"shares", list}}.dump(2) + "\n";
}

console::Page page_of(const std::vector<Share>& shares) {
  console::Page page;
  if (shares.empty()) {
    page.line(0, "No container of this node is held to a share of a GPU.");
  }
  for (const Share& one : shares) {
    page.line(0,
              one.pod.empty()
                  ? one.allocation
                  : fmt::format("{}/{} {}  ({})", one.space, one.pod,
                                one.container, one.allocation),
              console::Style::kHeading);
    for (const share::DeviceHeld& held : one.look.devices) {
      add_device(one, held, page);
    }
    if (!one.look.why_unlimited.empty()) {
      page.line(2, "unlimited: " + one.look.why_unlimited,
                console::Style::kWarning);
    }
    if (!one.look.problem.empty()) {
      page.line(2, one.look.problem, console::Style::kBad);
    }
  }
  return page;
}

}  // namespace gpunode::cli
