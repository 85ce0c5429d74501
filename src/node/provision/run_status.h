// How far a running action is, for a person or a program that waits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// How long an action usually takes, for a person who waits, by the size of its
/// disks where it works on such; 0: no time at all, or not known before its
/// data is counted (copy_started()).
unsigned usual_seconds(const Action& action);

/// "12 s", "2 min 5 s", "1 h 3 min".
std::string elapsed_words(Duration time);

/// The action that runs now, and since when. One thread.
class RunStatus {
 public:
  struct Bytes {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
  };

  explicit RunStatus(const Clock& clock) : clock_(clock) {}

  void start(std::string words, unsigned usual);
  void end();
  /// Of bytes that are copied, or of disks that are proved. Where nothing was
  /// known of how long it takes, that follows from `total` now.
  void copy_started(std::uint64_t total, std::function<std::uint64_t()> copied);
  void copy_ended() { copied_ = nullptr; }

  bool is_running() const { return is_running_; }
  const std::string& words() const { return words_; }
  unsigned usual() const { return usual_; }
  Duration elapsed() const { return clock_.now() - start_; }
  /// Of a copy; never more than its total.
  std::optional<Bytes> bytes() const;

  /// Until a copy ends, if it goes on as fast as so far; nothing if there is
  /// none, or too little of it to tell.
  std::optional<Duration> left() const;

  /// "12 s (usually 1 min 0 s), 1.2 of 3.4 GiB (35 %), about 25 s left: migrate
  /// /x". The time comes first: a narrow terminal cuts the end.
  std::string line() const;

 private:
  const Clock& clock_;
  TimePoint start_{};
  std::string words_;
  unsigned usual_ = 0;
  bool is_running_ = false;
  std::uint64_t total_ = 0;
  TimePoint copy_start_{};
  std::function<std::uint64_t()> copied_;
};

}  // namespace gpunode::provision
