#include "node/facts/fstab.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/host/mount_table.h"

namespace gpunode::facts {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view take_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view field =
      line.substr(0, std::min(line.find_first_of(kBlanks), line.size()));
  line.remove_prefix(field.size());
  return field;
}

/// As getmntent(3), which systemd reads fstab with: what is no number is 0.
int number_of(std::string_view field) {
  int number = 0;
  std::from_chars(field.data(), field.data() + field.size(), number);
  return number;
}

}  // namespace

std::vector<FstabLine> parse_fstab(std::string_view text) {
  std::vector<FstabLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // A file edited on Windows: the carriage return is no part of a field.
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    std::array<std::string_view, 6> fields;
    for (std::string_view& field : fields) field = take_field(rest);
    if (fields[2].empty() || fields[0].starts_with('#')) continue;
    FstabLine line;
    line.source = host::unescape_octal(fields[0]);
    line.target = host::unescape_octal(fields[1]);
    line.type = host::unescape_octal(fields[2]);
    line.options =
        fields[3].empty() ? "defaults" : host::unescape_octal(fields[3]);
    line.pass = number_of(fields[5]);
    line.line = number;
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace gpunode::facts
