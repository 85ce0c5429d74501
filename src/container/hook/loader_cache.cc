#include "container/hook/loader_cache.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <map>
#include <string_view>
#include <unordered_map>

#include "container/hook/library_name.h"

namespace gpunode::hook {
namespace {

constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kEntryBytes = 24;

// The `flags` byte of the header: the byte order of the file.
constexpr std::uint8_t kLittleEndian = 2;

constexpr std::uint32_t kExtensionMagic = 0xeaa42174;
constexpr std::uint32_t kGeneratorTag = 0;
constexpr std::uint32_t kHwcapsTag = 1;
constexpr std::size_t kExtensionHeadBytes = 8;
constexpr std::size_t kSectionBytes = 16;

// An entry's hwcap field: that the low half counts in the list of hwcaps, and
// where the ISA level is.
constexpr std::uint64_t kHwcapsMark = std::uint64_t{1} << 62U;
constexpr unsigned kIsaLevelShift = 32;

constexpr std::string_view kGenerator = "gpunode-runtime hook";

static_assert(std::endian::native == std::endian::little,
              "the cache is in the order of the machine that reads it");

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xffU);
  }
}

/// The order in which the loader's binary search expects entries: descending
/// by name, then by flags; the ones with hwcaps first, by their names.
bool comes_before(const CacheEntry& left, const CacheEntry& right) {
  const int order = compare_library_names(right.name, left.name);
  if (order != 0) return order < 0;
  if (left.flags != right.flags) return left.flags > right.flags;
  if (left.hwcaps.empty() != right.hwcaps.empty()) return right.hwcaps.empty();
  return left.hwcaps < right.hwcaps;
}

/// Texts one after the other, each once. Offsets count from the file's start.
class StringTable {
 public:
  explicit StringTable(std::size_t start) : start_(start) {}

  std::uint32_t add(const std::string& text) {
    const auto [found, is_new] =
        offsets_.try_emplace(text, start_ + bytes_.size());
    if (is_new) {
      bytes_ += text;
      bytes_ += '\0';
    }
    return static_cast<std::uint32_t>(found->second);
  }

  /// The end of a text that was added.
  std::uint32_t add_end(const std::string& whole, const std::string& end) {
    if (!whole.ends_with(end)) return add(end);
    return add(whole) + static_cast<std::uint32_t>(whole.size() - end.size());
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::size_t start_;
  std::string bytes_;
  std::unordered_map<std::string, std::size_t> offsets_;
};

void put_section(std::string& out, std::uint32_t tag, std::size_t at,
                 std::size_t size) {
  put(out, tag);
  put(out, std::uint32_t{0});
  put(out, static_cast<std::uint32_t>(at));
  put(out, static_cast<std::uint32_t>(size));
}

/// What follows the strings; the strings' end is at `start`.
std::string encode_extensions(std::size_t start,
                              const std::vector<std::uint32_t>& hwcaps) {
  const std::uint32_t sections = hwcaps.empty() ? 1 : 2;
  // The offsets come first, because they must be aligned.
  const std::size_t hwcaps_at =
      start + kExtensionHeadBytes + sections * kSectionBytes;
  const std::size_t hwcaps_size = hwcaps.size() * sizeof(std::uint32_t);
  std::string out;
  put(out, kExtensionMagic);
  put(out, sections);
  put_section(out, kGeneratorTag, hwcaps_at + hwcaps_size, kGenerator.size());
  if (!hwcaps.empty()) put_section(out, kHwcapsTag, hwcaps_at, hwcaps_size);
  for (const std::uint32_t offset : hwcaps) put(out, offset);
  out += kGenerator;
  return out;
}

}  // namespace

std::string encode_loader_cache(std::vector<CacheEntry> entries) {
  std::stable_sort(entries.begin(), entries.end(), comes_before);
  StringTable strings(kHeaderBytes + entries.size() * kEntryBytes);

  std::map<std::string, std::uint64_t> hwcaps;  // Sorted, as the loader wants.
  for (const CacheEntry& entry : entries) {
    if (!entry.hwcaps.empty()) hwcaps.emplace(entry.hwcaps, 0);
  }
  std::vector<std::uint32_t> hwcaps_offsets;
  for (auto& [name, index] : hwcaps) {
    index = hwcaps_offsets.size();
    hwcaps_offsets.push_back(strings.add(name));
  }

  std::string table;
  for (const CacheEntry& entry : entries) {
    put(table, static_cast<std::uint32_t>(entry.flags));
    put(table, strings.add_end(entry.path, entry.name));
    put(table, strings.add(entry.path));
    put(table, std::uint32_t{0});  // The oldest kernel; unused since 2.36.
    const std::uint64_t hwcap =
        entry.hwcaps.empty()
            ? 0
            : kHwcapsMark | std::uint64_t{entry.isa_level} << kIsaLevelShift |
                  hwcaps[entry.hwcaps];
    put(table, hwcap);
  }

  std::string out(kMagic);
  put(out, static_cast<std::uint32_t>(entries.size()));
  put(out, static_cast<std::uint32_t>(strings.bytes().size()));
  put(out, std::uint32_t{kLittleEndian});
  std::size_t extensions = kHeaderBytes + table.size() + strings.bytes().size();
  const std::size_t padding = (4 - extensions % 4) % 4;
  extensions += padding;
  put(out, static_cast<std::uint32_t>(extensions));
  out.append(kHeaderBytes - out.size(), '\0');
  out += table;
  out += strings.bytes();
  out.append(padding, '\0');
  out += encode_extensions(extensions, hwcaps_offsets);
  return out;
}

}  // namespace gpunode::hook
