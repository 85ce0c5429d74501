#include "base/host/mount_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace gpunode::host {
namespace {

/// A host with many containers has thousands of mounts of some hundred bytes.
constexpr std::size_t kTableLimit = std::size_t{64} << 20U;

/// Takes the next field of a line off it. Fields are one blank apart and may
/// be empty: the source of a mount may be the empty string.
std::optional<std::string_view> take_field(std::string_view& line) {
  if (line.data() == nullptr) return std::nullopt;
  const std::size_t end = line.find(' ');
  const std::string_view field = line.substr(0, end);
  line =
      end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  return field;
}

bool read_number(std::string_view text, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end;
}

/// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=…".
std::optional<Mount> parse_line(std::string_view line) {
  std::array<std::string_view, 6> fields;
  for (std::string_view& field : fields) {
    const auto taken = take_field(line);
    if (!taken || taken->empty()) return std::nullopt;
    field = *taken;
  }
  Mount mount;
  const auto device = DeviceNumber::parse(fields[2]);
  if (!device || !read_number(fields[0], mount.id) ||
      !read_number(fields[1], mount.parent_id)) {
    return std::nullopt;
  }
  mount.device = *device;
  mount.root = unescape_octal(fields[3]);
  mount.mount_point = unescape_octal(fields[4]);
  mount.options = unescape_octal(fields[5]);
  // Optional fields, as many as there are, up to a single dash.
  for (;;) {
    const auto field = take_field(line);
    if (!field) return std::nullopt;
    if (*field == "-") break;
    if (field->substr(0, 7) == "shared:") mount.shared = true;
  }
  const auto type = take_field(line);
  const auto source = take_field(line);
  if (!type || type->empty() || !source) return std::nullopt;
  mount.type = unescape_octal(*type);
  mount.source = unescape_octal(*source);
  // The rest is one field even where a file system put blanks into it.
  mount.super_options = unescape_octal(line);
  return mount;
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

}  // namespace

std::string unescape_octal(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' &&
        std::ranges::all_of(text.substr(i + 1, 3), is_octal)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 +
                                 (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const std::size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) break;
    options.remove_prefix(comma + 1);
  }
  return false;
}

Result<std::vector<Mount>> parse_mount_table(std::string_view text) {
  std::vector<Mount> mounts;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    auto mount = parse_line(line);
    if (!mount) {
      return Error(ErrorCode::kCorrupt, "mount table: line " +
                                            std::to_string(number) +
                                            " is not one of mountinfo");
    }
    mounts.push_back(*std::move(mount));
  }
  return mounts;
}

Result<std::vector<Mount>> read_mount_table(const HostRoot& host) {
  TRY(const std::string own,
      host.read_file("/proc/self/mountinfo", kTableLimit));
  TRY(std::vector<Mount> mounts, parse_mount_table(own));
  // Without the right to look at the first process there is what we see.
  const auto first = host.read_file("/proc/1/mountinfo", kTableLimit);
  if (!first || *first == own) return mounts;
  TRY(std::vector<Mount> others, parse_mount_table(*first));
  const std::vector<Mount> seen = mounts;
  for (Mount& mount : others) {
    if (std::ranges::find(seen, mount) == seen.end()) {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    const std::string& point = mount.mount_point;
    const bool above =
        point == "/" ||
        (path.substr(0, point.size()) == point &&
         (path.size() == point.size() || path[point.size()] == '/'));
    // Of two at the same place the later one hides the earlier.
    if (above &&
        (best == nullptr || point.size() >= best->mount_point.size())) {
      best = &mount;
    }
  }
  return best;
}

}  // namespace gpunode::host
