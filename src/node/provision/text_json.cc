#include "node/provision/text_json.h"

#include <nlohmann/json.hpp>

#include "base/text/base64.h"

namespace gpunode::provision {

using Json = nlohmann::ordered_json;

std::string text_json(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    return Json({{"base64", text::encode_base64(text)}}).dump();
  }
}

std::optional<std::string> text_from_json(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_string()) return parsed.get<std::string>();
  if (!parsed.is_object() || parsed.size() != 1 || !parsed.contains("base64") ||
      !parsed["base64"].is_string()) {
    return std::nullopt;
  }
  return text::decode_base64(parsed["base64"].get<std::string>());
}

}  // namespace gpunode::provision
