#include "container/oci/ungranted_report.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::oci {
namespace {

/// Bounds what one line may cost, whoever wrote it.
constexpr std::size_t kMostLineBytes = 4096;

auto key_of(const UngrantedContainer& one) {
  return std::tie(one.pod_namespace, one.pod, one.container, one.image);
}

void add_line(std::string_view line, std::vector<UngrantedContainer>& report) {
  if (line.empty() || line.size() > kMostLineBytes) return;
  const auto value = text::read_json(line, "");
  if (!value) return;
  const text::Node tree = text::tree_of(*value);
  const auto text_of = [&tree](const char* member) {
    return text::string_at(tree, {member});
  };
  UngrantedContainer one{text_of("namespace"), text_of("pod"),
                         text_of("container"), text_of("image"),
                         text_of("asked"),     text_of("why"),
                         text_of("time"),      1};
  if (one.last_time.empty() || one.asked.empty()) return;
  const auto at = std::lower_bound(
      report.begin(), report.end(), one,
      [](const auto& a, const auto& b) { return key_of(a) < key_of(b); });
  if (at == report.end() || key_of(*at) != key_of(one)) {
    report.insert(at, std::move(one));
    return;
  }
  ++at->times;
  at->asked = std::move(one.asked);
  at->why = std::move(one.why);
  at->last_time = std::move(one.last_time);
}

}  // namespace

void add_ungranted(std::string_view log,
                   std::vector<UngrantedContainer>& report) {
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    add_line(log.substr(0, end), report);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
  }
}

Result<std::vector<UngrantedContainer>> read_ungranted(
    const host::HostRoot& host, const std::string& directory) {
  std::vector<UngrantedContainer> report;
  // The older one first: the last word stands.
  for (const char* name : {"/ungranted.ndjson.1", "/ungranted.ndjson"}) {
    Result<std::string> log = host.read_file(directory + name);
    if (log) {
      add_ungranted(*log, report);
    } else if (log.error().code() != ErrorCode::kNotFound) {
      return std::move(log).error();
    }
  }
  return report;
}

}  // namespace gpunode::oci
