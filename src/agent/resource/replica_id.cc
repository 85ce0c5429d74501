#include "agent/resource/replica_id.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <system_error>

#include <fmt/format.h>

namespace gpunode::resource {
namespace {

constexpr std::string_view kMark = "::";
constexpr std::size_t kPrintableBytes = 256;

}  // namespace

std::optional<ReplicaId> ReplicaId::parse(std::string_view text) {
  const std::size_t mark = text.find(kMark);
  if (mark == std::string_view::npos) {
    if (text.empty()) return std::nullopt;
    return ReplicaId{text, std::nullopt};
  }
  const std::string_view digits = text.substr(mark + kMark.size());
  if (mark == 0 || digits.empty()) return std::nullopt;
  // One spelling a Replica: "1" is known to the kubelet, "01" is not.
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  std::uint32_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return ReplicaId{text.substr(0, mark), number};
}

std::string ReplicaId::to_string() const {
  if (!number) return std::string(device);
  return fmt::format("{}{}{}", device, kMark, *number);
}

bool has_replica_mark(std::string_view id) {
  return id.find(kMark) != std::string_view::npos;
}

std::string printable(std::string_view id) {
  const std::string_view shown = id.substr(0, kPrintableBytes);
  std::string text;
  text.reserve(shown.size());
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  if (shown.size() < id.size()) text += "...";
  return text;
}

}  // namespace gpunode::resource
