#include "base/host/filesystem_maker.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "base/core/ascii.h"
#include "base/host/blank_proof.h"
#include "base/host/root_directory.h"

namespace gpunode::host {
namespace {

std::string_view package_of(FilesystemType type) {
  return type == FilesystemType::kXfs ? "xfsprogs" : "e2fsprogs";
}

Result<std::string> find_mkfs(const HostRoot& host, FilesystemType type) {
  const std::string name = "mkfs." + std::string(word(type));
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/"}) {
    const std::string path = directory + name;
    const auto status = host.status(path);
    if (status && status->kind == FileKind::kRegular &&
        (status->mode & 0111U) != 0) {
      return path;
    }
  }
  return Error(ErrorCode::kNotFound,
               "find " + name + ": the host has none; install the package " +
                   std::string(package_of(type)));
}

Result<void> check_wish(const FilesystemWish& wish) {
  if (!is_uuid(wish.uuid)) {
    return Error(
        ErrorCode::kInvalidArgument,
        "make a file system: \"" + printable(wish.uuid) + "\" is no UUID");
  }
  const std::size_t most = wish.type == FilesystemType::kXfs ? 12 : 16;
  // A leading dash would be an option; a slash could not be a by-label link.
  const bool plain =
      !wish.label.starts_with('-') &&
      std::ranges::all_of(wish.label, [](char c) {
        return c > ' ' && c <= '~' && c != '/' && c != '\\' && c != '"';
      });
  if (!plain || wish.label.size() > most) {
    return Error(ErrorCode::kInvalidArgument,
                 "make a file system: the label \"" + printable(wish.label) +
                     "\" must be at most " + std::to_string(most) +
                     " printable characters without blanks, quotes and "
                     "slashes, of which the first is no dash");
  }
  return {};
}

std::vector<std::string> arguments_for(const FilesystemWish& wish) {
  std::vector<std::string> arguments = {"-q"};
  if (wish.type == FilesystemType::kXfs) {
    if (wish.overwrite) arguments.emplace_back("-f");
    if (!wish.discard) arguments.emplace_back("-K");
    // ftype=1: overlayfs refuses to work on a disk without (spec: moby#36039).
    arguments.insert(arguments.end(),
                     {"-n", "ftype=1", "-m", "uuid=" + wish.uuid});
  } else {
    if (wish.overwrite) arguments.emplace_back("-F");
    arguments.insert(arguments.end(),
                     {"-m", "0", "-E",
                      std::string("lazy_itable_init=0,") +
                          (wish.discard ? "discard" : "nodiscard"),
                      "-O", "filetype", "-U", wish.uuid});
  }
  if (!wish.label.empty())
    arguments.insert(arguments.end(), {"-L", wish.label});
  return arguments;
}

/// The last look before mkfs.
Result<void> check_blank(int fd, const std::string& path) {
  TRY(const std::uint64_t size, device_size(fd));
  TRY(const auto signatures, find_disk_signatures(fd, size));
  if (signatures.empty()) return {};
  return Error(ErrorCode::kAlreadyExists, "make a file system on " + path +
                                              ": it holds " +
                                              signatures.front().words);
}

Result<void> run_mkfs(CommandRunner& runner, const Command& command) {
  TRY(const Completed completed, runner.run(command));
  if (completed.status == 0) return {};
  const std::string tail =
      output_tail(completed.err.empty() ? completed.out : completed.err);
  return Error(ErrorCode::kInternal, "run " + command_line(command) +
                                         ": exit status " +
                                         std::to_string(completed.status) +
                                         (tail.empty() ? "" : ": " + tail));
}

}  // namespace

Result<Command> filesystem_command(const HostRoot& host,
                                   const FilesystemWish& wish,
                                   const std::string& device) {
  TRY_VOID(check_wish(wish));
  TRY(std::string program, find_mkfs(host, wish.type));
  Command command;
  command.argv = {std::move(program)};
  for (std::string& argument : arguments_for(wish)) {
    command.argv.push_back(std::move(argument));
  }
  command.argv.push_back(device);
  command.timeout = wish.timeout;
  return command;
}

Result<FilesystemSuperblock> make_filesystem(const HostRoot& host,
                                             CommandRunner& runner,
                                             DiskClaim& disk,
                                             const FilesystemWish& wish) {
  TRY(const Command command, filesystem_command(host, wish, disk.path()));
  const auto work = [&](int fd) -> Result<void> {
    if (!wish.overwrite) TRY_VOID(check_blank(fd, disk.path()));
    TRY_VOID(disk.check_name());
    return run_mkfs(runner, command);
  };
  TRY_VOID(disk.lend(work));
  auto there = read_superblock(disk.fd());
  if (!there) {
    return std::move(there).error().with_context(
        "prove the file system made on " + disk.path());
  }
  const std::string wrong = difference(wish, *there);
  if (wrong.empty()) return there;
  return Error(ErrorCode::kInternal, "make a file system on " + disk.path() +
                                         ": mkfs succeeded, but " + wrong);
}

std::string difference(const FilesystemWish& wish,
                       const FilesystemSuperblock& there) {
  const auto differs = [](const char* what, std::string_view is,
                          std::string_view wanted) {
    return std::string("its ") + what + " is \"" + std::string(is) +
           "\" and not \"" + std::string(wanted) + "\"";
  };
  if (there.type != wish.type) {
    return differs("type", word(there.type), word(wish.type));
  }
  if (there.uuid != wish.uuid) return differs("UUID", there.uuid, wish.uuid);
  if (there.label != wish.label) {
    return differs("label", there.label, wish.label);
  }
  if (!there.entry_types) {
    return "its directories do not know the types of their entries (ftype=0), "
           "which overlayfs needs";
  }
  return "";
}

Result<std::string> random_uuid() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) !=
      static_cast<ssize_t>(bytes.size())) {
    return Error::from_errno("make a UUID", errno);
  }
  // RFC 4122, 4.4: version 4, variant 1.
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[bytes.at(i) >> 4U];
    text += kDigits[bytes.at(i) & 15U];
  }
  return text;
}

bool is_uuid(std::string_view text) {
  constexpr std::string_view kForm = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
  const auto is_hex = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f');
  };
  return std::ranges::equal(text, kForm,
                            [&](char c, char form) {
                              return form == 'h' ? is_hex(c) : c == form;
                            }) &&
         text.find_first_not_of("0-") != std::string_view::npos;
}

}  // namespace gpunode::host
