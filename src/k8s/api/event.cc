#include "k8s/api/event.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

/// At most `most` bytes, no UTF-8 character cut.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 &&
         (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) {
    --most;
  }
  text.resize(most);
  return text;
}

std::string event_name(const ObjectReference& about, WallTime wall) {
  constexpr std::size_t kMostOfName = 200;  // Of 253, for what follows.
  std::string name = about.name.substr(0, kMostOfName);
  while (!name.empty() && (name.back() == '.' || name.back() == '-')) {
    name.pop_back();
  }
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(
      wall.time_since_epoch());
  return fmt::format("{}.{:x}", name, since.count());
}

}  // namespace

EventSeries::Write EventSeries::occurred(const EventText& text, TimePoint now,
                                         WallTime wall) {
  const auto found = series_.find(text);
  if (found == series_.end() || now - found->second.written > kForgotten) {
    series_.erase(text);
    make_room(now);
    const std::string name = event_name(text.about, wall);
    series_[text] = {name, 1, now};
    return {Write::Kind::kCreate, name, 1};
  }
  Series& series = found->second;
  ++series.count;
  if (now - series.written < kQuiet) return {};
  series.written = now;
  return {Write::Kind::kCount, series.name, series.count};
}

void EventSeries::make_room(TimePoint now) {
  std::erase_if(series_, [now](const auto& entry) {
    return now - entry.second.written > kForgotten;
  });
  if (series_.size() < kMaxSeries) return;
  series_.erase(std::min_element(series_.begin(), series_.end(),
                                 [](const auto& a, const auto& b) {
                                   return a.second.written < b.second.written;
                                 }));
}

std::string event_space(const ObjectReference& about) {
  return about.space.empty() ? "default" : about.space;
}

std::string event_json(const EventText& text, const EventReporter& reporter,
                       const std::string& name, WallTime wall) {
  constexpr std::size_t kMostOfWord = 128;
  constexpr std::size_t kMostOfNote = 1024;
  text::Node event = text::mapping_node();
  const auto put = [&](const text::KeyPath& path, const std::string& value) {
    if (!value.empty()) text::put_at(event, path, text::string_node(value));
  };
  put({"apiVersion"}, "events.k8s.io/v1");
  put({"kind"}, "Event");
  put({"metadata", "name"}, name);
  put({"metadata", "namespace"}, event_space(text.about));
  put({"eventTime"}, micro_time(wall));
  put({"type"}, text.is_warning ? "Warning" : "Normal");
  put({"reason"}, cut(text.reason, kMostOfWord));
  put({"action"}, cut(text.action, kMostOfWord));
  put({"note"}, cut(text.note, kMostOfNote));
  put({"reportingController"}, reporter.controller);
  put({"reportingInstance"}, cut(reporter.instance, kMostOfWord));
  put({"regarding", "apiVersion"}, text.about.api_version);
  put({"regarding", "kind"}, text.about.kind);
  // Servers of 1.20 refuse an Event of another namespace than its object, even
  // if that has none.
  put({"regarding", "namespace"}, event_space(text.about));
  put({"regarding", "name"}, text.about.name);
  put({"regarding", "uid"}, text.about.uid);
  return text::to_json(event);
}

std::string event_count_json(unsigned count, WallTime wall) {
  text::Node patch = text::mapping_node();
  text::put_at(patch, {"series", "count"}, text::integer_node(count));
  text::put_at(patch, {"series", "lastObservedTime"},
               text::string_node(micro_time(wall)));
  return text::to_json(patch);
}

Result<void> EventRecorder::record(const EventText& text) {
  const WallTime wall = wall_();
  const auto write = series_.occurred(text, clock_.now(), wall);
  const std::string space = event_space(text.about);
  switch (write.kind) {
    case EventSeries::Write::Kind::kNone:
      return {};
    case EventSeries::Write::Kind::kCount: {
      auto patched = client_.merge_patch(events(), {space, write.name},
                                         event_count_json(write.count, wall));
      if (patched) return {};
      series_.forget(text);
      if (patched.error().code() == ErrorCode::kNotFound) return record(text);
      return std::move(patched).error();
    }
    case EventSeries::Write::Kind::kCreate: {
      auto made = client_.create(events(), space,
                                 event_json(text, reporter_, write.name, wall));
      if (made) return {};
      series_.forget(text);
      return std::move(made).error();
    }
  }
  return {};
}

}  // namespace gpunode::kube
