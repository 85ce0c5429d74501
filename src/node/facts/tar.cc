#include "node/facts/tar.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/host/root_directory.h"

namespace gpunode::facts {
namespace {

constexpr std::size_t kBlock = 512;

/// A field of the header: where, and how long.
struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUser{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kLink{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kPrefix{345, 155};

constexpr std::string_view kUstar(
    "ustar\0"
    "00",
    8);
// GNU tar's own form of the same, names alike as long as they are short.
constexpr std::string_view kGnu("ustar  \0", 8);

void put(std::string& header, Field field, std::string_view text) {
  header.replace(field.at, text.size(), text);
}

/// Octal digits, zeros before them, a NUL behind.
void put_number(std::string& header, Field field, std::size_t number) {
  std::string digits(field.size - 1, '0');
  for (std::size_t i = digits.size(); i > 0 && number > 0; --i) {
    digits[i - 1] = static_cast<char>('0' + number % 8);
    number /= 8;
  }
  put(header, field, digits);
}

std::size_t checksum_of(std::string_view header) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool is_own = i >= kChecksum.at && i < kChecksum.at + kChecksum.size;
    sum += is_own ? static_cast<unsigned char>(' ')
                  : static_cast<unsigned char>(header[i]);
  }
  return sum;
}

std::string_view text_of(std::string_view header, Field field) {
  const std::string_view text = header.substr(field.at, field.size);
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

/// Nothing for anything but octal digits, blanks around them.
std::optional<std::size_t> number_of(std::string_view header, Field field) {
  std::string_view text = text_of(header, field);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  std::size_t number = 0;  // At most 12 digits: 36 bits.
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

/// Where the prefix ends, if the name needs one.
std::optional<std::size_t> split_of(std::string_view name) {
  if (name.size() <= kName.size) return 0;
  const std::size_t earliest = name.size() - kName.size - 1;
  const std::size_t slash = name.find('/', earliest);
  if (slash == std::string_view::npos || slash > kPrefix.size) {
    return std::nullopt;
  }
  return slash;
}

std::size_t padding_of(std::size_t size) {
  return (kBlock - size % kBlock) % kBlock;
}

std::string header_of(const TarMember& member) {
  std::string header(kBlock, '\0');
  std::string_view name = member.name;
  const std::size_t split = split_of(name).value_or(0);
  if (split > 0) {
    put(header, kPrefix, name.substr(0, split));
    name.remove_prefix(split + 1);
  }
  put(header, kName, name);
  put_number(header, kMode, 0600);
  put_number(header, kUser, 0);
  put_number(header, kGroup, 0);
  put_number(header, kSize, member.content.size());
  put_number(header, kTime, 0);
  header[kType] = '0';
  put(header, kMagic, kUstar);
  // Six digits, a NUL and a blank, as every tar writes it.
  put_number(header, {kChecksum.at, 7}, checksum_of(header));
  header[kChecksum.at + 7] = ' ';
  return header;
}

bool is_zero(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

Error wrong(std::size_t position, const std::string& why) {
  return {ErrorCode::kCorrupt,
          "tar: at byte " + std::to_string(position) + ": " + why};
}

/// Name and size of a member.
struct Header {
  std::string name;
  std::size_t size = 0;
};

Result<Header> read_header(std::string_view block, std::size_t position) {
  if (number_of(block, kChecksum) != checksum_of(block)) {
    return wrong(position, "the header's checksum is wrong");
  }
  const std::string_view magic = block.substr(kMagic.at, kMagic.size);
  if (magic != kUstar && magic != kGnu) {
    return wrong(position, "not of the form ustar");
  }
  Header header;
  if (const auto prefix = text_of(block, kPrefix); !prefix.empty()) {
    header.name = std::string(prefix) + "/";
  }
  header.name += text_of(block, kName);
  if ((block[kType] != '0' && block[kType] != '\0') ||
      !text_of(block, kLink).empty()) {
    return wrong(position, host::printable(header.name) + " is no plain file");
  }
  if (!is_tar_name(header.name)) {
    return wrong(position, host::printable(header.name) +
                               " is no name of a file in a bundle");
  }
  const auto size = number_of(block, kSize);
  if (!size) return wrong(position, "a size that is no number");
  header.size = *size;
  return header;
}

}  // namespace

bool is_tar_name(std::string_view name) {
  if (name.empty() || !split_of(name)) return false;
  while (true) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    const bool has_control = std::ranges::any_of(part, [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (has_control) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

Result<std::string> write_tar(const std::vector<TarMember>& members) {
  std::string archive;
  std::set<std::string_view> names;
  for (const TarMember& member : members) {
    if (!is_tar_name(member.name) || !names.insert(member.name).second) {
      return Error(ErrorCode::kInvalidArgument,
                   "write tar: " + host::printable(member.name) +
                       ": no name, or a name twice");
    }
    archive += header_of(member);
    archive += member.content;
    archive.append(padding_of(member.content.size()), '\0');
    if (archive.size() > kTarLimitBytes) {
      return Error(ErrorCode::kInvalidArgument,
                   "write tar: larger than " + std::to_string(kTarLimitBytes) +
                       " bytes");
    }
  }
  archive.append(2 * kBlock, '\0');
  return archive;
}

Result<std::vector<TarMember>> read_tar(std::string_view archive) {
  if (archive.size() > kTarLimitBytes) return wrong(0, "it is too large");
  std::vector<TarMember> members;
  std::set<std::string> names;
  for (std::size_t at = 0;;) {
    if (archive.size() - at < kBlock) return wrong(at, "it is cut off");
    const std::string_view block = archive.substr(at, kBlock);
    // Writers end with two; some pad the whole with more.
    if (is_zero(block)) break;
    TRY(Header header, read_header(block, at));
    at += kBlock;
    if (header.size > archive.size() - at ||
        padding_of(header.size) > archive.size() - at - header.size) {
      return wrong(at, host::printable(header.name) + " is cut off");
    }
    if (!names.insert(header.name).second) {
      return wrong(at, host::printable(header.name) + " is there twice");
    }
    if (members.size() == kTarMemberLimit) return wrong(at, "too many files");
    members.push_back(
        {std::move(header.name), std::string(archive.substr(at, header.size))});
    at += header.size + padding_of(header.size);
  }
  return members;
}

}  // namespace gpunode::facts
