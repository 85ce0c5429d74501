#include "node/provision/action_json.h"

#include <cstdint>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text/base64.h"

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

/// Text as it is; bytes that are not UTF-8 (a comment in /etc/fstab) in a form
/// that no text can have.
Json encode(const std::string& value) {
  Json json = value;
  try {
    (void)json.dump();
    return json;
  } catch (const Json::type_error&) {
    return {{"base64", text::encode_base64(value)}};
  }
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
  return value;
}
Json encode(const std::vector<DiskIdentity>& value) {
  Json list = Json::array();
  for (const DiskIdentity& disk : value) {
    list.push_back({{"serial", disk.serial},
                    {"model", disk.model},
                    {"size_bytes", disk.size_bytes}});
  }
  return list;
}

bool decode(const Json& json, std::string& value) {
  if (json.is_object() && json.size() == 1 && json.contains("base64") &&
      json["base64"].is_string()) {
    auto bytes = text::decode_base64(json["base64"].get<std::string>());
    if (!bytes) return false;
    value = *std::move(bytes);
    return true;
  }
  if (!json.is_string()) return false;
  value = json.get<std::string>();
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
    if (!item.is_object() || item.size() != 3 || !item.contains("serial") ||
        !item.contains("model") || !item.contains("size_bytes") ||
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

Error no_action(std::string_view why) {
  return {ErrorCode::kCorrupt, fmt::format("not an action: {}", why)};
}

template <class One>
Result<Action> decode_one(const Json& json) {
  One one;
  std::size_t known = 1;  // "kind"
  std::string wrong;
  One::fields(one, [&](const char* name, auto& value) {
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
  (void)((std::variant_alternative_t<Is, Action>::kKind == kind
              ? (result =
                     decode_one<std::variant_alternative_t<Is, Action>>(json),
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
  return decode_kind(parsed["kind"].get<std::string>(), parsed,
                     std::make_index_sequence<std::variant_size_v<Action>>());
}

bool same_action(const Action& a, const Action& b) {
  return encode_action(a) == encode_action(b);
}

}  // namespace gpunode::provision
