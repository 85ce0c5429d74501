// Lanes as their container left them: any words at any place, and any size of
// the file. What the node makes of them stays within bounds.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/core/unique_fd.h"
#include "share/grants/grant_files.h"
#include "share/grants/grant_place.h"
#include "share/ledger/lane.h"
#include "share/ledger/ledger.h"
#include "share/turns/grant_lanes.h"

namespace {

namespace share = gpunode::share;

constexpr std::uint32_t kDevices = 2;
constexpr const char* kId = "1";
/// Of the input: where a word goes, and the word.
constexpr std::size_t kChange = sizeof(std::uint16_t) + sizeof(std::uint64_t);

void require(bool claim) {
  if (!claim) std::abort();
}

/// A grant with a process, made once; it is the file that changes.
class Room {
 public:
  Room() {
    std::string pattern =
        std::filesystem::temp_directory_path().string() + "/lanes-fuzz-XXXXXX";
    require(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    files_ = share::GrantFiles(pattern);
    require(files_.renew({kId, {{"GPU-a", 1, {500}}, {"GPU-b", 1, {500}}}})
                .has_value());
    fd_ = gpunode::UniqueFd(::open(
        share::file_in(files_.ledger_path(kId)).c_str(), O_RDWR | O_CLOEXEC));
    require(static_cast<bool>(fd_));
    // The first slots live, and have lanes.
    for (std::uint32_t slot = 0; slot < kLive; ++slot) {
      const share::SlotWord word{share::SlotWord::Phase::kLive, 1, slot + 1, 1};
      write(share::slot_place(kDevices, slot), word.packed());
      for (std::uint32_t device = 0; device < kDevices; ++device) {
        write(share::lane_place(kDevices, share::kUsualSlots, slot, device) +
                  offsetof(share::Lane, owner),
              share::Lane::kOwned | 1);
      }
    }
    write(lanes() + offsetof(share::LanesHeader, used_slots), kLive);
    whole_.resize(size());
    require(::pread(fd_.get(), whole_.data(), whole_.size(), 0) ==
            static_cast<ssize_t>(whole_.size()));
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() { std::filesystem::remove_all(root_); }

  static std::size_t size() {
    return share::ledger_file_size(kDevices, share::kUsualSlots);
  }
  static std::size_t lanes() {
    return share::lanes_place(kDevices, share::kUsualSlots);
  }
  share::GrantLanes open() const {
    auto lanes = share::GrantLanes::open(files_, kId);
    require(lanes.has_value());
    return std::move(*lanes);
  }
  void make_whole() const {
    require(::pwrite(fd_.get(), whole_.data(), whole_.size(), 0) ==
            static_cast<ssize_t>(whole_.size()));
  }
  void write(std::size_t place, std::uint64_t word) const {
    require(::pwrite(fd_.get(), &word, sizeof(word),
                     static_cast<off_t>(place)) == sizeof(word));
  }
  void cut(std::size_t size) const {
    require(::ftruncate(fd_.get(), static_cast<off_t>(size)) == 0);
  }
  /// All that there is.
  std::string contents() const {
    std::string bytes(size() + 1, '\0');
    const ssize_t count = ::pread(fd_.get(), bytes.data(), bytes.size(), 0);
    require(count >= 0);
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }

 private:
  static constexpr std::uint32_t kLive = 3;

  std::filesystem::path root_;
  share::GrantFiles files_{""};
  gpunode::UniqueFd fd_;
  std::string whole_;
};

void read_all(share::GrantLanes* lanes) {
  lanes->find_processes();
  for (std::uint32_t device = 0; device < kDevices; ++device) {
    const share::TurnLook look = lanes->look(device);
    require(look.tail >= gpunode::Duration{} &&
            look.tail <= std::chrono::microseconds(500));
    require(lanes->sums(device).waited >= gpunode::Duration{});
  }
}

void say(share::GrantLanes* lanes, std::uint32_t word) {
  for (std::uint32_t device = 0; device < kDevices; ++device) {
    lanes->say(device, word);
  }
}

/// Whatever a container says, nothing of the node's is written to its file.
void take_turn(const Room& room, share::GrantLanes* lanes) {
  constexpr std::uint32_t kOpen = share::TurnWord::kInTurns;
  const std::string file = room.contents();
  lanes->find_processes();
  for (std::uint32_t device = 0; device < kDevices; ++device) {
    lanes->say(device, kOpen | share::TurnWord::kClosed);
    (void)lanes->look(device);
    lanes->say(device, kOpen);
    (void)lanes->look(device);
    require(room.contents() == file);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static const Room room;
  room.make_whole();
  share::GrantLanes lanes = room.open();
  read_all(&lanes);
  // Words go to the ledger's first slots, or to the lanes by their highest bit;
  // by the next the container has a turn then.
  constexpr std::uint16_t kToLanes = 1 << 15;
  constexpr std::uint16_t kTurn = 1 << 14;
  for (; size >= kChange; data += kChange, size -= kChange) {
    std::uint16_t at = 0;
    std::uint64_t word = 0;
    std::memcpy(&at, data, sizeof(at));
    std::memcpy(&word, data + sizeof(at), sizeof(word));
    room.write((at & kToLanes) != 0 ? room.lanes() + (at & ~kToLanes) % 8192
                                    : std::size_t{at} % 1024,
               word);
    read_all(&lanes);
    if ((at & kTurn) != 0) take_turn(room, &lanes);
  }
  // The rest says how much of the file is left.
  if (size >= sizeof(std::uint16_t)) {
    std::uint16_t left = 0;
    std::memcpy(&left, data, sizeof(left));
    say(&lanes, share::TurnWord::kInTurns | share::TurnWord::kClosed);
    room.cut(room.size() * left / 65536);
    const std::size_t before = room.contents().size();
    say(&lanes, share::TurnWord::kInTurns);  // To who was there just now.
    require(room.contents().size() == before);
    read_all(&lanes);
    take_turn(room, &lanes);
  }
  return 0;
}
