// A roll-out as people and programs follow it.
#pragma once

#include <functional>
#include <string>

#include "base/console/page.h"
#include "node/rollout/rollout_plan.h"
#include "node/rollout/walk.h"

namespace gpunode::rollout {

/// What would be done, a line a node: ~ to do, > under way, = done, ! blocked.
console::Page plan_page(const RolloutPlan& plan);

/// How it ended, and what to type next.
console::Page outcome_page(const WalkOutcome& outcome);

/// "done", "bad-node", "refused", "stopped", "trouble".
const char* end_name(WalkOutcome::End end);

// The same as JSON, a line with its newline each (docs/formats/rollout.md).
std::string plan_json(const RolloutPlan& plan);
std::string outcome_json(const WalkOutcome& outcome);

/// One line a happening, flushed: `print` gets a Page each.
class RolloutText final : public WalkObserver {
 public:
  explicit RolloutText(std::function<void(const console::Page&)> print)
      : print_(std::move(print)) {}

  void node_started(const std::string& node, std::size_t index,
                    std::size_t count) override;
  void node_skipped(const std::string& node) override;
  void did(const std::string& node, const std::string& what) override;
  void waits(const std::string& node, const std::string& what) override;
  void node_done(const std::string& node) override;

 private:
  std::function<void(const console::Page&)> print_;
};

/// One JSON object a happening.
class RolloutJson final : public WalkObserver {
 public:
  explicit RolloutJson(std::function<void(const std::string&)> write)
      : write_(std::move(write)) {}

  void node_started(const std::string& node, std::size_t index,
                    std::size_t count) override;
  void node_skipped(const std::string& node) override;
  void did(const std::string& node, const std::string& what) override;
  void waits(const std::string& node, const std::string& what) override;
  void node_done(const std::string& node) override;

 private:
  void event(const char* name, const std::string& node,
             const std::string& words);

  std::function<void(const std::string&)> write_;
};

}  // namespace gpunode::rollout
