// Disks to test on: sparse files, and loop devices over them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/host/device_number.h"

namespace gpunode::storage_test {

/// A sparse file in a directory of its own, removed with the value. Failing to
/// make one aborts: there is nothing to test then.
class ImageFile {
 public:
  explicit ImageFile(std::uint64_t size_bytes);
  ~ImageFile();
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  const std::string& path() const { return path_; }
  /// A path beside the image, for what a maker needs.
  std::string beside(const std::string& name) const {
    return directory_ + "/" + name;
  }
  std::uint64_t size_bytes() const { return size_bytes_; }

  void write(std::uint64_t offset, std::string_view bytes) const;

 private:
  std::string directory_;
  std::string path_;
  std::uint64_t size_bytes_;
};

/// A loop device over a file. The kernel takes it away once nobody has it open
/// any more, even if this process is killed.
class LoopDevice {
 public:
  /// Nothing if this machine has no loop devices for us; why, in `reason`.
  static std::optional<LoopDevice> over(const ImageFile& image,
                                        std::string& reason);

  const std::string& path() const { return path_; }
  host::DeviceNumber number() const { return number_; }

 private:
  LoopDevice(std::string path, host::DeviceNumber number, UniqueFd fd)
      : path_(std::move(path)), number_(number), fd_(std::move(fd)) {}

  std::string path_;
  host::DeviceNumber number_;
  UniqueFd fd_;
};

/// A program of this machine by its name, "" if there is none.
std::string find_program(const std::string& name);

/// Runs a program of this machine to its end with `input` on its standard
/// input. "" if it succeeds, else what it was and what it said.
std::string run_program(std::vector<std::string> argv,
                        const std::string& input = "");

}  // namespace gpunode::storage_test
