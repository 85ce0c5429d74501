#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/provision/action_json.h"
#include "node/provision/journal.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

constexpr std::array<std::pair<JournalEvent, std::string_view>, 7> kEvents = {{
    {JournalEvent::kRun, "run"},
    {JournalEvent::kBegin, "begin"},
    {JournalEvent::kDone, "done"},
    {JournalEvent::kFailed, "failed"},
    {JournalEvent::kUndone, "undone"},
    {JournalEvent::kReboot, "reboot"},
    {JournalEvent::kEnd, "end"},
}};

constexpr std::array<std::pair<Undo, std::string_view>, 3> kUndos = {{
    {Undo::kExact, "exact"},
    {Undo::kCompensating, "compensating"},
    {Undo::kNone, "none"},
}};

template <class T, std::size_t N>
std::string_view name_of(
    const std::array<std::pair<T, std::string_view>, N>& table, T value) {
  for (const auto& [one, name] : table) {
    if (one == value) return name;
  }
  return "";
}

template <class T, std::size_t N>
bool value_of(const std::array<std::pair<T, std::string_view>, N>& table,
              std::string_view name, T& value) {
  for (const auto& [one, its_name] : table) {
    if (its_name != name) continue;
    value = one;
    return true;
  }
  return false;
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::string();
}

std::uint64_t number_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_unsigned()
             ? found->get<std::uint64_t>()
             : 0;
}

Result<void> read_action(const Json& json, JournalLine& line) {
  if (!json.contains("action") || !json.contains("inverse") ||
      !json["inverse"].is_array() ||
      !value_of(kUndos, text_at(json, "undo"), line.undo)) {
    return Error(ErrorCode::kCorrupt, "it begins nothing");
  }
  TRY(line.action, action_from_json(json["action"].dump()));
  for (const Json& one : json["inverse"]) {
    TRY(Action action, action_from_json(one.dump()));
    line.inverse.push_back(std::move(action));
  }
  return {};
}

Error newer(const std::string& what) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("this gpunode does not know all of it ({}); use the "
                           "gpunode that wrote it, or a newer one",
                           what));
}

Result<JournalLine> parse_line(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("v")) {
    return Error(ErrorCode::kCorrupt, "it is no journal line");
  }
  if (json["v"] != kVersion) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("it is of version {}, and this gpunode knows {}; use the "
                    "gpunode that wrote it, or a newer one",
                    json["v"].dump(), kVersion));
  }
  JournalLine line;
  line.seq = number_at(json, "seq");
  line.time = text_at(json, "time");
  line.boot_id = text_at(json, "boot");
  line.run = text_at(json, "run");
  line.step = text_at(json, "step");
  line.of = number_at(json, "of");
  line.note = text_at(json, "note");
  if (line.seq == 0) return Error(ErrorCode::kCorrupt, "it has no number");
  if (!value_of(kEvents, text_at(json, "event"), line.event)) {
    return newer(fmt::format("event {}", text_at(json, "event")));
  }
  if (line.event != JournalEvent::kBegin) return line;
  // Whole JSON is no line that was cut off: what is unknown in it is of a
  // newer gpunode, and would be lost with its inverse.
  if (auto read = read_action(json, line); !read) {
    return newer(read.error().message());
  }
  return line;
}

}  // namespace

std::string journal_line_text(const JournalLine& line) {
  Json json = {{"v", kVersion},     {"seq", line.seq},
               {"time", line.time}, {"boot", line.boot_id},
               {"run", line.run},   {"event", name_of(kEvents, line.event)}};
  if (!line.step.empty()) json["step"] = line.step;
  if (line.of != 0) json["of"] = line.of;
  if (!line.note.empty()) json["note"] = line.note;
  if (line.action) {
    json["action"] = Json::parse(to_json(*line.action));
    json["undo"] = name_of(kUndos, line.undo);
    json["inverse"] = Json::array();
    for (const Action& action : line.inverse) {
      json["inverse"].push_back(Json::parse(to_json(action)));
    }
  }
  // A note may quote a program's output, whatever its bytes.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<JournalText> parse_journal(std::string_view text) {
  JournalText journal;
  std::size_t number = 0;
  while (journal.whole_bytes < text.size()) {
    ++number;
    const std::size_t end = text.find('\n', journal.whole_bytes);
    if (end == std::string_view::npos) {
      journal.cut_off = true;
      break;
    }
    auto line =
        parse_line(text.substr(journal.whole_bytes, end - journal.whole_bytes));
    // A power cut may leave the last block of a file as zeros.
    const bool is_last = text.find_first_not_of(std::string_view("\0\n", 2),
                                                end) == std::string_view::npos;
    if (!line && line.error().code() == ErrorCode::kCorrupt && is_last) {
      journal.cut_off = true;
      break;
    }
    if (!line) {
      return std::move(line).error().with_context(
          fmt::format("{} line {}", kJournalPath, number));
    }
    if (line->seq != journal.lines.size() + 1) {
      return Error(ErrorCode::kCorrupt,
                   fmt::format("{} line {}: its number is {}: lines are "
                               "missing or were added by hand",
                               kJournalPath, number, line->seq));
    }
    journal.lines.push_back(*std::move(line));
    journal.whole_bytes = end + 1;
  }
  return journal;
}

}  // namespace gpunode::provision
