#include "apps/gpunode/top/view.h"

#include <algorithm>
#include <cctype>
#include <tuple>

namespace gpunode::top {
namespace {

constexpr std::size_t kLongestFilter = 100;

std::string in_lower_case(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

bool has(const HolderRow& holder, const std::string& filter) {
  if (filter.empty()) return true;
  for (const std::string& text :
       {holder.name(), holder.container, holder.resource, holder.device,
        holder.allocation, holder.pod_uid}) {
    if (in_lower_case(text).find(filter) != std::string::npos) return true;
  }
  if (!holder.turns) return false;
  const std::string kind =
      holder.turns->policy + (holder.turns->is_persistent ? " persistent" : "");
  return kind.find(filter) != std::string::npos;
}

/// What `sort` goes by; the smaller comes first.
std::uint64_t rank(const HolderRow& holder, Sort sort) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  switch (sort) {
    case Sort::kMemory:
      return kMost - holder.used_bytes.value_or(0);
    case Sort::kLimit:
      return kMost - holder.limit_bytes;
    case Sort::kRefused:
      return kMost - holder.refusals;
    case Sort::kTime:
      return kMost - (holder.turns ? holder.turns->lately.value_or(0) : 0);
    case Sort::kWaits:
      return kMost -
             (holder.turns ? holder.turns->throttled_lately.value_or(0) : 0);
    case Sort::kPod:
    case Sort::kGpu:
      break;
  }
  return 0;
}

/// "2" comes before "10".
std::tuple<std::size_t, const std::string&> place(const HolderRow& holder) {
  return {std::min(holder.gpu.find(':'), holder.gpu.size()), holder.gpu};
}

bool comes_before(const HolderRow& a, const HolderRow& b, Sort sort) {
  const auto ranks = std::pair(rank(a, sort), rank(b, sort));
  if (ranks.first != ranks.second) return ranks.first < ranks.second;
  if (sort != Sort::kPod && place(a) != place(b)) return place(a) < place(b);
  return std::tuple(a.name(), a.container, place(a), a.allocation) <
         std::tuple(b.name(), b.container, place(b), b.allocation);
}

Key::Kind kind_of(const std::string& sequence) {
  const char last = sequence.back();
  const std::string number = sequence.substr(2, sequence.size() - 3);
  switch (last) {
    case 'A':
      return Key::Kind::kUp;
    case 'B':
      return Key::Kind::kDown;
    case 'H':
      return Key::Kind::kHome;
    case 'F':
      return Key::Kind::kEnd;
    case '~':
      if (number == "5") return Key::Kind::kPageUp;
      if (number == "6") return Key::Kind::kPageDown;
      if (number == "1" || number == "7") return Key::Kind::kHome;
      if (number == "4" || number == "8") return Key::Kind::kEnd;
      break;
    default:
      break;
  }
  return Key::Kind::kCharacter;
}

}  // namespace

std::string HolderRow::name() const {
  if (!pod.empty()) return space + "/" + pod;
  if (!pod_uid.empty()) return "Pod " + pod_uid;
  return allocation;
}

std::vector<Key> KeyReader::take(std::string_view bytes) {
  std::vector<Key> keys;
  for (const char c : bytes) take(c, keys);
  return keys;
}

void KeyReader::take(char c, std::vector<Key>& keys) {
  constexpr char kEscape = '\x1b';
  const auto byte = static_cast<unsigned char>(c);
  if (begun_.size() == 1 && c != '[' && c != 'O') {
    begun_.clear();
    keys.push_back({Key::Kind::kEscape});
  }
  if (!begun_.empty() && c != kEscape) {
    begun_ += c;
    if (begun_.size() == 2) return;
    // Parameters and intermediates go on; a final byte ends it.
    if (byte < 0x40 && begun_.size() < 16) return;
    const Key::Kind kind = kind_of(begun_);
    begun_.clear();
    if (kind != Key::Kind::kCharacter) keys.push_back({kind});
    return;
  }
  begun_.clear();
  if (c == kEscape) {
    begun_ = c;
  } else if (c == '\r' || c == '\n') {
    keys.push_back({Key::Kind::kEnter});
  } else if (c == '\b' || byte == 0x7f) {
    keys.push_back({Key::Kind::kBackspace});
  } else if (byte >= 0x20 && byte < 0x7f) {
    keys.push_back({Key::Kind::kCharacter, c});
  }
}

std::vector<Key> KeyReader::flush() {
  const bool is_escape = begun_.size() == 1;
  begun_.clear();
  if (!is_escape) return {};
  return {{Key::Kind::kEscape}};
}

void View::type(const Key& key) {
  switch (key.kind) {
    case Key::Kind::kCharacter:
      if (filter.size() < kLongestFilter) filter += key.character;
      break;
    case Key::Kind::kBackspace:
      if (!filter.empty()) filter.pop_back();
      break;
    case Key::Kind::kEscape:
      filter.clear();
      is_typing = false;
      break;
    case Key::Kind::kEnter:
      is_typing = false;
      break;
    default:
      break;
  }
  cursor = 0;
}

void View::sort_by(Sort wanted) {
  is_reversed = sort == wanted && !is_reversed;
  sort = wanted;
}

void View::move(const Key& key, std::size_t rows) {
  const std::size_t last = rows == 0 ? 0 : rows - 1;
  cursor = std::min(cursor, last);
  switch (key.kind) {
    case Key::Kind::kUp:
      cursor -= std::min<std::size_t>(cursor, 1);
      break;
    case Key::Kind::kDown:
      cursor = std::min(cursor + 1, last);
      break;
    case Key::Kind::kPageUp:
      cursor -= std::min(cursor, page);
      break;
    case Key::Kind::kPageDown:
      cursor = std::min(cursor + page, last);
      break;
    case Key::Kind::kHome:
      cursor = 0;
      break;
    case Key::Kind::kEnd:
      cursor = last;
      break;
    default:
      break;
  }
}

void View::press(const Key& key, std::size_t rows) {
  if (is_typing) return type(key);
  if (shows_help) {
    shows_help = false;
    is_over = key == Key{Key::Kind::kCharacter, 'q'};
    return;
  }
  if (key.kind == Key::Kind::kEscape) {
    filter.clear();
    cursor = 0;
    return;
  }
  if (key.kind != Key::Kind::kCharacter) return move(key, rows);
  switch (key.character) {
    case 'q':
      is_over = true;
      break;
    case '?':
      shows_help = true;
      break;
    case '/':
      is_typing = true;
      break;
    case 'm':
      return sort_by(Sort::kMemory);
    case 'l':
      return sort_by(Sort::kLimit);
    case 'g':
      return sort_by(Sort::kGpu);
    case 'p':
      return sort_by(Sort::kPod);
    case 'r':
      return sort_by(Sort::kRefused);
    case 't':
      return sort_by(Sort::kTime);
    case 'w':
      return sort_by(Sort::kWaits);
    case 'j':
      return move({Key::Kind::kDown}, rows);
    case 'k':
      return move({Key::Kind::kUp}, rows);
    default:
      break;
  }
}

std::vector<const HolderRow*> choose(const Snapshot& snapshot,
                                     const View& view) {
  const std::string filter = in_lower_case(view.filter);
  std::vector<const HolderRow*> chosen;
  for (const HolderRow& holder : snapshot.holders) {
    if (has(holder, filter)) chosen.push_back(&holder);
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&view](const HolderRow* a, const HolderRow* b) {
                     return comes_before(*a, *b, view.sort);
                   });
  if (view.is_reversed) std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace gpunode::top
