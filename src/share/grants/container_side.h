// A container's view of a grant's two files: for tests.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include <gtest/gtest.h>

#include "share/grants/grant_files.h"
#include "share/ledger/ledger.h"

namespace gpunode::share {

class ContainerSide {
 public:
  ContainerSide(const GrantFiles& files, const std::string& id) {
    Limits limits;
    const void* const read = map(files.limits_path(id), O_RDONLY, PROT_READ);
    EXPECT_TRUE(Limits::view(read, size_, &limits));
    void* const bytes =
        map(files.ledger_path(id), O_RDWR, PROT_READ | PROT_WRITE);
    EXPECT_TRUE(Ledger::attach(bytes, size_, limits, &ledger_));
  }

  Ledger& ledger() { return ledger_; }

 private:
  void* map(const std::string& path, int flags, int protection) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
    EXPECT_GE(fd, 0) << path;
    size_ = static_cast<std::size_t>(::lseek(fd, 0, SEEK_END));
    // Until the test's program ends.
    void* const bytes = ::mmap(nullptr, size_, protection, MAP_SHARED, fd, 0);
    ::close(fd);
    EXPECT_NE(bytes, MAP_FAILED);
    return bytes;
  }

  std::size_t size_ = 0;
  Ledger ledger_;
};

}  // namespace gpunode::share
