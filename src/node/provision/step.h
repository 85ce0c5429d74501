// One thing that a node must have, and how it comes to have it.
//
// A Step observes, decides and says; it does nothing. Its probe is `wants()`
// and what facts::observe() finds, its plan a pure function of that, its apply
// a list of Actions, its verification that the same plan, made anew from fresh
// facts, is empty. docs/writing_a_step.md walks through one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"
#include "node/provision/action.h"
#include "node/provision/node_spec.h"

namespace gpunode::provision {

/// What earlier runs left, from the journal (history.h).
struct History {
  /// The last content that we gave each file; empty if we removed it.
  std::map<std::string, std::string> written;
  /// The same of what was begun and not done since: it may be so.
  std::map<std::string, std::string> half_written;
  /// Files that a Step changed in a run that was cut off, or failed, before the
  /// Step was seen through, to the id of that Step: what has to follow such a
  /// change, a restart, may be owed still, although the file is right.
  std::map<std::string, std::string> unsettled;
  /// File systems whose making was cut off by a crash (one that failed is not
  /// among them), by UUID: the serials that were proved blank then.
  std::map<std::string, std::vector<std::string>> half_made;
  /// File systems that were begun and never finished, failed ones too, by UUID:
  /// the serials. What was put together of them is known by its own UUID.
  std::map<std::string, std::set<std::string>> attempted;
  /// Units that ran until a Step stopped them and that no run started since, to
  /// the id of that Step: a stop and what was to start them again lie apart.
  std::map<std::string, std::string> stopped;
  /// File systems that were made, by UUID.
  std::set<std::string> made;
  /// Packages that Steps of ours hold in their versions, by name, to the id of
  /// that Step. What somebody else held before us is not among them.
  std::map<std::string, std::string> held;
};

/// All that a plan may follow from.
struct PlanInput {
  const facts::HostFacts& facts;
  const NodeSpec& spec;
  const History& history;
  /// Serials of disks whose erasure the command line confirmed.
  const std::vector<std::string>& confirmed_wipes;
};

enum class StepState : std::uint8_t {
  kOk,         ///< As it should be.
  kChange,     ///< Actions make it so.
  kDrift,      ///< Somebody changed what we made; actions need a yes for that.
  kBlocked,    ///< A person must act first: `why` and `fix` say what.
  kRefused,    ///< It would endanger data; never done.
  kNotWanted,  ///< The desired state does not ask for it.
};

/// What a Step found and would do.
struct StepPlan {
  StepState state = StepState::kOk;
  std::string why = {};  ///< Of any state but kOk: one sentence.
  std::string fix =
      {};  ///< Of kBlocked and kRefused: what to do, a command if one.
  std::vector<Action> actions = {};  ///< Of kChange and kDrift, in order.
  /// Content before, by path, of files that the actions write: for diffs.
  std::map<std::string, std::string> before = {};
  /// Worth knowing and no reason to stop.
  std::vector<std::string> notes = {};
  /// What a person should see of disks that lose their content: model, serial
  /// and size, one a line.
  std::vector<std::string> destroys = {};

  static StepPlan ok() { return {}; }
  static StepPlan not_wanted(std::string why) {
    return {.state = StepState::kNotWanted, .why = std::move(why)};
  }
  static StepPlan blocked(std::string why, std::string fix) {
    return {.state = StepState::kBlocked,
            .why = std::move(why),
            .fix = std::move(fix)};
  }
  static StepPlan refused(std::string why, std::string fix) {
    return {.state = StepState::kRefused,
            .why = std::move(why),
            .fix = std::move(fix)};
  }
};

/// Stateless; any thread.
class Step {
 public:
  virtual ~Step() = default;

  /// "prep.swap": area and name; never changes, journals have it.
  virtual std::string_view id() const = 0;
  /// What is so when it is done: "swap is off".
  virtual std::string_view title() const = 0;
  /// Why a GPU node needs it, in one sentence.
  virtual std::string_view reason() const = 0;

  /// Ids of earlier Steps that may bring what this one looks at: a package its
  /// unit. What that allows: held_plan.h.
  virtual std::vector<std::string> counts_on() const { return {}; }

  virtual facts::Wanted wants(const NodeSpec& spec) const = 0;
  virtual StepPlan plan(const PlanInput& input) const = 0;
};

}  // namespace gpunode::provision
