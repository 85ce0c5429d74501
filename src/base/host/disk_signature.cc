#include "base/host/disk_signature.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include <blkid/blkid.h>

#include "base/host/block_device.h"
#include "base/host/device_read.h"
#include "base/host/filesystem_superblock.h"

namespace gpunode::host {
namespace {

struct ProbeCloser {
  void operator()(blkid_probe probe) const { ::blkid_free_probe(probe); }
};
using Probe = std::unique_ptr<std::remove_pointer_t<blkid_probe>, ProbeCloser>;

/// The value of a name in the current result, "" if there is none.
std::string value_of(const Probe& probe, const char* name) {
  const char* data = nullptr;
  std::size_t size = 0;  // With the closing NUL.
  if (::blkid_probe_lookup_value(probe.get(), name, &data, &size) != 0 ||
      size == 0) {
    return "";
  }
  return device_text(std::string_view(data, size - 1));
}

std::uint64_t offset_of(const Probe& probe, const char* name) {
  const std::string text = value_of(probe, name);
  std::uint64_t offset = 0;
  std::from_chars(text.data(), text.data() + text.size(), offset);
  return offset;
}

/// What people call what libblkid has names for.
std::string type_words(std::string_view type, std::string_view usage,
                       const std::string& version) {
  struct Name {
    std::string_view type;
    std::string_view words;
  };
  static constexpr auto kNames = std::to_array<Name>({
      {"linux_raid_member", "member of a Linux RAID array (md"},
      {"LVM2_member", "LVM physical volume"},
      {"LVM1_member", "LVM1 physical volume"},
      {"crypto_LUKS", "LUKS-encrypted volume (version"},
      {"BitLocker", "BitLocker-encrypted volume"},
      {"zfs_member", "member of a ZFS pool"},
      {"ceph_bluestore", "Ceph BlueStore volume"},
      {"bcache", "bcache device"},
      {"drbd", "DRBD volume"},
      {"swap", "swap area"},
      {"swsuspend", "hibernation image"},
      {"jbd", "external ext4 journal"},
      {"xfs_external_log", "external xfs journal"},
      {"stratis", "Stratis pool member"},
      {"vdo", "VDO volume"},
      {"oracleasm", "Oracle ASM disk"},
      {"DM_verity_hash", "dm-verity hash tree"},
      {"DM_integrity", "dm-integrity volume"},
      {"DM_snapshot_cow", "device-mapper snapshot"},
      {"VMFS_volume_member", "VMware VMFS volume"},
      {"iso9660", "ISO 9660 image"},
      {"gpt", "GPT partition table"},
      {"dos", "MBR partition table"},
      {"PMBR", "protective MBR of a GPT"},
      {"mac", "Apple partition map"},
      {"bsd", "BSD disklabel"},
  });
  const auto known = std::ranges::find(kNames, type, &Name::type);
  std::string words;
  if (known != kNames.end()) {
    words = known->words;
  } else {
    words = type;
    words += usage == "raid"         ? " RAID member"
             : usage == "filesystem" ? " file system"
             : usage == "crypto"     ? "-encrypted volume"
             : usage.empty()         ? " partition table"
                                     : " data";
  }
  // Those that end in the middle want their version.
  if (words.find('(') != std::string::npos) {
    words += version.empty() ? ")" : " " + version + ")";
  }
  return words;
}

std::string with_identity(std::string words, const DiskSignature& signature) {
  if (!signature.label.empty()) words += " \"" + signature.label + "\"";
  if (!signature.uuid.empty()) words += ", UUID " + signature.uuid;
  return words;
}

/// What the current result is; nothing if it says nothing of its type.
std::optional<DiskSignature> current_signature(const Probe& probe) {
  DiskSignature signature;
  signature.type = value_of(probe, "TYPE");
  if (!signature.type.empty()) {
    signature.label = value_of(probe, "LABEL");
    signature.uuid = value_of(probe, "UUID");
    signature.offset_bytes = offset_of(probe, "SBMAGIC_OFFSET");
    signature.words =
        with_identity(type_words(signature.type, value_of(probe, "USAGE"),
                                 value_of(probe, "VERSION")),
                      signature);
    return signature;
  }
  signature.type = value_of(probe, "PTTYPE");
  if (signature.type.empty()) return std::nullopt;
  signature.uuid = value_of(probe, "PTUUID");
  signature.offset_bytes = offset_of(probe, "PTMAGIC_OFFSET");
  signature.words =
      with_identity(type_words(signature.type, "", ""), signature);
  return signature;
}

void add_new(DiskSignature signature, std::vector<DiskSignature>& found) {
  const bool known =
      std::ranges::any_of(found, [&](const DiskSignature& other) {
        return other.type == signature.type &&
               other.offset_bytes == signature.offset_bytes;
      });
  if (!known) found.push_back(std::move(signature));
}

Error not_probed(const char* what) {
  return {ErrorCode::kUnavailable, std::string("look for signatures: ") + what};
}

/// All results of libblkid for a disk of this sector size. A GPT lies at the
/// second sector, so a disk whose sector size was changed hides it.
Result<void> probe_as(int fd, unsigned sector_bytes,
                      std::vector<DiskSignature>& found) {
  // More results than libblkid has types are no results.
  constexpr int kMostResults = 256;
  const Probe probe(::blkid_new_probe());
  if (!probe) return not_probed("out of memory");
  if (::blkid_probe_set_device(probe.get(), fd, 0, 0) != 0 ||
      ::blkid_probe_set_sectorsize(probe.get(), sector_bytes) != 0) {
    return not_probed("libblkid can't use the device");
  }
  ::blkid_probe_enable_superblocks(probe.get(), 1);
  ::blkid_probe_set_superblocks_flags(
      probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_LABEL |
                       BLKID_SUBLKS_UUID | BLKID_SUBLKS_VERSION |
                       BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
  ::blkid_probe_enable_partitions(probe.get(), 1);
  ::blkid_probe_set_partitions_flags(probe.get(),
                                     BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
  for (int i = 0; i < kMostResults; ++i) {
    const int outcome = ::blkid_do_probe(probe.get());
    if (outcome == 1) return {};
    if (outcome != 0) return not_probed("libblkid could not read the device");
    if (auto signature = current_signature(probe)) {
      add_new(*std::move(signature), found);
    }
  }
  return not_probed("libblkid finds no end");
}

/// A mark of something that libblkid does not tell by it alone.
struct Mark {
  std::int64_t offset_bytes;  ///< Negative: from the end of the disk.
  std::string_view bytes;
  std::string_view type;
  std::string_view words;
  std::uint64_t uuid_after = 0;  ///< Bytes from the mark to a UUID; 0: none.
};

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = kKiB * kKiB;
constexpr std::int64_t kGiB = kMiB * kKiB;
constexpr std::string_view kExtMagic("\x53\xef", 2);

/// Offsets: UEFI 2.10, 5.3.2; LUKS2 on-disk format 1.1, 2.2 (second header);
/// btrfs on-disk format (superblock copies); ext4 backup groups at 4 KiB blocks
/// and at 1 KiB blocks; exFAT 3.1 and NTFS (backup boot sectors).
constexpr auto kMarks = std::to_array<Mark>({
    {512, "EFI PART", "gpt_header", "GPT header, damaged"},
    {4096, "EFI PART", "gpt_header", "GPT header, damaged"},
    {-512, "EFI PART", "gpt_backup", "backup GPT at the end"},
    {-4096, "EFI PART", "gpt_backup", "backup GPT at the end"},
    {0, "LUKS\xba\xbe", "luks_header", "LUKS header, damaged"},
    {16 * kKiB, "SKUL\xba\xbe", "luks_header", "second LUKS header"},
    {32 * kKiB, "SKUL\xba\xbe", "luks_header", "second LUKS header"},
    {64 * kKiB, "SKUL\xba\xbe", "luks_header", "second LUKS header"},
    {512, "LABELONE", "lvm_label", "LVM label, damaged"},
    {0, "bluestore block device", "ceph_bluestore", "Ceph BlueStore volume"},
    {0, "XFSB", "xfs_superblock", "xfs superblock, damaged", 32},
    {1080, kExtMagic, "ext_superblock", "ext4 superblock, damaged", 48},
    {8193 * kKiB + 56, kExtMagic, "ext_backup", "backup superblock of ext4",
     48},
    {128 * kMiB + 56, kExtMagic, "ext_backup", "backup superblock of ext4", 48},
    {64 * kKiB + 64, "_BHRfS_M", "btrfs_copy", "btrfs superblock, damaged"},
    {64 * kMiB + 64, "_BHRfS_M", "btrfs_copy", "copy of a btrfs superblock"},
    {256 * kGiB + 64, "_BHRfS_M", "btrfs_copy", "copy of a btrfs superblock"},
    {-509, "NTFS    ", "ntfs_backup", "backup boot sector of NTFS"},
    {12 * 512 + 3, "EXFAT   ", "exfat_backup", "backup boot sector of exFAT"},
    {3, "-FVE-FS-", "bitlocker", "BitLocker-encrypted volume"},
    {257, "ustar", "tar", "tar archive on the raw disk"},
});

/// True if libblkid has found the same thing by its whole structure.
bool is_told(const Mark& mark, const std::vector<DiskSignature>& found) {
  struct Same {
    std::string_view mark;
    std::string_view type;
  };
  static constexpr auto kSame = std::to_array<Same>({
      {"gpt_header", "gpt"},
      {"luks_header", "crypto_LUKS"},
      {"lvm_label", "LVM2_member"},
      {"xfs_superblock", "xfs"},
      {"ext_superblock", "ext"},
      {"ext_backup", "ext"},
      {"btrfs_copy", "btrfs"},
      {"ntfs_backup", "ntfs"},
      {"exfat_backup", "exfat"},
      {"ceph_bluestore", "ceph_bluestore"},
      {"bitlocker", "BitLocker"},
  });
  return std::ranges::any_of(kSame, [&](const Same& same) {
    return same.mark == mark.type &&
           std::ranges::any_of(found, [&](const DiskSignature& signature) {
             return signature.type.starts_with(same.type);
           });
  });
}

Result<void> find_marks(int fd, std::uint64_t size_bytes,
                        std::vector<DiskSignature>& found) {
  for (const Mark& mark : kMarks) {
    const std::uint64_t offset =
        mark.offset_bytes >= 0
            ? static_cast<std::uint64_t>(mark.offset_bytes)
            : size_bytes - static_cast<std::uint64_t>(-mark.offset_bytes);
    // Of a small disk, both ends of the numbers are beyond it.
    if (offset > size_bytes || size_bytes - offset < mark.bytes.size())
      continue;
    std::array<char, 32> bytes{};
    TRY_VOID(read_device(fd, offset, bytes.data(), mark.bytes.size()));
    if (std::string_view(bytes.data(), mark.bytes.size()) != mark.bytes ||
        is_told(mark, found)) {
      continue;
    }
    // Whose it is, where a mkfs was cut off before it wrote the first one.
    std::string uuid;
    std::array<char, 16> raw{};
    if (mark.uuid_after != 0 &&
        size_bytes - offset >= mark.uuid_after + raw.size()) {
      TRY_VOID(
          read_device(fd, offset + mark.uuid_after, raw.data(), raw.size()));
      uuid = uuid_text({raw.data(), raw.size()});
    }
    add_new({.type = std::string(mark.type),
             .label = "",
             .uuid = std::move(uuid),
             .offset_bytes = offset,
             .words = std::string(mark.words)},
            found);
  }
  return {};
}

}  // namespace

Result<std::vector<DiskSignature>> find_disk_signatures(
    int fd, std::uint64_t size_bytes) {
  std::vector<DiskSignature> found;
  TRY_VOID(probe_as(fd, 512, found));
  TRY_VOID(probe_as(fd, 4096, found));
  TRY_VOID(find_marks(fd, size_bytes, found));
  return found;
}

std::string_view data_kind(std::string_view bytes) {
  struct Kind {
    std::size_t offset;
    std::string_view magic;
    std::string_view words;
  };
  static constexpr auto kKinds = std::to_array<Kind>({
      {257, "ustar", "tar archive"},
      {0, std::string_view("\x1f\x8b", 2), "gzip data"},
      {0, std::string_view("\x28\xb5\x2f\xfd", 4), "zstd data"},
      {0,
       std::string_view("\xfd"
                        "7zXZ",
                        5),
       "xz data"},
      {0, "SQLite format 3", "SQLite database"},
      {0,
       std::string_view("\x7f"
                        "ELF",
                        4),
       "program"},
      {0, std::string_view("QFI\xfb", 4), "qcow2 disk image"},
      {0, "KDMV", "VMware disk image"},
      {0, "PK\x03\x04", "zip archive"},
      {0, "XFSB", "xfs superblock"},
      {0, "BZh", "bzip2 data"},
  });
  for (const Kind& kind : kKinds) {
    if (bytes.size() >= kind.offset &&
        bytes.substr(kind.offset).starts_with(kind.magic)) {
      return kind.words;
    }
  }
  return "";
}

}  // namespace gpunode::host
