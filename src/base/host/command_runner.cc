#include "base/host/command_runner.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace gpunode::host {
namespace {

constexpr std::size_t kTailBytes = 512;

bool needs_quotes(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "/._-+=:,@%";
  return word.empty() || word.find_first_not_of(kPlain) != std::string::npos;
}

}  // namespace

Result<std::string> CommandRunner::output(const Command& command) {
  TRY(Completed completed, run(command));
  if (completed.status == 0) return std::move(completed.out);
  std::string message = "run " + command_line(command) + ": exit status " +
                        std::to_string(completed.status);
  const std::string tail =
      output_tail(completed.err.empty() ? completed.out : completed.err);
  if (!tail.empty()) message += ": " + tail;
  return Error(ErrorCode::kInternal, std::move(message));
}

std::string command_line(const Command& command) {
  std::string line;
  for (const std::string& word : command.argv) {
    if (!line.empty()) line += ' ';
    line += needs_quotes(word) ? "'" + word + "'" : word;
  }
  return line;
}

std::string output_tail(const std::string& output) {
  const std::size_t end = output.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "";
  std::size_t begin = end + 1 > kTailBytes ? end + 1 - kTailBytes : 0;
  // Not the second half of a line, if a whole one follows.
  if (begin > 0) {
    const std::size_t line = output.find('\n', begin);
    if (line < end) begin = line + 1;
  }
  std::string tail;
  for (std::size_t i = begin; i <= end; ++i) {
    const char c = output[i];
    const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (c == '\n') {
      tail += "; ";
    } else {
      tail += is_control ? ' ' : c;
    }
  }
  return tail;
}

}  // namespace gpunode::host
