#include "container/oci/ungranted_report.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <rapidjson/document.h>

namespace gpunode::oci {
namespace {

/// Bounds what one line may cost, whoever wrote it.
constexpr std::size_t kMostLineBytes = 4096;

using Document = rapidjson::Document;

std::string text_of(const Document& line, const char* member) {
  const auto found = line.FindMember(member);
  if (found == line.MemberEnd() || !found->value.IsString()) return {};
  return {found->value.GetString(), found->value.GetStringLength()};
}

auto key_of(const UngrantedContainer& one) {
  return std::tie(one.pod_namespace, one.pod, one.container, one.image);
}

void add_line(std::string_view text, std::vector<UngrantedContainer>& report) {
  if (text.empty() || text.size() > kMostLineBytes) return;
  Document line;
  line.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (line.HasParseError() || !line.IsObject()) return;
  UngrantedContainer one{text_of(line, "namespace"), text_of(line, "pod"),
                         text_of(line, "container"), text_of(line, "image"),
                         text_of(line, "asked"),     text_of(line, "why"),
                         text_of(line, "time"),      1};
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
