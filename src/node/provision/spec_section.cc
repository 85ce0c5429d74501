#include "node/provision/spec_section.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/nearest.h"

namespace gpunode::provision {
namespace {

using text::Node;

std::string_view kind_words(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kBool:
      return "true or false";
    case Node::Kind::kInteger:
    case Node::Kind::kFloat:
      return "a number";
    case Node::Kind::kString:
      return "text";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMapping:
      return "a mapping";
  }
  return "something else";
}

/// Kubernetes' suffixes of sizes, and none: bytes.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  struct Suffix {
    std::string_view name;
    std::uint64_t factor;
  };
  constexpr std::uint64_t kThousand = 1000;
  constexpr std::array<Suffix, 9> kSuffixes = {
      Suffix{"Ki", std::uint64_t{1} << 10U},
      Suffix{"Mi", std::uint64_t{1} << 20U},
      Suffix{"Gi", std::uint64_t{1} << 30U},
      Suffix{"Ti", std::uint64_t{1} << 40U},
      Suffix{"k", kThousand},
      Suffix{"M", kThousand * kThousand},
      Suffix{"G", kThousand * kThousand * kThousand},
      Suffix{"T", kThousand * kThousand * kThousand * kThousand},
      Suffix{"", 1}};
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.name)) continue;
    const std::string_view digits =
        text.substr(0, text.size() - suffix.name.size());
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        value > std::numeric_limits<std::uint64_t>::max() / suffix.factor) {
      return std::nullopt;
    }
    return value * suffix.factor;
  }
  return std::nullopt;
}

bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

}  // namespace

const std::string& SpecOrigins::file_of(std::string path) const {
  for (;;) {
    if (const auto found = files_.find(path); found != files_.end()) {
      return found->second;
    }
    const std::size_t cut = path.find_last_of(".[");
    if (cut == std::string::npos) return first_file_;
    path.resize(cut);
  }
}

SpecSection::SpecSection(const Node& node, const SpecOrigins& origins,
                         std::vector<std::string>& problems, std::string path)
    : node_(&node),
      origins_(&origins),
      problems_(&problems),
      problems_before_(problems.size()),
      path_(std::move(path)),
      is_mapping_(node.is(Node::Kind::kMapping)) {
  if (is_mapping_ || node.is(Node::Kind::kNull)) return;
  problems_->push_back(
      fmt::format("{}: {} must be a mapping of keys, and this is {}",
                  place(node.mark, path_),
                  path_.empty() ? "the document" : path_, kind_words(node)));
}

std::string SpecSection::place(text::Mark mark, const std::string& path) const {
  return text::at(origins_->file_of(path), mark);
}

std::string SpecSection::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const text::Entry* SpecSection::find(std::string_view key) {
  asked_.push_back(key);
  return is_mapping_ ? node_->find(key) : nullptr;
}

void SpecSection::complain(std::string_view key, std::string_view words) {
  const text::Entry* entry = is_mapping_ ? node_->find(key) : nullptr;
  const std::string path = path_of(key);
  problems_->push_back(fmt::format(
      "{}: {}: {}", place(entry ? entry->value.mark : node_->mark, path), path,
      words));
}

void SpecSection::text(std::string_view key, std::string& value) {
  const text::Entry* entry = find(key);
  if (entry == nullptr || entry->value.is(Node::Kind::kNull)) return;
  if (!entry->value.is(Node::Kind::kString)) {
    const bool is_scalar = !entry->value.scalar.empty();
    complain(
        key,
        fmt::format("must be text, and this is {}{}", kind_words(entry->value),
                    is_scalar ? fmt::format(" (write \"{}\" in quotes)",
                                            entry->value.scalar)
                              : ""));
    return;
  }
  if (has_controls(entry->value.scalar)) {
    complain(key, "must be one line without control characters");
    return;
  }
  value = entry->value.scalar;
}

void SpecSection::texts(std::string_view key,
                        std::vector<std::string>& values) {
  const text::Entry* entry = find(key);
  if (entry == nullptr || entry->value.is(Node::Kind::kNull)) return;
  if (!entry->value.is(Node::Kind::kSequence)) {
    complain(key, fmt::format("must be a list, and this is {}",
                              kind_words(entry->value)));
    return;
  }
  values.clear();
  for (const Node& item : entry->value.items) {
    if (!item.is(Node::Kind::kString)) {
      problems_->push_back(fmt::format(
          "{}: {}: every item must be text, and this is {}",
          place(item.mark, path_of(key)), path_of(key), kind_words(item)));
      continue;
    }
    if (has_controls(item.scalar)) {
      problems_->push_back(fmt::format(
          "{}: {}: every item must be one line without control characters",
          place(item.mark, path_of(key)), path_of(key)));
      continue;
    }
    values.push_back(item.scalar);
  }
}

std::vector<std::pair<std::string, std::string>> SpecSection::text_pairs() {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!is_mapping_) return pairs;
  for (const text::Entry& entry : node_->entries) {
    std::string value;
    const std::size_t before = problems_->size();
    text(entry.key, value);
    if (problems_->size() == before) {
      pairs.emplace_back(entry.key, std::move(value));
    }
  }
  return pairs;
}

void SpecSection::number(std::string_view key, int& value, int least,
                         int most) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) return;
  const std::string& digits = entry->value.scalar;
  int number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (!entry->value.is(Node::Kind::kInteger) || error != std::errc() ||
      end != digits.data() + digits.size() || number < least || number > most) {
    complain(key, fmt::format("must be a number from {} to {}", least, most));
    return;
  }
  value = number;
}

void SpecSection::size(std::string_view key, std::uint64_t& bytes) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) return;
  const bool may_be = entry->value.is(Node::Kind::kString) ||
                      entry->value.is(Node::Kind::kInteger);
  const auto size = may_be ? parse_size(entry->value.scalar) : std::nullopt;
  if (!size) {
    complain(key, "must be a size, as 500Gi, 600G or a number of bytes");
    return;
  }
  bytes = *size;
}

void SpecSection::boolean(std::string_view key, bool& value) {
  choice<bool>(key, value, {{"true", true}, {"false", false}});
}

std::string SpecSection::word(std::string_view key,
                              const std::vector<std::string_view>& words) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) return "";
  const std::string& said = entry->value.scalar;
  const bool may_be = entry->value.is(Node::Kind::kString) ||
                      entry->value.is(Node::Kind::kBool);
  if (may_be && std::ranges::find(words, said) != words.end()) return said;
  const std::string_view nearest = text::nearest_name(said, words);
  complain(key, fmt::format("must be one of {}{}", fmt::join(words, ", "),
                            nearest.empty()
                                ? fmt::format(", and this is \"{}\"", said)
                                : fmt::format(" (\"{}\": did you mean \"{}\"?)",
                                              said, nearest)));
  return "";
}

void SpecSection::constant(std::string_view key, std::string_view wanted,
                           bool required) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) {
    if (required) complain(key, fmt::format("is missing; write {}", wanted));
    return;
  }
  if (entry->value.scalar != wanted) {
    complain(key, fmt::format("must be {}, and this is \"{}\"", wanted,
                              entry->value.scalar));
  }
}

void SpecSection::section(std::string_view key,
                          const std::function<void(SpecSection)>& read) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) return;
  read(SpecSection(entry->value, *origins_, *problems_, path_of(key)));
}

void SpecSection::list(std::string_view key,
                       const std::function<void(SpecSection)>& read) {
  const text::Entry* entry = find(key);
  if (entry == nullptr || entry->value.is(Node::Kind::kNull)) return;
  if (!entry->value.is(Node::Kind::kSequence)) {
    complain(key, fmt::format("must be a list, and this is {}",
                              kind_words(entry->value)));
    return;
  }
  for (std::size_t i = 0; i < entry->value.items.size(); ++i) {
    read(SpecSection(entry->value.items[i], *origins_, *problems_,
                     fmt::format("{}[{}]", path_of(key), i)));
  }
}

const Node* SpecSection::mapping(std::string_view key) {
  const text::Entry* entry = find(key);
  if (entry == nullptr) return nullptr;
  if (entry->value.is(Node::Kind::kMapping)) return &entry->value;
  complain(key, "must be a mapping, as it is in a file of its own");
  return nullptr;
}

bool SpecSection::later(std::string_view key) {
  return find(key) != nullptr;
}

void SpecSection::null_only(std::string_view key) {
  const text::Entry* entry = find(key);
  if (entry != nullptr && !entry->value.is(Node::Kind::kNull)) {
    complain(key, "is not supported yet; leave it out or write null");
  }
}

void SpecSection::finish() {
  if (!is_mapping_) return;
  for (const text::Entry& entry : node_->entries) {
    if (std::ranges::find(asked_, entry.key) != asked_.end()) continue;
    const std::string_view nearest = text::nearest_name(entry.key, asked_);
    const std::string hint =
        nearest.empty() ? fmt::format("known here: {}", fmt::join(asked_, ", "))
                        : fmt::format("did you mean \"{}\"?", nearest);
    problems_->push_back(fmt::format(
        "{}: unknown key \"{}\"{} ({})", place(entry.mark, path_of(entry.key)),
        entry.key, path_.empty() ? "" : " in " + path_, hint));
  }
}

}  // namespace gpunode::provision
