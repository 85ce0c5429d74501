// A program with libgpunode-cuda.so in it, beside the files that a container's
// node would have made.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "share/ledger/ledger.h"
#include "share/ledger/ledger_copy.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kMiB = 1 << 20;
inline constexpr std::uint64_t kBlock = 2 * kMiB;
inline constexpr std::uint32_t kSlots = 64;
inline constexpr std::uint64_t kOutOfMemory = 2;  // CUDA_ERROR_OUT_OF_MEMORY.

struct alignas(kCacheLine) CacheLine {
  std::array<char, kCacheLine> bytes;
};

/// word -> number of the lines that a program wrote.
struct Answer {
  int status = 0;
  std::string text;

  std::uint64_t number(const std::string& word) const {
    std::istringstream lines(text);
    std::string name;
    std::uint64_t value = ~std::uint64_t{0};
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(word + " ", 0) == 0) {
        value = std::strtoull(line.c_str() + word.size() + 1, nullptr, 10);
      }
    }
    return value;
  }
};

class ShareProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "share-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    fs::copy_file(GPUNODE_CUDA_LIBRARY, directory / "libgpunode-cuda.so");
  }
  void TearDown() override { fs::remove_all(directory); }

  Answer run(std::vector<std::string> argv, bool is_preloaded = true,
             const std::string& failure = {}) const {
    host::Command command;
    command.argv = std::move(argv);
    command.env.push_back(std::string("GPUNODE_FAKE_DEV=") +
                          GPUNODE_FAKE_CUDA_DIRECTORY + "/dev");
    command.env.push_back(std::string("LD_LIBRARY_PATH=") +
                          GPUNODE_FAKE_CUDA_DIRECTORY);
    if (!failure.empty()) {
      command.env.push_back("GPUNODE_FAKE_CUDA_FAIL=" + failure);
    }
    if (is_preloaded) {
      command.env.push_back("LD_PRELOAD=" +
                            (directory / "libgpunode-cuda.so").string());
    }
    host::SystemCommandRunner runner;
    const auto completed = runner.run(command);
    if (!completed) return {-1, completed.error().message()};
    return {completed->status, completed->out + completed->err};
  }

  Answer take(const std::string& way, std::vector<std::string> deeds,
              const std::string& failure = {}) const {
    std::vector<std::string> argv = {GPUNODE_TAKER, way};
    argv.insert(argv.end(), deeds.begin(), deeds.end());
    return run(argv, true, failure);
  }

  /// The two files, with a limit for the double's device, and what a context
  /// takes of it.
  void lay(std::uint64_t limit, std::uint64_t context = 0) const {
    const Answer uuid = run({GPUNODE_TAKER, "linked", "uuid"}, false);
    ASSERT_EQ(uuid.status, 0) << uuid.text;
    std::vector<CacheLine> limits(limits_size(1, kSlots) / kCacheLine + 1);
    auto* header = reinterpret_cast<LimitsHeader*>(limits.data());
    header->magic = kLimitsMagic;
    header->version = kLimitsVersion;
    header->devices = 1;
    header->slots = kSlots;
    auto* device = reinterpret_cast<DeviceLimit*>(header + 1);
    uuid.text.copy(device->uuid.data(), 40, std::strlen("uuid "));
    device->bytes = limit;
    device->context = context;
    write("limits", limits.data(), limits_size(1, kSlots));
    std::vector<CacheLine> ledger(ledger_size(1, kSlots) / kCacheLine);
    format_ledger(ledger.data(), 1, kSlots);
    write("ledger", ledger.data(), ledger_size(1, kSlots));
  }
  void write(const char* name, const void* bytes, std::size_t size) const {
    std::ofstream file(directory / name, std::ios::binary);
    file.write(static_cast<const char*>(bytes),
               static_cast<std::streamsize>(size));
  }
  std::string read(const char* name) const {
    std::ifstream file(directory / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  DeviceUse use() const {
    const std::string ledger = read("ledger");
    const std::string bytes = read("limits");
    alignas(kCacheLine) static std::array<char, 1 << 12> limits_bytes;
    bytes.copy(limits_bytes.data(), limits_bytes.size());
    Limits limits;
    LedgerCopy copy;
    EXPECT_TRUE(Limits::view(limits_bytes.data(), bytes.size(), &limits));
    EXPECT_TRUE(
        LedgerCopy::view(ledger.data(), ledger.size(), 1, kSlots, &copy));
    return copy.use_of(0, limits);
  }

  fs::path directory;
};

}  // namespace gpunode::share
