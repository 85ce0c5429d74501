// How a person wants to see it, and the keys that change that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gpunode/top/snapshot.h"

namespace gpunode::top {

enum class Sort : std::uint8_t {
  kGpu,
  kMemory,
  kLimit,
  kPod,
  kRefused,
  kTime,
  kWaits,
};

struct Key {
  enum class Kind : std::uint8_t {
    kCharacter,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kBackspace,
  };
  Kind kind = Kind::kCharacter;
  char character = 0;  ///< Of kCharacter: printable ASCII.

  friend bool operator==(const Key&, const Key&) = default;
};

/// Keys from what a terminal sends, in pieces of any size. What it does not
/// know is passed over.
class KeyReader {
 public:
  std::vector<Key> take(std::string_view bytes);
  /// Something was begun: an Escape, unless more comes soon.
  bool is_waiting() const { return !begun_.empty(); }
  /// Nothing more came.
  std::vector<Key> flush();

 private:
  void take(char c, std::vector<Key>& keys);

  std::string begun_;  ///< Of an escape sequence.
};

struct View {
  Sort sort = Sort::kGpu;
  bool is_reversed = false;
  std::string filter;
  bool is_typing = false;  ///< Keys go to the filter.
  bool shows_help = false;
  std::size_t cursor = 0;  ///< Which of the holders that are shown.
  std::size_t page = 10;   ///< What a page key moves by.
  bool is_over = false;    ///< It was told to end.

  /// `rows`: how many holders are shown now.
  void press(const Key& key, std::size_t rows);

 private:
  void type(const Key& key);
  void sort_by(Sort wanted);
  void move(const Key& key, std::size_t rows);
};

/// The holders that `view` shows, in its order. A filter is looked for in
/// every name of a holder, and in what its turns are ("hard", "persistent"),
/// whatever its case. Points into `snapshot`.
std::vector<const HolderRow*> choose(const Snapshot& snapshot,
                                     const View& view);

/// "memory", as --sort takes it.
constexpr const char* name_of(Sort sort) {
  switch (sort) {
    case Sort::kMemory:
      return "memory";
    case Sort::kLimit:
      return "limit";
    case Sort::kPod:
      return "pod";
    case Sort::kRefused:
      return "refused";
    case Sort::kTime:
      return "time";
    case Sort::kWaits:
      return "waits";
    case Sort::kGpu:
      break;
  }
  return "gpu";
}

}  // namespace gpunode::top
