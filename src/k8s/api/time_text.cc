#include "k8s/api/time_text.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace gpunode::kube {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Reads fixed forms from the front of a text; after a failure all fail.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int number(std::size_t digits) {
    int value = 0;
    const std::string_view part = text_.substr(0, digits);
    const auto [end, error] =
        std::from_chars(part.data(), part.data() + part.size(), value);
    if (part.size() != digits || error != std::errc() || value < 0 ||
        end != part.data() + part.size()) {
      is_good_ = false;
      return 0;
    }
    text_.remove_prefix(digits);
    return value;
  }

  bool pass(std::string_view any_of) {
    if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }

  void expect(std::string_view any_of) { is_good_ = pass(any_of) && is_good_; }

  void pass_digits() {
    const std::size_t end = text_.find_first_not_of("0123456789");
    is_good_ = is_good_ && end != 0;
    text_.remove_prefix(std::min(end, text_.size()));
  }

  char front() const { return text_.empty() ? '\0' : text_.front(); }
  bool is_good_end() const { return is_good_ && text_.empty(); }

 private:
  std::string_view text_;
  bool is_good_ = true;
};

minutes read_offset(Reader& reader) {
  if (reader.pass("Zz")) return minutes(0);
  const int sign = reader.front() == '-' ? -1 : 1;
  reader.expect("+-");
  const int hour = reader.number(2);
  reader.expect(":");
  const int minute = reader.number(2);
  return sign * (hours(hour) + minutes(minute));
}

}  // namespace

std::string micro_time(WallTime time) {
  const auto since = std::chrono::floor<microseconds>(time.time_since_epoch());
  const auto day = std::chrono::floor<days>(since);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss clock(since - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                     static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<WallTime> parse_time(std::string_view text) {
  Reader reader(text);
  const std::chrono::year year(reader.number(4));
  reader.expect("-");
  const std::chrono::month month(static_cast<unsigned>(reader.number(2)));
  reader.expect("-");
  const std::chrono::day day(static_cast<unsigned>(reader.number(2)));
  reader.expect("Tt ");
  const int hour = reader.number(2);
  reader.expect(":");
  const int minute = reader.number(2);
  reader.expect(":");
  const int second = reader.number(2);
  if (reader.pass(".,")) reader.pass_digits();
  const minutes offset = read_offset(reader);
  const std::chrono::year_month_day date(year, month, day);
  if (!reader.is_good_end() || !date.ok() || hour > 23 || minute > 59 ||
      second > 60) {
    return Error(ErrorCode::kCorrupt, fmt::format("{:?} is no time of RFC 3339",
                                                  text.substr(0, 60)));
  }
  // The clock's nanoseconds end in 2262, and "never" is often written as 9999.
  constexpr std::chrono::sys_days kFirst = std::chrono::year(1970) / 1 / 1;
  constexpr std::chrono::sys_days kLast = std::chrono::year(2200) / 1 / 1;
  const auto near = std::clamp(std::chrono::sys_days(date), kFirst, kLast);
  return WallTime(near.time_since_epoch() + hours(hour) + minutes(minute) +
                  seconds(second) - offset);
}

}  // namespace gpunode::kube
