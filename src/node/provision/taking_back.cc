#include "node/provision/taking_back.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::provision {
namespace {

/// Whether a run before this one stopped a unit for the Step and came to start
/// it no more.
bool is_over_a_cut(const std::vector<JournalLine>& lines, std::size_t begin,
                   const std::string& step) {
  const History history = history_of(
      {lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(begin)});
  return std::ranges::any_of(
      history.stopped, [&](const auto& one) { return one.second == step; });
}

/// The run's observer is told what is done to undo.
class Told final : public RollbackObserver {
 public:
  explicit Told(RunObserver& observer) : observer_(observer) {}

  void undoing(const Undoing& one) override {
    if (!one.line.inverse.empty()) {
      observer_.action_started(one.line.inverse.front());
    }
  }
  void undone(const Undoing& one, const Result<void>& how) override {
    if (!one.line.inverse.empty()) {
      observer_.action_ended(one.line.inverse.front(), how);
    }
  }

 private:
  RunObserver& observer_;
};

/// "a and b run", "a runs".
std::string with_verb(const std::vector<std::string>& units, const char* one,
                      const char* several) {
  return fmt::format("{} {}", fmt::join(units, " and "),
                     units.size() == 1 ? one : several);
}

}  // namespace

std::size_t begin_of_run(const std::vector<JournalLine>& lines) {
  for (std::size_t at = lines.size(); at > 0; --at) {
    if (lines[at - 1].event == JournalEvent::kRun) return at - 1;
  }
  return 0;
}

Result<void> roll_back_told(const std::vector<Undoing>& plan,
                            Performer& performer, Journal& journal,
                            RunObserver& observer) {
  Told told(observer);
  return roll_back(plan, performer, journal, told);
}

TakingBack plan_taking_back(const std::vector<JournalLine>& lines,
                            const std::string& step,
                            const std::vector<Action>& actions,
                            std::size_t failed) {
  const std::size_t begin = begin_of_run(lines);
  const History history = history_of(lines);
  TakingBack back;
  bool is_started = false;
  std::set<std::string> stopped;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const auto* set = std::get_if<SetUnit>(&actions[i]);
    if (set == nullptr || set->active == Wish::kAsIs) continue;
    if (set->active == Wish::kNo) {
      stopped.insert(set->unit);
      continue;
    }
    const auto owed = history.stopped.find(set->unit);
    const bool is_owed = owed != history.stopped.end() && owed->second == step;
    if (is_owed) back.stopped.push_back(set->unit);
    is_started |= i <= failed && (is_owed || stopped.contains(set->unit));
  }
  if (back.stopped.empty() || is_started || is_over_a_cut(lines, begin, step)) {
    return back;
  }
  const std::uint64_t after = begin < lines.size() ? lines[begin].seq : 0;
  back.plan = plan_rollback(lines, {.after = after, .step = step}, {});
  // A part that cannot be undone: the rest stands, too.
  if (std::ranges::any_of(back.plan, &Undoing::left)) back.plan.clear();
  return back;
}

std::string words_of_stopped(const TakingBack& back, const std::string& step) {
  if (back.stopped.empty()) return "";
  return fmt::format(
      "; {} stopped still: mend it and `gpunode apply` goes on and starts {}, "
      "or `gpunode rollback --step {}` puts back what was there",
      with_verb(back.stopped, "is", "are"),
      back.stopped.size() == 1 ? "it" : "them", step);
}

std::string take_back(const TakingBack& back, const std::string& step,
                      Performer& performer, Journal& journal,
                      RunObserver& observer) {
  const auto undone = roll_back_told(back.plan, performer, journal, observer);
  if (!undone) {
    return fmt::format("; what {} did could not all be undone: {}{}", step,
                       undone.error().message(), words_of_stopped(back, step));
  }
  return fmt::format("; what {} did is undone, and {} again as before", step,
                     with_verb(back.stopped, "runs", "run"));
}

}  // namespace gpunode::provision
