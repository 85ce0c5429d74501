// Events of events.k8s.io/v1: what kubectl describe shows under an object.
//
// The same words again make the first Event's count grow instead of another
// Event, and not more than once a minute: an object that flaps for a day leaves
// one line, and the API server little work.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/time_text.h"

namespace gpunode::kube {

/// The object that an Event is about.
struct ObjectReference {
  std::string api_version;  ///< "v1".
  std::string kind;         ///< "Node".
  std::string space;        ///< Empty for what has none.
  std::string name;
  std::string uid;  ///< Of a Node its name: kubectl looks for that.

  auto parts() const { return std::tie(api_version, kind, space, name, uid); }
};

struct EventText {
  ObjectReference about;
  bool is_warning = false;
  std::string reason;  ///< "ConfigApplied": one word for programs.
  std::string action;  ///< "ApplyConfig": what was being done.
  std::string note;    ///< For people; at most 1 KiB is kept.

  auto parts() const {
    return std::tuple_cat(about.parts(),
                          std::tie(is_warning, reason, action, note));
  }

  /// In no order that means anything.
  friend bool operator<(const EventText& a, const EventText& b) {
    return a.parts() < b.parts();
  }
};

/// Which write an occurrence needs. Pure.
class EventSeries {
 public:
  static constexpr std::size_t kMaxSeries = 128;
  static constexpr std::chrono::minutes kQuiet{1};       ///< Between writes.
  static constexpr std::chrono::minutes kForgotten{30};  ///< Server: 1 hour.

  struct Write {
    enum class Kind { kNone, kCreate, kCount };
    Kind kind = Kind::kNone;
    std::string name;  ///< Of the Event.
    unsigned count = 1;
  };

  Write occurred(const EventText& text, TimePoint now, WallTime wall);

  /// The Event is not there any more: the next occurrence makes another.
  void forget(const EventText& text) { series_.erase(text); }

 private:
  struct Series {
    std::string name;
    unsigned count = 1;
    TimePoint written;
  };

  void make_room(TimePoint now);

  std::map<EventText, Series> series_;
};

/// Who reports: "gpunode.io/agent" on "gpu-1".
struct EventReporter {
  std::string controller;
  std::string instance;
};

/// The Event as JSON.
std::string event_json(const EventText& text, const EventReporter& reporter,
                       const std::string& name, WallTime wall);

/// The patch that says that it occurred `count` times, lastly at `wall`.
std::string event_count_json(unsigned count, WallTime wall);

/// The namespace that an Event about this is in.
std::string event_space(const ObjectReference& about);

/// Writes Events. One thread, the client's.
class EventRecorder {
 public:
  EventRecorder(Client& client, EventReporter reporter, const Clock& clock,
                std::function<WallTime()> wall)
      : client_(client),
        reporter_(std::move(reporter)),
        clock_(clock),
        wall_(std::move(wall)) {}

  /// An Event that cannot be written is lost: who records one has better
  /// things to do than to try again. The Error is for a log line.
  Result<void> record(const EventText& text);

 private:
  Client& client_;
  EventReporter reporter_;
  const Clock& clock_;
  std::function<WallTime()> wall_;
  EventSeries series_;
};

}  // namespace gpunode::kube
