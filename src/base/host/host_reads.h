// How the reads of a HostRoot are answered, where files are not what answers.
//
// For recording what is read of a host and answering the same elsewhere
// (docs/adr/0018); everybody else reads files and needs none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::host {

enum class FileKind {
  kRegular,
  kDirectory,
  kLink,
  kCharDevice,
  kBlockDevice,
  kSocket,
  kOther
};

/// What is at a path, links followed.
struct FileStatus {
  FileKind kind = FileKind::kOther;
  std::uint32_t mode = 0;  ///< Permission bits only: 0644.
  std::uint64_t size_bytes = 0;
  std::uint32_t device_major = 0;  ///< Of a device node.
  std::uint32_t device_minor = 0;

  friend bool operator==(const FileStatus&, const FileStatus&) = default;
};

/// Answers in HostRoot's stead; each function is that of the same name there.
/// Paths have a leading slash. Called from the threads that read.
class HostReads {
 public:
  virtual ~HostReads() = default;

  virtual Result<std::string> read_file(const std::string& path,
                                        std::size_t limit_bytes) = 0;
  virtual Result<FileStatus> status(const std::string& path) = 0;
  virtual Result<std::string> read_link(const std::string& path) = 0;
  virtual Result<std::string> read_attribute(const std::string& path,
                                             const std::string& name) = 0;
  virtual Result<std::string> resolve(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list_directory(
      const std::string& path) = 0;
  virtual Result<std::size_t> count_entries(const std::string& path,
                                            std::size_t limit) = 0;
};

}  // namespace gpunode::host
