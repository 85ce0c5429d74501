#include "node/rollout/rollout_text.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::rollout {
namespace {

using console::Page;
using console::Style;
using text::json_array;
using text::json_object;
using text::json_string;
using State = PlannedNode::State;
using End = WalkOutcome::End;

const char* state_name(State state) {
  switch (state) {
    case State::kDone:
      return "done";
    case State::kUnderWay:
      return "under-way";
    case State::kToDo:
      return "to-do";
    case State::kBlocked:
      break;
  }
  return "blocked";
}

std::string work_words(const PlannedNode& one) {
  return fmt::format("{}drain {} Pods ({} stay), apply the file, check{}",
                     one.node.is_cordoned ? "" : "cordon, ", one.leaving,
                     one.staying,
                     one.node.is_cordoned ? "; stays cordoned" : ", uncordon");
}

void node_lines(const PlannedNode& one, Page& page) {
  const std::string& name = one.node.name;
  switch (one.state) {
    case State::kDone:
      page.line(2, fmt::format("= {}  done", name), Style::kDim);
      return;
    case State::kToDo:
      page.line(2, fmt::format("~ {}  {}", name, work_words(one)));
      return;
    case State::kUnderWay:
      page.line(2,
                fmt::format("> {}  goes on: {}", name,
                            phase_name(one.node.mark->phase)),
                one.words.empty() ? Style::kPlain : Style::kWarning);
      break;
    case State::kBlocked:
      page.line(2, fmt::format("! {}  the roll-out would stop here", name),
                Style::kBad);
      break;
  }
  for (const std::string& words : one.words) page.line(6, words);
}

std::string node_json(const PlannedNode& one) {
  std::vector<std::string> words;
  for (const std::string& each : one.words) words.push_back(json_string(each));
  return json_object(
      {{"name", json_string(one.node.name)},
       {"state", json_string(state_name(one.state))},
       {"phase",
        one.node.mark ? json_string(phase_name(one.node.mark->phase)) : "null"},
       {"cordoned", one.node.is_cordoned ? "true" : "false"},
       {"gpus", std::to_string(one.node.gpus)},
       {"podsLeaving", std::to_string(one.leaving)},
       {"podsStaying", std::to_string(one.staying)},
       {"words", json_array(words)}});
}

void each_line(const std::string& text, std::size_t indent, Page& page) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    page.line(indent, line);
  }
}

}  // namespace

Page plan_page(const RolloutPlan& plan) {
  Page page;
  page.line(0,
            fmt::format("Roll-out of file {}, one node at a time",
                        short_digest(plan.digest)),
            Style::kHeading);
  for (const PlannedNode& one : plan.nodes) node_lines(one, page);
  if (plan.nodes.empty()) page.line(2, "no node is selected");
  for (const NodeLook& other : plan.others) {
    page.line(0,
              fmt::format("{} is not selected, and a roll-out that has begun "
                          "there has not ended ({}): it is left alone",
                          other.name, phase_name(other.mark->phase)),
              Style::kWarning);
  }
  page.line(0,
            fmt::format("{} to do, {} under way, {} blocked, {} done",
                        plan.count(State::kToDo), plan.count(State::kUnderWay),
                        plan.count(State::kBlocked), plan.count(State::kDone)));
  return page;
}

const char* end_name(End end) {
  switch (end) {
    case End::kDone:
      return "done";
    case End::kBadNode:
      return "bad-node";
    case End::kRefused:
      return "refused";
    case End::kStopped:
      return "stopped";
    case End::kTrouble:
      break;
  }
  return "trouble";
}

Page outcome_page(const WalkOutcome& outcome) {
  Page page;
  if (outcome.end == End::kDone) {
    page.line(0, fmt::format("Done: {} nodes", outcome.done), Style::kGood);
    return page;
  }
  const std::string where =
      outcome.node.empty() ? "" : fmt::format(" at {}", outcome.node);
  const char* what = outcome.end == End::kStopped ? "Stopped" : "It ends";
  const char* kept = outcome.end == End::kBadNode
                         ? ", which stays cordoned; no other node is touched"
                         : "";
  page.line(0, fmt::format("{}{}{}", what, where, kept),
            outcome.end == End::kStopped ? Style::kWarning : Style::kBad);
  each_line(outcome.words, 2, page);
  each_line(outcome.next, 2, page);
  return page;
}

std::string plan_json(const RolloutPlan& plan) {
  std::vector<std::string> nodes;
  for (const PlannedNode& one : plan.nodes) nodes.push_back(node_json(one));
  std::vector<std::string> others;
  for (const NodeLook& one : plan.others) {
    others.push_back(json_string(one.name));
  }
  return json_object({{"event", json_string("plan")},
                      {"digest", json_string(plan.digest)},
                      {"nodes", json_array(nodes)},
                      {"others", json_array(others)}}) +
         "\n";
}

std::string outcome_json(const WalkOutcome& outcome) {
  return json_object({{"event", json_string("end")},
                      {"end", json_string(end_name(outcome.end))},
                      {"node", json_string(outcome.node)},
                      {"words", json_string(outcome.words)},
                      {"next", json_string(outcome.next)},
                      {"nodesDone", std::to_string(outcome.done)}}) +
         "\n";
}

void RolloutText::node_started(const std::string& node, std::size_t index,
                               std::size_t count) {
  Page page;
  page.line(0, fmt::format("[{}/{}] {}", index + 1, count, node),
            Style::kHeading);
  print_(page);
}

void RolloutText::node_skipped(const std::string& /*node*/) {
  Page page;
  page.line(2, "done before: passed over", Style::kDim);
  print_(page);
}

void RolloutText::did(const std::string& /*node*/, const std::string& what) {
  Page page;
  page.line(2, what);
  print_(page);
}

void RolloutText::waits(const std::string& /*node*/, const std::string& what) {
  Page page;
  page.line(2, "waits: " + what, Style::kDim);
  print_(page);
}

void RolloutText::node_done(const std::string& node) {
  Page page;
  page.line(2, node + " is done", Style::kGood);
  print_(page);
}

void RolloutJson::event(const char* name, const std::string& node,
                        const std::string& words) {
  write_(json_object({{"event", json_string(name)},
                      {"node", json_string(node)},
                      {"words", json_string(words)}}) +
         "\n");
}

void RolloutJson::node_started(const std::string& node, std::size_t index,
                               std::size_t count) {
  event("node", node, fmt::format("{} of {}", index + 1, count));
}

void RolloutJson::node_skipped(const std::string& node) {
  event("skipped", node, "");
}

void RolloutJson::did(const std::string& node, const std::string& what) {
  event("did", node, what);
}

void RolloutJson::waits(const std::string& node, const std::string& what) {
  event("waits", node, what);
}

void RolloutJson::node_done(const std::string& node) {
  event("node-done", node, "");
}

}  // namespace gpunode::rollout
