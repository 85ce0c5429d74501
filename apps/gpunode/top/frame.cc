#include "apps/gpunode/top/frame.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/top/table.h"
#include "apps/gpunode/top/turns_text.h"
#include "base/console/page.h"

namespace gpunode::top {
namespace {

using console::Style;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr const char* kUnknown = "-";
/// Of what is no holder's, as long as there is a screen to be shared.
constexpr std::size_t kMostStrangers = 4;

constexpr const char* kKeys =
    "q quit ? help / filter sort: g GPU m mem l limit p Pod r refused t time "
    "w waits";

constexpr const char* kHelp[] = {
    "Keys",
    "  q, Ctrl-C           end",
    "  arrows, j, k        go to another container; also PgUp, PgDn, Home, End",
    "  g m l p r t w       sort by GPU, memory, limit, Pod, refused requests,",
    "                      time, waits; once more: the other way round",
    "  /                   show only what has this text in a name, or is fair,",
    "                      hard, persistent, ...; Enter keeps, Esc drops it",
    "",
    "Columns",
    "  UTIL                of the GPU's last sample period, how much of it a",
    "                      kernel ran, of whoever",
    "  SHARE               replicas that the container has, of those of a GPU",
    "  USED                memory by its account, and what the driver says",
    "                      beyond it (UNACC); of who has none, by the driver",
    "  LIMIT               NONE: it has one, and runs without it, for its",
    "                      programs cannot be limited (onUnsupported)",
    "  PEAK                the most that it has held by its account",
    "  REFUSED             requests that its limit refused",
    "  PART, TIME, WAITS   of the GPU's time: what is its; had since the last",
    "                      look (P: a kernel does not end); had to wait for",
    "  SM                  its processes in the driver's last samples",
    "  -                   nobody tells",
    "",
    "Any key goes back."};

constexpr std::array<const char*, 3> kHistoryOfTurns = {
    "PEAK: the most memory, by its account, since its Pod began.",
    "MEAN, BUSIEST (10 s): of the GPU's time, while it was SEEN by agents.",
    "ENOUGH: replicas that PEAK and BUSIEST would fit into."};

std::string number(const std::optional<std::uint64_t>& value,
                   const char* unit) {
  return value ? fmt::format("{}{}", *value, unit) : kUnknown;
}

std::uint64_t percent(std::uint64_t part, std::uint64_t whole) {
  constexpr std::uint64_t kMost = 999;
  if (whole == 0) return 0;
  const double share =
      static_cast<double>(part) * 100 / static_cast<double>(whole);
  return share > static_cast<double>(kMost) ? kMost
                                            : static_cast<std::uint64_t>(share);
}

std::string power_text(const GpuRow& gpu) {
  if (!gpu.milliwatts) return kUnknown;
  const std::uint64_t now = (*gpu.milliwatts + 500) / 1000;
  if (!gpu.milliwatts_limit) return fmt::format("{} W", now);
  return fmt::format("{}/{} W", now, *gpu.milliwatts_limit / 1000);
}

std::string health_text(const GpuRow& gpu) {
  if (!gpu.trouble.empty()) return gpu.trouble;
  return gpu.is_health_known ? "ok" : "unknown";
}

std::vector<Line> gpu_lines(const Snapshot& snapshot, std::size_t width) {
  const std::vector<Column> columns = {{"GPU", true, 0},
                                       {"PRODUCT", false, 3, true},
                                       {"USED", true, 0},
                                       {"MEMORY", true, 2},
                                       {"%", true, 4},
                                       {"UTIL", true, 1},
                                       {"TEMP", true, 5},
                                       {"POWER", true, 6},
                                       {"HEALTH", false, 0, true}};
  std::vector<std::vector<std::string>> rows;
  for (const GpuRow& gpu : snapshot.gpus) {
    const bool is_measured = gpu.used_bytes && gpu.memory_bytes;
    rows.push_back(
        {std::to_string(gpu.index), gpu.product + (gpu.is_mig ? " (MIG)" : ""),
         gpu.used_bytes ? size_text(*gpu.used_bytes) : kUnknown,
         gpu.memory_bytes ? size_text(*gpu.memory_bytes) : kUnknown,
         is_measured
             ? fmt::format("{}%", percent(*gpu.used_bytes, *gpu.memory_bytes))
             : kUnknown,
         number(gpu.busy_percent, "%"), number(gpu.celsius, "C"),
         power_text(gpu), health_text(gpu)});
  }
  std::vector<Line> lines;
  for (std::string& text : lay_out(columns, rows, width)) {
    const bool is_bad =
        !lines.empty() && !snapshot.gpus[lines.size() - 1].trouble.empty();
    const Style style = lines.empty() ? Style::kHeading
                        : is_bad      ? Style::kBad
                                      : Style::kPlain;
    lines.push_back({std::move(text), style});
  }
  return lines;
}

std::string share_text(const HolderRow& holder) {
  if (holder.of == 0 && holder.replicas == 0) return kUnknown;
  if (holder.of == 0) return "whole";
  return fmt::format("{}/{}", holder.replicas, holder.of);
}

std::string limit_text(const HolderRow& holder) {
  if (!holder.is_limited) return kUnknown;
  return holder.why_unlimited.empty() ? size_text(holder.limit_bytes) : "NONE";
}

std::vector<std::string> cells_of(const HolderRow& holder) {
  const bool is_held = holder.is_limited && holder.why_unlimited.empty();
  const auto told = [is_held](std::string text) {
    return is_held ? std::move(text) : std::string(kUnknown);
  };
  return {holder.name(),
          holder.container.empty() ? kUnknown : holder.container,
          holder.gpu,
          share_text(holder),
          part_text(holder),
          time_text(holder),
          waits_text(holder),
          holder.used_bytes ? size_text(*holder.used_bytes) : kUnknown,
          limit_text(holder),
          told(fmt::format("{}%", percent(holder.used_bytes.value_or(0),
                                          holder.limit_bytes))),
          told(size_text(holder.peak_bytes)),
          told(size_text(holder.unaccounted_bytes)),
          told(std::to_string(holder.refusals)),
          std::to_string(holder.processes),
          number(holder.sm_percent, "%")};
}

Style style_of(const HolderRow& holder) {
  if (!holder.problem.empty()) return Style::kBad;
  if (!holder.why_unlimited.empty()) return Style::kWarning;
  // What is left of the limit is less than a twentieth.
  const bool is_near =
      holder.is_limited &&
      percent(holder.used_bytes.value_or(0), holder.limit_bytes) >= 95;
  const bool is_persistent = holder.turns && holder.turns->is_persistent;
  return holder.refusals > 0 || is_near || is_persistent ? Style::kWarning
                                                         : Style::kPlain;
}

std::vector<Line> holder_lines(const std::vector<const HolderRow*>& chosen,
                               std::size_t width) {
  // By what goes first where there is no room.
  std::vector<Column> columns = {
      {"POD", false, 0, true}, {"CONTAINER", false, 4, true},
      {"GPU", true, 0},        {"SHARE", true, 3},
      {"PART", true, 4},       {"TIME", true, 1},
      {"WAITS", true, 3},      {"USED", true, 0},
      {"LIMIT", true, 0},      {"%", true, 2},
      {"PEAK", true, 6},       {"UNACC", true, 8},
      {"REFUSED", true, 1},    {"PROCS", true, 7},
      {"SM", true, 5}};
  std::vector<std::vector<std::string>> rows;
  rows.reserve(chosen.size());
  for (const HolderRow* holder : chosen) rows.push_back(cells_of(*holder));
  if (!takes_turns(chosen)) drop_turns(columns, rows);
  std::vector<Line> lines;
  for (std::string& text : lay_out(columns, rows, width)) {
    const Style style =
        lines.empty() ? Style::kHeading : style_of(*chosen[lines.size() - 1]);
    lines.push_back({std::move(text), style});
  }
  return lines;
}

std::string stranger_text(const StrangerRow& one) {
  std::string text = fmt::format("{} process {}", one.gpu, one.pid);
  if (!one.command.empty()) text += fmt::format(" ({})", one.command);
  if (one.used_bytes) text += ", " + size_text(*one.used_bytes);
  if (one.sm_percent) text += fmt::format(", SM {}%", *one.sm_percent);
  if (!one.pod_uid.empty()) {
    text += ", of Pod " + one.pod_uid;
  } else {
    // Whoever has no name is not in this /proc: it has ended, or is another's.
    text += one.command.empty() ? ", not seen in /proc" : ", of no Pod";
  }
  return "GPU " + text + (one.is_bypass ? ", in no account: BYPASS" : "");
}

std::vector<Line> stranger_lines(const Snapshot& snapshot, std::size_t most) {
  std::vector<const StrangerRow*> all;
  for (const StrangerRow& one : snapshot.strangers) all.push_back(&one);
  std::stable_sort(all.begin(), all.end(),
                   [](const StrangerRow* a, const StrangerRow* b) {
                     return a->is_bypass && !b->is_bypass;
                   });
  std::vector<Line> lines;
  const bool is_cut = most != 0 && all.size() > most;
  const std::size_t shown = is_cut ? most - 1 : all.size();
  for (std::size_t i = 0; i < shown; ++i) {
    lines.push_back({stranger_text(*all[i]),
                     all[i]->is_bypass ? Style::kBad : Style::kDim});
  }
  if (is_cut) {
    lines.push_back({fmt::format("and {} more processes that are no holder's",
                                 all.size() - shown),
                     Style::kDim});
  }
  return lines;
}

/// What has no column of the one at the cursor.
std::vector<Line> detail_lines(const HolderRow& holder) {
  if (!holder.problem.empty()) return {{holder.problem, Style::kBad}};
  if (!holder.why_unlimited.empty()) {
    return {{"runs without its limit of " + size_text(holder.limit_bytes) +
                 ": " + holder.why_unlimited,
             Style::kWarning}};
  }
  std::string text = holder.name();
  if (!holder.container.empty()) text += ", " + holder.container;
  if (!holder.resource.empty()) text += ", " + holder.resource;
  text += ", " + holder.device;
  std::string kinds;
  for (std::size_t i = 0; i < share::kMemoryKinds; ++i) {
    if (holder.by_kind[i] == 0 ||
        !share::is_of_sum(static_cast<share::MemoryKind>(i))) {
      continue;
    }
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ",
                         share::name_of(static_cast<share::MemoryKind>(i)),
                         size_text(holder.by_kind[i]));
  }
  if (holder.unaccounted_bytes > 0) {
    kinds += fmt::format("{}unaccounted {}", kinds.empty() ? "" : ", ",
                         size_text(holder.unaccounted_bytes));
  }
  for (std::size_t i = 0; i < holder.pids.size(); ++i) {
    kinds += fmt::format("{} {}",
                         i > 0           ? ","
                         : kinds.empty() ? "processes"
                                         : "; processes",
                         holder.pids[i]);
  }
  std::vector<Line> lines = {{text, Style::kDim}, {kinds, Style::kDim}};
  if (holder.turns) lines.push_back({turns_text(holder), Style::kDim});
  return lines;
}

std::vector<Line> head_lines(const Snapshot& snapshot) {
  std::string title = "gpunode top";
  for (const std::string& word : {snapshot.host, snapshot.time}) {
    if (!word.empty()) title += "  " + word;
  }
  if (!snapshot.driver_version.empty()) {
    title += "  driver " + snapshot.driver_version;
  }
  std::vector<Line> lines = {{title, Style::kHeading}};
  for (const std::string& who : snapshot.awaited) {
    lines.push_back({who + ": ...", Style::kDim});
  }
  if (!snapshot.driver_problem.empty()) {
    lines.push_back({"driver: " + snapshot.driver_problem, Style::kBad});
  }
  if (!snapshot.agent_problem.empty()) {
    lines.push_back({"agent: " + snapshot.agent_problem, Style::kWarning});
  }
  if (!snapshot.share_problem.empty()) {
    lines.push_back({"shares: " + snapshot.share_problem, Style::kBad});
  }
  return lines;
}

void append(std::vector<Line> more, std::vector<Line>& all) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

Line foot_line(const View& view, std::size_t shown, std::size_t all) {
  if (view.is_typing) return {"/" + view.filter + "_", Style::kHeading};
  if (view.filter.empty()) return {kKeys, Style::kDim};
  return {fmt::format("'{}': {} of {} containers; Esc shows all", view.filter,
                      shown, all),
          Style::kHeading};
}

std::string none_text(const Snapshot& snapshot) {
  if (snapshot.holders.empty() && !snapshot.awaited.empty()) return "...";
  return snapshot.holders.empty() ? "No container is known to hold a GPU."
                                  : "No container has this text in a name.";
}

std::vector<Line> help(Room room) {
  std::vector<Line> lines;
  for (const char* text : kHelp) {
    if (room.height != 0 && lines.size() == room.height) break;
    lines.push_back({cut(text, room.width),
                     lines.empty() ? Style::kHeading : Style::kPlain});
  }
  return lines;
}

std::vector<Line> draw_all(const Snapshot& snapshot, const View& view,
                           std::size_t width) {
  std::vector<Line> lines = head_lines(snapshot);
  if (!snapshot.gpus.empty()) {
    lines.push_back({});
    append(gpu_lines(snapshot, width), lines);
  }
  lines.push_back({});
  const auto chosen = choose(snapshot, view);
  if (chosen.empty()) {
    lines.push_back({none_text(snapshot), Style::kDim});
  } else {
    append(holder_lines(chosen, width), lines);
  }
  if (!snapshot.strangers.empty()) {
    lines.push_back({});
    append(stranger_lines(snapshot, 0), lines);
  }
  return lines;
}

/// So many of `lines` that they have `room`; the first one stays.
void clip(std::vector<Line>& lines, std::size_t room, const char* what) {
  if (lines.size() <= room || room < 2) return;
  const std::size_t left = lines.size() - (room - 1);
  lines.resize(room - 1);
  lines.push_back({fmt::format("and {} more {}", left, what), Style::kDim});
}

/// A screen: the head, GPUs in a third of it at most, the holders around the
/// cursor, and below them what stays at its place.
std::vector<Line> draw_screen(const Snapshot& snapshot, const View& view,
                              Room room) {
  std::vector<Line> lines = head_lines(snapshot);
  if (!snapshot.gpus.empty()) {
    std::vector<Line> gpus = gpu_lines(snapshot, room.width);
    clip(gpus, std::max<std::size_t>(3, room.height / 3), "GPUs");
    append(std::move(gpus), lines);
  }
  const auto chosen = choose(snapshot, view);
  const std::size_t cursor =
      chosen.empty() ? 0 : std::min(view.cursor, chosen.size() - 1);
  std::vector<Line> below;
  if (room.height >= lines.size() + 8) {
    below = stranger_lines(snapshot, kMostStrangers);
    if (!chosen.empty()) append(detail_lines(*chosen[cursor]), below);
  }
  below.push_back(foot_line(view, chosen.size(), snapshot.holders.size()));

  std::vector<Line> holders;
  if (chosen.empty()) {
    holders.push_back({none_text(snapshot), Style::kDim});
  } else {
    // Two columns are the cursor's.
    holders = holder_lines(chosen, room.width > 2 ? room.width - 2 : 1);
    holders[cursor + 1].text = cut("> " + holders[cursor + 1].text, room.width);
    for (std::size_t i = 0; i < holders.size(); ++i) {
      if (i == cursor + 1) continue;
      holders[i].text = cut("  " + holders[i].text, room.width);
    }
  }
  const std::size_t taken = lines.size() + below.size();
  const std::size_t left = room.height > taken + 2 ? room.height - taken : 2;
  if (holders.size() > left) {
    const std::size_t rows = left - 1;
    const std::size_t first =
        std::min(cursor < rows ? 0 : cursor - rows + 1, chosen.size() - rows);
    const auto begin = holders.begin() + 1;
    holders.erase(begin + static_cast<std::ptrdiff_t>(first + rows),
                  holders.end());
    holders.erase(begin, begin + static_cast<std::ptrdiff_t>(first));
  }
  append(std::move(holders), lines);
  while (lines.size() + below.size() < room.height) lines.push_back({});
  append(std::move(below), lines);
  return lines;
}

void fit(std::vector<Line>& lines, Room room) {
  if (room.height != 0 && lines.size() > room.height) lines.resize(room.height);
  for (Line& line : lines) {
    line.text = cut(console::printable(line.text), room.width);
  }
}

/// Replicas that the most that it has held, and the most of the GPU's time that
/// it has had, would have fitted into.
std::uint64_t enough(const HolderRow& holder) {
  if (holder.replicas == 0 || holder.limit_bytes == 0) return 0;
  const double of_limit = std::max(static_cast<double>(holder.peak_bytes) /
                                       static_cast<double>(holder.limit_bytes),
                                   peak_of_part(holder));
  const auto needed = static_cast<std::uint64_t>(
      std::ceil(of_limit * static_cast<double>(holder.replicas)));
  return std::clamp<std::uint64_t>(needed, 1, holder.replicas);
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes < kGiB) return fmt::format("{} MiB", bytes / kMiB);
  return fmt::format("{:.1f} GiB",
                     static_cast<double>(bytes) / static_cast<double>(kGiB));
}

std::vector<Line> draw(const Snapshot& snapshot, const View& view, Room room) {
  if (view.shows_help) return help(room);
  std::vector<Line> lines = room.height == 0
                                ? draw_all(snapshot, view, room.width)
                                : draw_screen(snapshot, view, room);
  fit(lines, room);
  return lines;
}

std::vector<Line> draw_history(const Snapshot& snapshot, const View& view,
                               std::size_t width) {
  std::vector<const HolderRow*> chosen;
  for (const HolderRow* holder : choose(snapshot, view)) {
    if (holder->is_limited) chosen.push_back(holder);
  }
  std::stable_sort(
      chosen.begin(), chosen.end(), [](const HolderRow* a, const HolderRow* b) {
        return a->limit_bytes - std::min(a->limit_bytes, a->peak_bytes) >
               b->limit_bytes - std::min(b->limit_bytes, b->peak_bytes);
      });
  std::vector<Line> lines = head_lines(snapshot);
  lines.push_back({});
  if (chosen.empty()) {
    lines.push_back({"No container here is held to a share.", Style::kDim});
    fit(lines, {width, 0});
    return lines;
  }
  std::vector<Column> columns = {
      {"POD", false, 0, true}, {"CONTAINER", false, 4, true},
      {"GPU", true, 3},        {"SHARE", true, 1},
      {"LIMIT", true, 0},      {"PEAK", true, 0},
      {"%", true, 2},          {"REFUSED", true, 5},
      {"PART", true, 4},       {"MEAN", true, 2},
      {"BUSIEST", true, 1},    {"SEEN", true, 6},
      {"ENOUGH", true, 0}};
  std::vector<std::vector<std::string>> rows;
  for (const HolderRow* holder : chosen) {
    const std::uint64_t needed = enough(*holder);
    rows.push_back(
        {holder->name(),
         holder->container.empty() ? kUnknown : holder->container, holder->gpu,
         share_text(*holder), limit_text(*holder),
         size_text(holder->peak_bytes),
         fmt::format("{}%", percent(holder->peak_bytes, holder->limit_bytes)),
         std::to_string(holder->refusals), part_text(*holder),
         mean_text(*holder), busiest_text(*holder), seen_text(*holder),
         !holder->problem.empty() || !holder->why_unlimited.empty() ||
                 needed == 0
             ? kUnknown
             : std::to_string(needed)});
  }
  const bool has_turns = takes_turns(chosen);
  if (!has_turns) drop_turns(columns, rows);
  for (std::string& text : lay_out(columns, rows, width)) {
    lines.push_back(
        {std::move(text), lines.empty() ? Style::kHeading : Style::kPlain});
  }
  if (has_turns) {
    lines.push_back({});
    for (const char* text : kHistoryOfTurns) {
      lines.push_back({text, Style::kDim});
    }
  }
  fit(lines, {width, 0});
  return lines;
}

}  // namespace gpunode::top
