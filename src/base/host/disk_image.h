// For tests: a sparse file that stands for a disk, and looks at it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/blank_proof.h"
#include "base/host/first_look.h"

namespace gpunode::host {

/// Gone with the object. Holes read as zero.
class DiskImage {
 public:
  explicit DiskImage(std::uint64_t size) : size_(size) {
    std::string path = testing::TempDir() + "gpunode-disk-XXXXXX";
    fd_ = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
    EXPECT_TRUE(fd_) << path;
    ::unlink(path.c_str());
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
  }

  DiskImage& write(std::uint64_t offset, const std::string& bytes) {
    EXPECT_EQ(::pwrite(fd_.get(), bytes.data(), bytes.size(),
                       static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
    return *this;
  }

  int fd() const { return fd_.get(); }
  DiskIdentity identity() const { return {"Model", "SERIAL", size_}; }

  FirstLook look(BlankDepth promised = BlankDepth::kSampled) const {
    auto look = look_first(fd(), identity(), promised);
    EXPECT_TRUE(look) << (look ? "" : look.error().message());
    return look ? *std::move(look) : FirstLook();
  }

  BlankProof proof(const BlankOptions& options = {}) const {
    auto proof = prove_blank(fd(), identity(), options);
    EXPECT_TRUE(proof) << (proof ? "" : proof.error().message());
    return proof ? *std::move(proof) : BlankProof();
  }

 private:
  std::uint64_t size_;
  UniqueFd fd_;
};

}  // namespace gpunode::host
