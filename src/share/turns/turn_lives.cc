#include "share/turns/turn_lives.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/host/file.h"
#include "base/host/host_root.h"
#include "share/grants/delivery.h"
#include "share/ledger/limits.h"

namespace gpunode::share {
namespace {

constexpr std::string_view kFirstLine = "gpunode-lives 1";
constexpr std::string_view kGrant = "grant ";
constexpr std::string_view kCheck = "check ";
constexpr std::size_t kMostBytes = 4096;
constexpr mode_t kMode = 0600;
constexpr std::uint32_t kWhole = 1000;
constexpr std::size_t kNumbers = 6;  // Of a life.
/// Of any time: a century, and no sum of two overflows.
constexpr std::uint64_t kLongest =
    std::chrono::nanoseconds(std::chrono::hours(24) * 36500).count();

std::string path_of(const GrantFiles& files, const std::string& id) {
  return fmt::format("{}/{}/lives", files.root(), id);
}

/// FNV-1a: against damage, not against anybody.
std::uint64_t sum_of_bytes(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return sum;
}

std::string check_line(std::string_view before) {
  return fmt::format("{}{:016x}\n", kCheck, sum_of_bytes(before));
}

Error corrupt(std::string_view what) {
  return {ErrorCode::kCorrupt, std::string(what)};
}

std::optional<std::uint64_t> number_of(std::string_view word,
                                       std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = word.data() + word.size();
  const auto read = std::from_chars(word.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number > most) return {};
  return number;
}

/// Up to `separator`, which goes too; all that is left if there is none.
std::string_view take(std::string_view* text, char separator) {
  const std::size_t end = text->find(separator);
  const std::string_view taken = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return taken;
}

Result<void> read_line(std::string_view line, TurnLives* lives) {
  const std::string_view whole = line;
  const std::string_view uuid = take(&line, ' ');
  std::array<std::uint64_t, kNumbers> numbers{};
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  constexpr std::array<std::uint64_t, kNumbers> kMost = {
      kLongest, kLongest, kAny, kLongest, kLongest, kWhole};
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    const auto number = number_of(take(&line, ' '), kMost[at]);
    if (!number) {
      return corrupt(fmt::format("no life of a Device: {:?}", whole));
    }
    numbers[at] = *number;
  }
  const auto time = [&](std::size_t at) {
    return Duration(static_cast<Duration::rep>(numbers[at]));
  };
  const TurnLife life{time(0), time(1), numbers[2],
                      time(3), time(4), static_cast<std::uint32_t>(numbers[5])};
  const bool is_new = lives->emplace(uuid, life).second;
  if (uuid.empty() || uuid.size() >= kUuidBytes || !is_new ||
      std::ranges::count(whole, ' ') != std::ptrdiff_t{kNumbers} ||
      lives->size() > kMostDevices) {
    return corrupt(fmt::format("no life of a Device: {:?}", whole));
  }
  return {};
}

}  // namespace

std::string turn_lives_text(const TurnLives& lives, std::uint64_t grant) {
  std::string text = fmt::format("{}\n{}{}\n", kFirstLine, kGrant, grant);
  for (const auto& [uuid, life] : lives) {
    text += fmt::format("{} {} {} {} {} {} {}\n", uuid, life.used.count(),
                        life.waited.count(), life.turns, life.seen.count(),
                        life.used_seen.count(), life.peak);
  }
  return text + check_line(text);
}

Result<TurnLives> parse_turn_lives(std::string_view text, std::uint64_t grant) {
  const std::size_t check = text.rfind(kCheck);
  if (check == std::string_view::npos ||
      text.substr(check) != check_line(text.substr(0, check))) {
    return corrupt("its sum is not that of its bytes");
  }
  text = text.substr(0, check);
  const std::string_view first = take(&text, '\n');
  if (first != kFirstLine) {
    return corrupt(
        fmt::format("it begins with {:?}, not with {:?}", first, kFirstLine));
  }
  std::string_view line = take(&text, '\n');
  std::optional<std::uint64_t> of;
  if (line.starts_with(kGrant)) {
    of = number_of(line.substr(kGrant.size()),
                   std::numeric_limits<std::uint64_t>::max());
  }
  if (!of) return corrupt(fmt::format("it names no grant: {:?}", line));
  if (*of != grant) {
    return Error(ErrorCode::kNotFound, "it is of the grant before");
  }
  TurnLives lives;
  while (!text.empty()) TRY_VOID(read_line(take(&text, '\n'), &lives));
  return lives;
}

Result<TurnLives> read_turn_lives(const GrantFiles& files,
                                  const std::string& id, std::uint64_t grant) {
  const std::string path = path_of(files, id);
  TRY(const std::string text, host::HostRoot().read_file(path, kMostBytes));
  auto lives = parse_turn_lives(text, grant);
  if (!lives) return std::move(lives).error().with_context("read " + path);
  return lives;
}

Result<void> keep_turn_lives(const GrantFiles& files, const std::string& id,
                             std::uint64_t grant, const TurnLives& lives) {
  // On tmpfs, as all of a grant.
  return host::write_file_atomic(path_of(files, id),
                                 turn_lives_text(lives, grant), kMode,
                                 host::Durability::kVolatile);
}

}  // namespace gpunode::share
