#include "share/grants/library_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "base/core/unique_fd.h"
#include "base/host/container_label.h"
#include "base/host/file.h"

namespace gpunode::share {
namespace {

/// FNV-1a: tells versions of our own apart, nothing more.
std::uint64_t mark_of(std::string_view bytes) {
  std::uint64_t mark = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    mark = (mark ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return mark;
}

Result<void> make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string one = path.substr(0, at);
    if (::mkdir(one.c_str(), 0755) != 0 && errno != EEXIST) {
      return Error::from_errno("create " + one, errno);
    }
    if (at == std::string::npos) return {};
  }
}

/// Unless it is there, whole.
Result<void> put(const std::string& path, std::string_view bytes, mode_t mode) {
  const auto there = host::HostRoot().read_file(path);
  if (there && *there == bytes) return {};
  return host::write_file_atomic(path, bytes, mode, host::Durability::kDurable);
}

}  // namespace

Result<LibraryFiles> install_library(const std::string& library,
                                     const host::HostRoot& host) {
  const Result<std::string> read = host::HostRoot().read_file(library);
  if (!read) return read.error();
  const std::string_view bytes = *read;
  if (bytes.substr(0, 4) !=
      "\x7f"
      "ELF") {
    return Error(ErrorCode::kCorrupt, library + " is no library");
  }
  const std::string place =
      fmt::format("{}/{:016x}", kLibraryRoot, mark_of(bytes));
  TRY_VOID(make_directories(host.outside(place)));
  LibraryFiles files{place + "/libgpunode-cuda.so", place + "/ld.so.preload"};
  TRY_VOID(put(host.outside(files.library), bytes, 0755));
  TRY_VOID(put(host.outside(files.preload), fmt::format("{}\n", kLibraryPlace),
               0644));
  for (const std::string& path : {files.library, files.preload}) {
    const UniqueFd fd(
        ::open(host.outside(path).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) host::label_for_containers(fd.get());
  }
  return files;
}

}  // namespace gpunode::share
