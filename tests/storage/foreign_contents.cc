#include "tests/storage/foreign_contents.h"

#include <filesystem>
#include <fstream>
#include <utility>

namespace gpunode::storage_test {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kSize = 64 * kMiB;

using Make = decltype(ForeignContent::make);

/// `argv` with the disk after it.
Make by_program(std::vector<std::string> argv, std::string input = "") {
  return [argv = std::move(argv), input = std::move(input)](
             const ImageFile&, const std::string& path) {
    std::vector<std::string> all = argv;
    all.push_back(path);
    return run_program(std::move(all), input);
  };
}

/// Bytes at places of the image; the device shows them.
struct Piece {
  std::uint64_t offset;
  std::string bytes;
};

Make by_bytes(std::vector<Piece> pieces) {
  return
      [pieces = std::move(pieces)](const ImageFile& image, const std::string&) {
        for (const Piece& piece : pieces)
          image.write(piece.offset, piece.bytes);
        return std::string();
      };
}

std::string little(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

std::string at(std::string bytes, std::size_t offset, const std::string& part) {
  return bytes.replace(offset, part.size(), part);
}

/// An md superblock of version 1 (linux/raid/md_p.h, mdp_superblock_1), at the
/// sector it says it is at.
Piece md_superblock(std::uint64_t offset) {
  std::string super(256, '\0');
  super = at(super, 0, little(0xa92b4efc, 4));
  super = at(super, 4, little(1, 4));  // Major version.
  super = at(super, 16, "0123456789abcdef");
  super = at(super, 32, "host:data");
  super = at(super, 72, little(0, 4));  // Level: RAID 0.
  super = at(super, 92, little(2, 4));  // Disks.
  super = at(super, 128, little(2048, 8));
  super = at(super, 144, little(offset / 512, 8));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < super.size(); i += 4) {
    std::uint64_t word = 0;
    for (std::size_t j = 4; j > 0; --j) {
      word = word << 8U | static_cast<unsigned char>(super[i + j - 1]);
    }
    sum += word;
  }
  return {offset,
          at(super, 216, little((sum & 0xffffffffU) + (sum >> 32U), 4))};
}

/// The four labels of a ZFS member, each with its ring of uberblocks.
std::vector<Piece> zfs_labels() {
  constexpr std::uint64_t kLabel = 256 * 1024;
  std::string ring;
  for (std::uint64_t i = 0; i < 128; ++i) {
    std::string uberblock(1024, '\0');
    uberblock = at(uberblock, 0,
                   little(0x00bab10c, 8) + little(5000, 8) + little(i + 1, 8));
    ring += uberblock;
  }
  std::vector<Piece> pieces;
  for (const std::uint64_t label :
       {std::uint64_t{0}, kLabel, kSize - 2 * kLabel, kSize - kLabel}) {
    pieces.push_back({label + 128 * 1024, ring});
  }
  return pieces;
}

/// A program's image laid over the start of the disk, as dd would.
Make by_image_of(std::vector<std::string> before,
                 std::vector<std::string> after) {
  return [before = std::move(before), after = std::move(after)](
             const ImageFile& image, const std::string&) {
    const std::string tree = image.beside("tree");
    std::filesystem::create_directory(tree);
    std::ofstream(tree + "/PG_VERSION") << "15\n";
    std::ofstream(tree + "/postgresql.conf") << std::string(9000, 'x');
    const std::string made = image.beside("made");
    std::vector<std::string> argv = before;
    for (const std::string& argument : after) {
      argv.push_back(argument == "TREE"  ? tree
                     : argument == "OUT" ? made
                                         : argument);
    }
    if (std::string error = run_program(argv); !error.empty()) return error;
    std::ifstream in(made, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    image.write(0, bytes);
    return bytes.empty() ? std::string("an empty image") : std::string();
  };
}

/// A partition table of which only the copy at the end is left: what
/// `dd if=/dev/zero bs=1M count=1` leaves of a disk in use.
std::string make_backup_gpt(const ImageFile& image, const std::string& path) {
  std::string error =
      run_program({"sfdisk", "-q", path}, "label: gpt\nsize=8MiB, name=data\n");
  image.write(0, std::string(kMiB, '\0'));
  return error;
}

/// A file system of which the first bytes were wiped, as `wipefs -a` does.
Make wiped(std::vector<std::string> argv, std::uint64_t magic,
           std::size_t size) {
  return [make = by_program(std::move(argv)), magic, size](
             const ImageFile& image, const std::string& path) {
    std::string error = make(image, path);
    image.write(magic, std::string(size, '\0'));
    return error;
  };
}

std::vector<ForeignContent> by_tools() {
  const std::vector<std::string> luks = {
      "cryptsetup", "luksFormat", "-q",     "--key-file",
      "-",          "--pbkdf",    "pbkdf2", "--pbkdf-force-iterations",
      "1000"};
  std::vector<std::string> luks1 = luks;
  luks1.insert(luks1.end(), {"--type", "luks1"});
  std::vector<std::string> luks2 = luks;
  luks2.insert(luks2.end(), {"--type", "luks2"});
  return {
      {"Xfs", "mkfs.xfs", by_program({"mkfs.xfs", "-q", "-L", "theirs"}),
       "xfs file system \"theirs\"", 320 * kMiB},
      {"Ext4", "mkfs.ext4", by_program({"mkfs.ext4", "-q", "-L", "old"}),
       "ext4 file system \"old\""},
      {"Ext3", "mkfs.ext3", by_program({"mkfs.ext3", "-q"}),
       "ext3 file system"},
      {"Btrfs", "mkfs.btrfs", by_program({"mkfs.btrfs", "-q", "-L", "pool"}),
       "btrfs file system \"pool\"", 128 * kMiB},
      {"Vfat", "mkfs.vfat", by_program({"mkfs.vfat", "-I"}),
       "vfat file system"},
      // What Azure puts on the temporary disks of its machines.
      {"Ntfs", "mkfs.ntfs",
       by_program({"mkfs.ntfs", "-F", "-q", "-f", "-L", "Temporary Storage"}),
       "ntfs file system \"Temporary Storage\""},
      {"Exfat", "mkfs.exfat", by_program({"mkfs.exfat"}), "exfat file system"},
      {"F2fs", "mkfs.f2fs", by_program({"mkfs.f2fs", "-q"}),
       "f2fs file system"},
      {"Gfs2", "mkfs.gfs2",
       by_program({"mkfs.gfs2", "-O", "-p", "lock_nolock", "-J", "8"}),
       "gfs2 file system"},
      {"Ocfs2", "mkfs.ocfs2",
       by_program({"mkfs.ocfs2", "-q", "-x", "--fs-features=local"}),
       "ocfs2 file system"},
      {"Jfs", "mkfs.jfs", by_program({"mkfs.jfs", "-q"}), "jfs file system"},
      {"Reiserfs", "mkfs.reiserfs", by_program({"mkfs.reiserfs", "-q", "-ff"}),
       "reiserfs file system"},
      {"Udf", "mkudffs", by_program({"mkudffs"}), "udf file system"},
      {"Swap", "mkswap", by_program({"mkswap", "-L", "swap1"}),
       "swap area \"swap1\""},
      {"Luks1", "cryptsetup", by_program(luks1, "secret"),
       "LUKS-encrypted volume (version 1)"},
      {"Luks2", "cryptsetup", by_program(luks2, "secret"),
       "LUKS-encrypted volume (version 2)"},
      {"LvmPhysicalVolume", "pvcreate",
       by_program(
           {"pvcreate", "-q", "-y", "--config", "devices{use_devicesfile=0}"}),
       "LVM physical volume", kSize, true},
      {"BcacheBacking", "make-bcache", by_program({"make-bcache", "-B"}),
       "bcache device"},
      {"BcacheCache", "make-bcache", by_program({"make-bcache", "-C"}),
       "bcache device"},
      {"Gpt", "sfdisk", by_program({"sfdisk", "-q"}, "label: gpt\n,8MiB\n"),
       "GPT partition table"},
      {"EmptyGpt", "sfdisk", by_program({"sfdisk", "-q"}, "label: gpt\n"),
       "GPT partition table"},
      {"Mbr", "sfdisk", by_program({"sfdisk", "-q"}, "label: dos\n,8MiB\n"),
       "MBR partition table"},
      {"SunLabel", "sfdisk", by_program({"sfdisk", "-q"}, "label: sun\n"),
       "sun partition table"},
      {"BackupGptAlone", "sfdisk", make_backup_gpt, "GPT"},
      {"Iso9660", "xorriso",
       by_image_of({"xorriso"}, {"-as", "mkisofs", "-quiet", "-V", "CD", "-o",
                                 "OUT", "TREE"}),
       "ISO 9660 image \"CD\""},
      {"Squashfs", "mksquashfs",
       by_image_of({"mksquashfs"}, {"TREE", "OUT", "-quiet", "-no-progress"}),
       "squashfs file system"},
      {"Erofs", "mkfs.erofs", by_image_of({"mkfs.erofs"}, {"OUT", "TREE"}),
       "erofs file system"},
      {"PostgresBackupOnTheRawDisk", "tar",
       by_image_of({"tar"}, {"-C", "TREE", "-cf", "OUT", "."}),
       "tar archive on the raw disk"},
      {"CompressedBackupOnTheRawDisk", "tar",
       by_image_of({"tar"}, {"-C", "TREE", "-czf", "OUT", "."}),
       "gzip data at the start"},
      {"XfsWithoutItsMagic", "mkfs.xfs", wiped({"mkfs.xfs", "-q"}, 0, 4),
       "data at the start", 320 * kMiB},
      {"Ext4WithoutItsMagic", "mkfs.ext4", wiped({"mkfs.ext4", "-q"}, 1080, 2),
       "backup superblock of ext4"},
      {"BtrfsWithoutItsMagic", "mkfs.btrfs",
       wiped({"mkfs.btrfs", "-q"}, 65600, 8), "copy of a btrfs superblock",
       128 * kMiB},
  };
}

std::vector<ForeignContent> by_hand() {
  // A page of a heap table: no magic, but for its version in the middle.
  std::string page(8192, '\0');
  page = at(page, 4, little(0x1a2b3c4d, 4) + little(0, 2) + little(0, 2));
  page = at(page, 18, little(8192 | 4U, 2));
  std::string pages;
  for (int i = 0; i < 256; ++i) pages += page;
  std::string table;
  for (int i = 0; i < 8; ++i) table += pages;
  // What sgdisk writes of a GPT that it does not end, header without entries.
  const std::string header = "EFI PART" + little(0x10000, 4) + little(92, 4);
  return {
      {"MdAtTheStart", "", by_bytes({md_superblock(0)}),
       "member of a Linux RAID array (md 1.1) \"host:data\""},
      {"MdAtFourKiB", "", by_bytes({md_superblock(4096)}),
       "member of a Linux RAID array (md 1.2) \"host:data\""},
      {"MdAtTheEnd", "", by_bytes({md_superblock(kSize - 8192)}),
       "member of a Linux RAID array (md 1.0) \"host:data\""},
      {"Zfs", "", by_bytes(zfs_labels()), "member of a ZFS pool"},
      {"Bluestore", "",
       by_bytes({{0,
                  "bluestore block device\n"
                  "01234567-89ab-cdef-0123-456789abcdef\n"}}),
       "Ceph BlueStore volume"},
      {"OracleAsm", "", by_bytes({{32, "ORCLDISKDATA1"}}), "Oracle ASM disk"},
      {"BitLocker", "", by_bytes({{0, "\xeb\x58\x90-FVE-FS-"}}), "BitLocker"},
      {"Drbd", "",
       by_bytes({{kSize - 4096, "\x83\x74\x02\x6b"}, {kSize - 1, "\1"}}),
       "data at the end"},
      {"DamagedGptHeader", "", by_bytes({{512, header}}),
       "GPT header, damaged"},
      {"GptOfLargeSectors", "", by_bytes({{4096, header}}),
       "GPT header, damaged"},
      {"DamagedBackupGpt", "", by_bytes({{kSize - 512, header}}),
       "backup GPT at the end"},
      {"SecondLuksHeaderAlone", "", by_bytes({{16384, "SKUL\xba\xbe\0\2"}}),
       "LUKS"},
      {"RawDataAtTheStart", "", by_bytes({{0, pages}}), "data at the start"},
      {"RawDataAtTheEnd", "", by_bytes({{kSize - 512, "x"}}),
       "data at the end, at 64.0 MiB"},
      {"RawTableInTheMiddle", "", by_bytes({{30 * kMiB, table}}),
       "data in the middle"},
      {"SwapOfAnotherHostWithoutItsMagic", "",
       by_bytes({{10 * kMiB, pages + pages}}), "data in the middle"},
      {"OneSectorInTheMiddle", "",
       by_bytes({{33 * kMiB + 1536, std::string(512, 's')}}),
       "data in the middle, at 33.0 MiB (byte 34604544)", kSize, false,
       host::BlankDepth::kFull},
      {"OneBit", "", by_bytes({{40 * kMiB + 3, "\x80"}}),
       "data in the middle, at 40.0 MiB (byte 41943043): 80 ", kSize, false,
       host::BlankDepth::kFull},
      {"AllOnes", "", by_bytes({{0, std::string(kSize, '\xff')}}),
       "0xff in every byte"},
      {"OnesWithAHole", "", by_bytes({{0, std::string(32 * kMiB, '\xff')}}),
       "data in the middle", kSize, false, host::BlankDepth::kFull},
  };
}

}  // namespace

std::vector<ForeignContent> foreign_contents() {
  std::vector<ForeignContent> all = by_tools();
  for (ForeignContent& content : by_hand()) all.push_back(std::move(content));
  return all;
}

}  // namespace gpunode::storage_test
