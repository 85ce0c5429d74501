#include "base/console/output_tail.h"

#include <algorithm>
#include <utility>

namespace gpunode::console {
namespace {

constexpr unsigned char kDelete = 0x7f;
constexpr unsigned char kFirstBeyondAscii = 0x80;
constexpr unsigned char kFirstPrintable = 0x20;
/// From a control byte to the letter of its caret form.
constexpr unsigned char kCaret = 0x40;

/// What ends a word and with it an address, as who looks for secrets in it sees
/// it (packages/redaction.h).
constexpr std::string_view kWordEnds = " \"'<>";

/// `shown` without the address that it may end amid of.
std::string without_open_address(std::string shown) {
  const std::size_t before = shown.find_last_of(kWordEnds);
  const std::size_t word = before == std::string::npos ? 0 : before + 1;
  const std::size_t address = shown.find("://", word);
  if (address == std::string::npos) return shown;
  shown.resize(address);
  return shown + "://...";
}

}  // namespace

std::string visible(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t') {
      shown += ' ';
    } else if (byte >= kFirstBeyondAscii) {
      shown += "\\x";
      shown += kDigits[byte >> 4U];
      shown += kDigits[byte & 0xfU];
    } else if (byte < kFirstPrintable || byte == kDelete) {
      shown += '^';
      shown += static_cast<char>(byte ^ kCaret);
    } else {
      shown += c;
    }
  }
  return shown;
}

void OutputTail::Partial::take(char c) {
  if (c == '\r') {
    starts_over = true;
    return;
  }
  if (starts_over) {
    text.clear();
    is_cut = false;
  }
  starts_over = false;
  if (c == '\b') {
    if (!text.empty()) text.pop_back();
  } else if (text.size() < kLineBytes) {
    text += c;
  } else {
    is_cut = true;
  }
}

std::string OutputTail::end_line(Partial& partial) {
  std::string line = visible(partial.text);
  if (partial.is_cut) line = without_open_address(std::move(line));
  partial = {};
  whole_.push_back(line);
  if (whole_.size() > kLines) whole_.pop_front();
  return line;
}

std::vector<std::string> OutputTail::feed(std::size_t stream,
                                          std::string_view bytes) {
  Partial& partial = partial_[std::min(stream, kStreams - 1)];
  std::vector<std::string> ended;
  for (const char c : bytes) {
    if (c == '\n') {
      ended.push_back(end_line(partial));
    } else {
      partial.take(c);
    }
  }
  return ended;
}

std::vector<std::string> OutputTail::flush() {
  std::vector<std::string> ended;
  for (Partial& partial : partial_) {
    if (!partial.text.empty()) ended.push_back(end_line(partial));
  }
  return ended;
}

std::vector<std::string> OutputTail::lines() const {
  std::vector<std::string> lines(whole_.begin(), whole_.end());
  for (const Partial& partial : partial_) {
    if (partial.text.empty()) continue;
    lines.push_back(without_open_address(visible(partial.text)));
  }
  std::erase_if(lines, [](const std::string& line) {
    return line.find_first_not_of(' ') == std::string::npos;
  });
  if (lines.size() > kLines) {
    lines.erase(lines.begin(),
                lines.end() - static_cast<std::ptrdiff_t>(kLines));
  }
  return lines;
}

void OutputTail::clear() {
  whole_.clear();
  for (Partial& partial : partial_) partial = {};
}

}  // namespace gpunode::console
