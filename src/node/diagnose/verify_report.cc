#include "node/diagnose/verify_report.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/core/utf8.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"

namespace gpunode::diagnose {
namespace {

using console::Page;
using console::Style;
using text::json_string;

Style style_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return Style::kGood;
    case Verdict::kWarn:
      return Style::kWarning;
    case Verdict::kFail:
      return Style::kBad;
    case Verdict::kSkip:
      break;
  }
  return Style::kDim;
}

std::size_t count_of(const VerifyChecks& checks, Verdict verdict) {
  return static_cast<std::size_t>(
      std::ranges::count(checks, verdict, &VerifyCheck::verdict));
}

}  // namespace

Verdict verdict_of(const VerifyChecks& checks) {
  for (const Verdict worst : {Verdict::kFail, Verdict::kWarn, Verdict::kPass}) {
    if (count_of(checks, worst) > 0) return worst;
  }
  return Verdict::kSkip;
}

Page verify_page(const VerifyChecks& checks) {
  constexpr std::array<const char*, 8> kTitles = {
      "L0  PCI",       "L1  module",  "L2  NVML", "L3  CUDA",
      "L4  container", "L5  kubelet", "L6  Pod",  "L7  diagnostics"};
  Page page;
  int level = -1;
  for (const VerifyCheck& check : checks) {
    if (check.level != level) {
      level = check.level;
      page.line(0, kTitles.at(static_cast<std::size_t>(level)),
                Style::kHeading);
    }
    page.line(2,
              fmt::format("{}  {:<16}  {}", verdict_name(check.verdict),
                          check.id, check.evidence),
              style_of(check.verdict));
    if (!check.hint.empty()) page.line(8, "next: " + check.hint);
  }
  page.line(0,
            fmt::format("{} passed, {} to look at, {} failed, {} not asked",
                        count_of(checks, Verdict::kPass),
                        count_of(checks, Verdict::kWarn),
                        count_of(checks, Verdict::kFail),
                        count_of(checks, Verdict::kSkip)),
            style_of(verdict_of(checks)));
  return page;
}

std::string verify_json(const VerifyChecks& checks, int level) {
  std::vector<std::string> items;
  items.reserve(checks.size());
  for (const VerifyCheck& check : checks) {
    items.push_back(text::json_object(
        {{"level", std::to_string(check.level)},
         {"id", json_string(check.id)},
         {"verdict", json_string(verdict_name(check.verdict))},
         {"evidence", json_string(mended_utf8(check.evidence))},
         {"hint", json_string(mended_utf8(check.hint))}}));
  }
  return text::json_object(
             {{"version", "1"},
              {"level", std::to_string(level)},
              {"verdict", json_string(verdict_name(verdict_of(checks)))},
              {"checks", text::json_array(items)}}) +
         "\n";
}

}  // namespace gpunode::diagnose
