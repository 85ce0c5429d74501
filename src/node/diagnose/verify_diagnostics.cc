// Level 7: what NVIDIA's own diagnostics say.
//
// The JSON of `dcgmi diag`: DCGM 2 and 3 call the whole "DCGM GPU Diagnostic",
// DCGM 4 "DCGM Diagnostic"; categories of tests with results, one for each GPU
// or for all. The status is a word in either case (dcgm's nvvs/src, Output*).
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/core/ascii.h"
#include "node/diagnose/verify_levels.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

using Json = nlohmann::json;

/// A member of an object; null where there is none.
Json member(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found == object.end() ? Json() : *found;
}

/// The first of two members that is there.
Json either(const Json& object, const char* one, const char* other) {
  Json found = member(object, one);
  return found.is_null() ? member(object, other) : found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

struct Count {
  std::size_t passed = 0;
  std::size_t skipped = 0;
  std::vector<std::string> failed = {};
  std::vector<std::string> warned = {};
};

/// "memory (GPU 2): a double bit error was found".
std::string words_of(const std::string& test, const Json& result) {
  std::string words = test;
  for (const char* name : {"gpu_id", "gpu_ids", "entity_id"}) {
    const Json id = member(result, name);
    if (id.is_null()) continue;
    words += fmt::format(" (GPU {})", id.is_string() ? text_of(id) : id.dump());
    break;
  }
  const Json warnings = member(result, "warnings");
  if (!warnings.is_array() || warnings.empty()) return words;
  const Json& first = warnings.front();
  const std::string said =
      first.is_string() ? text_of(first) : text_of(member(first, "warning"));
  return said.empty() ? words : words + ": " + said;
}

void add(const std::string& test, const Json& result, Count& count) {
  std::string status = text_of(member(result, "status"));
  for (char& c : status) c = to_lower(c);
  if (status == "pass") {
    ++count.passed;
  } else if (status.starts_with("fail")) {
    count.failed.push_back(words_of(test, result));
  } else if (status.starts_with("warn")) {
    count.warned.push_back(words_of(test, result));
  } else {
    ++count.skipped;
  }
}

Count count_of(const Json& report) {
  Count count;
  const Json whole = either(report, "DCGM Diagnostic", "DCGM GPU Diagnostic");
  for (const Json& category : either(whole, "test_categories", "categories")) {
    for (const Json& test : member(category, "tests")) {
      const std::string name = text_of(member(test, "name"));
      for (const Json& result : member(test, "results")) {
        add(name, result, count);
      }
    }
  }
  return count;
}

}  // namespace

VerifyChecks verify_diagnostics(const Result<host::Completed>& end) {
  VerifyCheck check{.level = 7, .id = "diag.dcgm"};
  check.verdict = Verdict::kFail;
  check.hint =
      "`dcgmi diag -r 1` tells the same; it needs nvidia-dcgm.service and idle "
      "GPUs";
  if (!end) {
    check.evidence = end.error().message();
    return {check};
  }
  // It prints words around the object.
  const std::size_t from = end->out.find('{');
  const std::size_t to = end->out.rfind('}');
  const bool has_object =
      from != std::string::npos && to != std::string::npos && from < to;
  const Json report =
      has_object
          ? Json::parse(end->out.substr(from, to - from + 1), nullptr, false)
          : Json();
  const Count count = count_of(report);
  if (!count.failed.empty()) {
    check.evidence = fmt::format("{}", fmt::join(count.failed, "; "));
    check.hint =
        "drain the node; where it is memory or NVLink, have the GPU replaced";
  } else if (count.passed + count.warned.size() == 0) {
    const std::string said =
        facts::last_line(end->err.empty() ? end->out : end->err);
    check.evidence =
        fmt::format("no test was made (exit status {}): {}", end->status, said);
  } else {
    check.verdict = count.warned.empty() ? Verdict::kPass : Verdict::kWarn;
    check.evidence =
        fmt::format("{} tests passed, {} skipped", count.passed, count.skipped);
    if (count.warned.empty()) {
      check.hint.clear();
    } else {
      check.evidence += fmt::format("; {}", fmt::join(count.warned, "; "));
    }
  }
  return {check};
}

}  // namespace gpunode::diagnose
