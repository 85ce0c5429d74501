// Who says that a disk is theirs: the signatures of file systems, volumes, RAID
// members and partition tables on it.
//
// libblkid knows them (docs/adr/0016); it is asked for all that match and not
// for the one that fits best, at both sector sizes, with bad checksums allowed.
// Beside it stands a table of marks that libblkid ignores once the rest of a
// structure is damaged or wiped, such as a backup GPT alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::host {

/// One signature.
struct DiskSignature {
  /// libblkid's name ("xfs", "gpt", "LVM2_member") or one of our marks'.
  std::string type;
  std::string label;  ///< Cleaned (device_text()); "" if there is none.
  std::string uuid;   ///< As libblkid writes it; "" if there is none.
  std::uint64_t offset_bytes = 0;  ///< Of the mark itself.
  /// "xfs file system "data", UUID 9b1f…": what a person knows it by.
  std::string words;

  friend bool operator==(const DiskSignature&, const DiskSignature&) = default;
};

/// Every signature on the open device or file, those of libblkid first. Reads
/// some 2 MiB. An Error if anything can't be read: what can't be read may be
/// anything.
Result<std::vector<DiskSignature>> find_disk_signatures(
    int fd, std::uint64_t size_bytes);

/// What data at the start of a file or disk looks like, "" if like nothing
/// known: "tar archive", "gzip data". For messages alone.
std::string_view data_kind(std::string_view bytes);

}  // namespace gpunode::host
