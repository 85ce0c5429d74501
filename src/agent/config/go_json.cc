#include "agent/config/go_json.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::config {
namespace {

using Kind = text::Node::Kind;

std::string_view json_kind(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
    case Kind::kFloat:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kSequence:
      return "array";
    case Kind::kMapping:
      return "object";
  }
  return "";
}

std::string_view advice_for(std::string_view go_type) {
  if (go_type == "bool") return "write true or false, without quotes";
  if (go_type == "int") return "write a whole number, without quotes";
  if (go_type == "string") return "write a text, in quotes";
  if (go_type.starts_with("[]")) return "write a list: lines that start with -";
  if (go_type.starts_with("map") || go_type.starts_with("v1.")) {
    return "write a mapping: \"key: value\" lines, indented further";
  }
  return "write a value of that type";
}

bool same_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

}  // namespace

Error at_place(std::string_view message, std::string_view file_name,
               text::Mark mark, std::string_view advice) {
  return {
      ErrorCode::kInvalidArgument,
      fmt::format("{} ({}: {})", message, text::at(file_name, mark), advice)};
}

Error GoDecoder::mismatch(const text::Node& value, GoPath path,
                          std::string_view go_type,
                          std::string_view advice) const {
  // Go shows the number only if the type would take some numbers.
  std::string found(json_kind(value.kind));
  if (found == "number" && go_type == "int") found += " " + value.scalar;
  const bool whole = path.find('.') == GoPath::npos;
  return fail(fmt::format("json: cannot unmarshal {} into Go {}{} of type {}",
                          found, whole ? "value" : "struct field ",
                          whole ? "" : path, go_type),
              value, advice);
}

Result<bool> GoDecoder::boolean(const text::Node& value, GoPath path,
                                bool unset) const {
  if (value.is(Kind::kNull)) return unset;
  if (!value.is(Kind::kBool)) {
    return mismatch(value, path, "bool", advice_for("bool"));
  }
  return value.is_true();
}

Result<std::string> GoDecoder::string(const text::Node& value, GoPath path,
                                      std::string_view go_type) const {
  if (value.is(Kind::kNull)) return std::string();
  if (!value.is(Kind::kString)) {
    return mismatch(value, path, go_type, advice_for("string"));
  }
  return value.scalar;
}

Result<std::int64_t> GoDecoder::integer(const text::Node& value,
                                        GoPath path) const {
  if (value.is(Kind::kNull)) return std::int64_t{0};
  std::int64_t number = 0;
  const char* end = value.scalar.data() + value.scalar.size();
  if (value.is(Kind::kInteger)) {
    const auto parsed = std::from_chars(value.scalar.data(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end) return number;
  }
  return mismatch(
      value, path, "int",
      value.is(Kind::kInteger) ? "the number is too large" : advice_for("int"));
}

Result<void> GoDecoder::mapping(const text::Node& value, GoPath path,
                                std::string_view go_type) const {
  if (value.is(Kind::kNull) || value.is(Kind::kMapping)) return {};
  return mismatch(value, path, go_type, advice_for(go_type));
}

Result<void> GoDecoder::sequence(const text::Node& value, GoPath path,
                                 std::string_view go_type) const {
  if (value.is(Kind::kNull) || value.is(Kind::kSequence)) return {};
  return mismatch(value, path, go_type, advice_for(go_type));
}

std::string_view match_field(std::string_view key,
                             std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    if (name == key) return name;
  }
  for (const std::string_view name : names) {
    if (same_but_for_case(name, key)) return name;
  }
  return {};
}

std::vector<const text::Entry*> sorted_entries(const text::Node& mapping) {
  std::vector<const text::Entry*> entries;
  entries.reserve(mapping.entries.size());
  for (const text::Entry& entry : mapping.entries) entries.push_back(&entry);
  std::ranges::sort(
      entries, {},
      [](const text::Entry* e) -> const std::string& { return e->key; });
  return entries;
}

}  // namespace gpunode::config
