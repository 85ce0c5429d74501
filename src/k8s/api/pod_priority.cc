#include "k8s/api/pod_priority.h"

#include <charconv>
#include <optional>
#include <string>

#include "base/text/json_reader.h"

namespace gpunode::kube {
namespace {

using text::JsonKind;
using text::JsonReader;

Result<std::int32_t> read_priority(JsonReader& reader) {
  TRY(const JsonKind kind, reader.kind());
  TRY(const text::JsonSpan span, reader.skip());
  if (kind == JsonKind::kNull) return 0;
  const std::string_view text = span.of(reader.text());
  std::int32_t priority = 0;
  const auto [rest, error] =
      std::from_chars(text.data(), text.data() + text.size(), priority);
  if (error != std::errc() || rest != text.data() + text.size()) {
    return reader.fault(span.begin, "spec.priority is no number of 32 bits");
  }
  return priority;
}

Result<std::int32_t> read_spec(JsonReader& reader) {
  std::int32_t priority = 0;
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key.has_value()) return priority;
    if (*key == "priority") {
      TRY(priority, read_priority(reader));
    } else {
      TRY_VOID(reader.skip());
    }
  }
}

}  // namespace

Result<std::int32_t> read_pod_priority(std::string_view json) {
  JsonReader reader(json, "the API server's answer");
  std::optional<std::int32_t> priority;
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key.has_value()) break;
    if (*key == "spec") {
      TRY(priority, read_spec(reader));
    } else {
      TRY_VOID(reader.skip());
    }
  }
  // An answer that was cut off has no number to be believed.
  TRY_VOID(reader.finish());
  if (!priority) return reader.fault(0, "a Pod without a spec");
  return *priority;
}

}  // namespace gpunode::kube
