// The last lines of what a program prints, harmless and bounded.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::console {

/// `text` with its control bytes made visible: ^[ for escape, ^? for delete,
/// \xe9 for what is not ASCII. A terminal obeys control bytes, and what a
/// program prints is in nobody's hands.
std::string visible(std::string_view text);

/// Takes output as it comes, of two streams, in pieces of any size. What a
/// progress bar writes over itself is one line: its last state. Memory is
/// bounded whatever comes. Of a line that is not whole (too long, or with its
/// end still to come) no address is shown, if it ends in one: a password in it
/// would not be known as one without the @ behind it. One thread.
class OutputTail {
 public:
  static constexpr std::size_t kLines = 10;
  static constexpr std::size_t kLineBytes = 400;  ///< The rest is dropped.
  static constexpr std::size_t kStreams = 2;

  /// The lines that `bytes` brought to their end, visible().
  std::vector<std::string> feed(std::size_t stream, std::string_view bytes);

  /// What has no end of line yet, as if it had one.
  std::vector<std::string> flush();

  /// The last lines, at most kLines, the unfinished ones among them; visible().
  std::vector<std::string> lines() const;

  void clear();

 private:
  struct Partial {
    std::string text;
    bool starts_over = false;  ///< A carriage return came last.
    bool is_cut = false;       ///< Longer than kLineBytes.
    void take(char c);
  };
  std::string end_line(Partial& partial);

  std::array<Partial, kStreams> partial_;
  std::deque<std::string> whole_;
};

}  // namespace gpunode::console
