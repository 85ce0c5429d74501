// Any bytes as a journal: what is read is what would be written again, and
// what a power cut left behind the last whole line is told from it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/provision/journal.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace provision = gpunode::provision;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto journal = provision::parse_journal(text);
  if (!journal) {
    require(!journal.error().message().empty());
    return 0;
  }
  require(journal->whole_bytes <= size);
  require(journal->cut_off == (journal->whole_bytes < size));

  std::string again;
  std::uint64_t seq = 0;
  for (const auto& line : journal->lines) {
    require(line.seq == ++seq);
    again += provision::journal_line_text(line);
  }
  const auto reread = provision::parse_journal(again);
  require(reread && !reread->cut_off);
  require(reread->lines.size() == journal->lines.size());
  std::string third;
  for (const auto& line : reread->lines) {
    third += provision::journal_line_text(line);
  }
  require(third == again);

  // What follows from it holds nothing that was never begun.
  const auto standing = provision::standing_actions(journal->lines);
  require(standing.size() <= journal->lines.size());
  for (const auto& line : standing) require(line.action.has_value());
  static_cast<void>(provision::history_of(journal->lines));
  return 0;
}
