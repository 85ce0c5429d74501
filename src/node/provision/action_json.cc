#include "node/provision/action_json.h"

#include <cstdint>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/provision/text_json.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* wish_text(Wish wish) {
  switch (wish) {
    case Wish::kYes:
      return "yes";
    case Wish::kNo:
      return "no";
    case Wish::kAsIs:
      break;
  }
  return "as-is";
}

Json encode(const std::string& value) {
  return Json::parse(text_json(value));
}
Json encode(bool value) {
  return value;
}
Json encode(std::uint32_t value) {
  return value;
}
Json encode(std::uint64_t value) {
  return value;
}
Json encode(Wish value) {
  return wish_text(value);
}
Json encode(const std::vector<std::string>& value) {
  Json list = Json::array();
  for (const std::string& one : value) list.push_back(encode(one));
  return list;
}
Json encode(const std::vector<DiskIdentity>& value) {
  Json list = Json::array();
  for (const DiskIdentity& disk : value) {
    list.push_back({{"serial", encode(disk.serial)},
                    {"model", encode(disk.model)},
                    {"size_bytes", disk.size_bytes}});
    if (!disk.wwid.empty()) list.back()["wwid"] = encode(disk.wwid);
  }
  return list;
}

bool decode(const Json& json, std::string& value) {
  auto text = text_from_json(json.dump());
  if (!text) return false;
  value = *std::move(text);
  return true;
}
bool decode(const Json& json, bool& value) {
  if (!json.is_boolean()) return false;
  value = json.get<bool>();
  return true;
}
bool decode(const Json& json, std::uint64_t& value) {
  if (!json.is_number_unsigned()) return false;
  value = json.get<std::uint64_t>();
  return true;
}
bool decode(const Json& json, std::uint32_t& value) {
  std::uint64_t wide = 0;
  if (!decode(json, wide) || wide > UINT32_MAX) return false;
  value = static_cast<std::uint32_t>(wide);
  return true;
}
bool decode(const Json& json, Wish& value) {
  std::string text;
  if (!decode(json, text)) return false;
  for (const Wish wish : {Wish::kAsIs, Wish::kYes, Wish::kNo}) {
    if (text != wish_text(wish)) continue;
    value = wish;
    return true;
  }
  return false;
}
bool decode(const Json& json, std::vector<std::string>& value) {
  if (!json.is_array()) return false;
  value.clear();
  for (const Json& item : json) {
    if (!decode(item, value.emplace_back())) return false;
  }
  return true;
}
bool decode(const Json& json, std::vector<DiskIdentity>& value) {
  if (!json.is_array()) return false;
  value.clear();
  for (const Json& item : json) {
    DiskIdentity disk;
    // Journals of before have no WWID.
    const bool has_wwid = item.is_object() && item.contains("wwid");
    if (!item.is_object() || item.size() != (has_wwid ? 4 : 3) ||
        !item.contains("serial") || !item.contains("model") ||
        !item.contains("size_bytes") ||
        (has_wwid && !decode(item["wwid"], disk.wwid)) ||
        !decode(item["serial"], disk.serial) ||
        !decode(item["model"], disk.model) ||
        !decode(item["size_bytes"], disk.size_bytes)) {
      return false;
    }
    value.push_back(std::move(disk));
  }
  return true;
}

Json encode_action(const Action& action) {
  Json json = {{"kind", kind_of(action)}};
  std::visit(
      [&](const auto& one) {
        one.fields(one, [&](const char* name, const auto& value) {
          json[name] = encode(value);
        });
      },
      action);
  return json;
}

/// Fields that came after the first journals; there they are missing.
template <class One>
bool may_be_missing(std::string_view name) {
  if (std::is_same_v<One, RestoreFile>) return name == "link";
  if (std::is_same_v<One, SetSwap>) return name == "uuid" || name == "priority";
  if (std::is_same_v<One, RestoreTree>) return name == "uuid" || name == "type";
  if (std::is_same_v<One, LeaveCluster>) {
    return name == "endpoint" || name == "ca";
  }
  if (std::is_same_v<One, InstallProgram>) return name == "over";
  return name == "before";
}

Error no_action(std::string_view why) {
  return {ErrorCode::kCorrupt, fmt::format("not an action: {}", why)};
}

template <class One>
Result<Action> decode_one(const Json& json) {
  One one;
  std::size_t known = 1;  // "kind"
  std::string wrong;
  One::fields(one, [&](const char* name, auto& value) {
    if (!json.contains(name) && may_be_missing<One>(name)) return;
    ++known;
    if (!json.contains(name) || !decode(json[name], value)) wrong = name;
  });
  if (!wrong.empty()) {
    return no_action(fmt::format("field \"{}\" of {} is missing or wrong",
                                 wrong, One::kKind));
  }
  if (json.size() != known) {
    return no_action(fmt::format("{} has a field unknown here", One::kKind));
  }
  return Action(std::move(one));
}

template <std::size_t... Is>
Result<Action> decode_kind(std::string_view kind, const Json& json,
                           std::index_sequence<Is...> /*all*/) {
  Result<Action> result = no_action(fmt::format("unknown kind \"{}\"", kind));
  (void)((std::variant_alternative_t<Is, AnyAction>::kKind == kind
              ? (result = decode_one<std::variant_alternative_t<Is, AnyAction>>(
                     json),
                 true)
              : false) ||
         ...);
  return result;
}

}  // namespace

std::string to_json(const Action& action) {
  return encode_action(action).dump();
}

Result<Action> action_from_json(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("kind") ||
      !parsed["kind"].is_string()) {
    return no_action("it has no kind");
  }
  return decode_kind(
      parsed["kind"].get<std::string>(), parsed,
      std::make_index_sequence<std::variant_size_v<AnyAction>>());
}

bool same_action(const Action& a, const Action& b) {
  return encode_action(a) == encode_action(b);
}

}  // namespace gpunode::provision
