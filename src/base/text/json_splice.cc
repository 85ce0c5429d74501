#include "base/text/json_splice.h"

#include <algorithm>

namespace gpunode::text {
namespace {

template <class Texts>
std::string joined(const Texts& texts) {
  std::string out;
  for (const auto& text : texts) {
    if (!out.empty()) out += ',';
    out += text;
  }
  return out;
}

std::string joined_members(
    const std::vector<std::pair<std::string_view, std::string>>& members) {
  std::string out;
  for (const auto& [key, value] : members) {
    if (!out.empty()) out += ',';
    out += json_string(key);
    out += ':';
    out += value;
  }
  return out;
}

}  // namespace

void JsonSplice::add(const JsonPlace& place, char open, char close,
                     std::string content) {
  if (place.state == JsonPlace::State::kNull) {
    replace(place.span, open + std::move(content) + close);
  } else if (place.items.empty()) {
    insert(place.span.begin + 1, std::move(content));
  } else {
    insert(place.items.back().end, "," + std::move(content));
  }
}

void JsonSplice::append_items(const JsonPlace& array,
                              const std::vector<std::string>& items) {
  if (!items.empty()) add(array, '[', ']', joined(items));
}

void JsonSplice::replace_items(const JsonPlace& array,
                               const std::vector<std::string_view>& items) {
  replace(array.span, "[" + joined(items) + "]");
}

void JsonSplice::add_members(
    const JsonPlace& object,
    const std::vector<std::pair<std::string_view, std::string>>& members) {
  if (!members.empty()) add(object, '{', '}', joined_members(members));
}

std::string JsonSplice::apply(std::string_view source) && {
  std::stable_sort(changes_.begin(), changes_.end(),
                   [](const Change& a, const Change& b) {
                     return a.span.begin < b.span.begin;
                   });
  std::size_t size = source.size();
  for (const Change& change : changes_) size += change.text.size();
  std::string out;
  out.reserve(size);
  std::size_t position = 0;
  for (const Change& change : changes_) {
    out += source.substr(position, change.span.begin - position);
    out += change.text;
    position = change.span.end;
  }
  out += source.substr(position);
  return out;
}

std::string json_array(const std::vector<std::string>& items) {
  return "[" + joined(items) + "]";
}

std::string json_object(
    const std::vector<std::pair<std::string_view, std::string>>& members) {
  return "{" + joined_members(members) + "}";
}

}  // namespace gpunode::text
