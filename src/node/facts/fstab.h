// /etc/fstab, line by line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::facts {

/// One line that mounts something; fstab(5). Escapes (\040) are resolved.
struct FstabLine {
  std::string source;  ///< "UUID=…", "/dev/…", "LABEL=…".
  std::string target;  ///< Mount point, or "none" of swap.
  std::string type;
  std::string options;   ///< "defaults" if the line has none.
  int pass = 0;          ///< Sixth field.
  std::size_t line = 0;  ///< From 1.

  friend bool operator==(const FstabLine&, const FstabLine&) = default;
};

/// Lines with fewer than three fields are skipped, as mount(8) does.
std::vector<FstabLine> parse_fstab(std::string_view text);

}  // namespace gpunode::facts
