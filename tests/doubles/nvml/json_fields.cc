#include "tests/doubles/nvml/json_fields.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gpunode::fake_nvml {

JsonFields::JsonFields(const rapidjson::Value& object, std::string place)
    : object_(object), place_(std::move(place)) {
  if (!object_.IsObject()) {
    error_ = Error(ErrorCode::kCorrupt, place_ + ": must be an object");
  }
}

const rapidjson::Value* JsonFields::member(const char* key) {
  asked_.emplace_back(key);
  if (!object_.IsObject()) return nullptr;
  const auto found = object_.FindMember(key);
  return found == object_.MemberEnd() ? nullptr : &found->value;
}

const rapidjson::Value* JsonFields::array(const char* key) {
  const rapidjson::Value* value = member(key);
  if (value != nullptr && !value->IsArray()) {
    fail(key, "must be an array");
    return nullptr;
  }
  return value;
}

void JsonFields::fail(const char* key, std::string_view what) {
  if (error_) return;
  error_ =
      Error(ErrorCode::kCorrupt, place_ + "." + key + ": " + std::string(what));
}

void JsonFields::adopt(Error error) {
  if (!error_) error_ = std::move(error);
}

std::string JsonFields::place_of(const char* key, std::size_t element) const {
  return place_ + "." + key + "[" + std::to_string(element) + "]";
}

void JsonFields::read(const char* key, std::string& into) {
  const rapidjson::Value* value = member(key);
  if (value == nullptr) return;
  if (!value->IsString()) return fail(key, "must be a string");
  into.assign(value->GetString(), value->GetStringLength());
}

void JsonFields::read(const char* key, bool& into) {
  const rapidjson::Value* value = member(key);
  if (value == nullptr) return;
  if (!value->IsBool()) return fail(key, "must be true or false");
  into = value->GetBool();
}

template <class T>
void JsonFields::read_number(const char* key, T& into) {
  const rapidjson::Value* value = member(key);
  if (value == nullptr) return;
  if (!value->Is<T>()) return fail(key, "must be a whole number in range");
  into = value->Get<T>();
}

void JsonFields::read(const char* key, int& into) {
  read_number(key, into);
}

void JsonFields::read(const char* key, unsigned& into) {
  read_number(key, into);
}

void JsonFields::read(const char* key, std::uint64_t& into) {
  read_number(key, into);
}

void JsonFields::read(const char* key, std::optional<unsigned>& into) {
  if (!object_.IsObject() || !object_.HasMember(key)) {
    asked_.emplace_back(key);
    return;
  }
  unsigned number = 0;
  read_number(key, number);
  into = number;
}

void JsonFields::read_hex(const char* key, unsigned& into) {
  std::string text;
  read(key, text);
  if (text.empty()) return;
  const char* end = text.data() + text.size();
  if (!text.starts_with("0x")) return fail(key, "must begin with 0x");
  const auto [rest, code] = std::from_chars(text.data() + 2, end, into, 16);
  if (code != std::errc{} || rest != end) fail(key, "is not hexadecimal");
}

void JsonFields::read_word(const char* key, const std::vector<Word>& words,
                           unsigned& into) {
  std::string text;
  read(key, text);
  if (text.empty()) return;
  const auto found =
      std::ranges::find(words, std::string_view(text), &Word::text);
  if (found == words.end()) return fail(key, "is none of the known words");
  into = found->number;
}

Result<void> JsonFields::finish() {
  if (error_) return *std::exchange(error_, std::nullopt);
  for (const auto& entry : object_.GetObject()) {
    const std::string_view name(entry.name.GetString(),
                                entry.name.GetStringLength());
    if (std::ranges::find(asked_, name) == asked_.end()) {
      return Error(ErrorCode::kCorrupt,
                   place_ + "." + std::string(name) + ": unknown key");
    }
  }
  return {};
}

}  // namespace gpunode::fake_nvml
