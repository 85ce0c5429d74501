// What the person at the terminal reads.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::demo {

/// Writes to standard output. Colours only on a terminal and without NO_COLOR.
class Screen {
 public:
  /// Asks the environment whether to colour.
  static Screen of_process();
  explicit Screen(bool has_colours) : has_colours_(has_colours) {}

  void title(std::string_view text);
  /// Opens the next stage, numbered.
  void stage(std::string_view text);
  void say(std::string_view text);
  /// Text that something else wrote, or that a person would.
  void quote(std::string_view text);
  /// A statement that was checked. False makes all_true() false.
  void claim(bool is_true, std::string_view text);
  /// A failure that ends the demo: what, why, and what to do next.
  void trouble(std::string_view what, std::string_view why,
               std::string_view next);

  bool all_true() const { return all_true_; }

 private:
  std::string styled(std::string_view style, std::string_view text) const;

  bool has_colours_;
  bool all_true_ = true;
  int stages_ = 0;
};

}  // namespace gpunode::demo
