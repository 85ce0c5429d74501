// The directory that a container's node makes for it: the library, limits and
// ledger, for one GPU; and programs run beside it, on the doubles of the driver
// and of NVML.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
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

#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "share/ledger/ledger.h"
#include "share/ledger/ledger_copy.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

inline constexpr std::uint64_t kMiB = 1 << 20;
inline constexpr const char* kUuid = "GPU-62e33483-4628-5be0-963a-2fb14057c1b7";

/// Those of t4-x4, in its order.
// NOLINTNEXTLINE(*-avoid-c-arrays): four of them.
inline constexpr const char* kFourGpus[] = {
    "GPU-b8564e23-bef7-5334-a1e9-f841d68f128e",
    "GPU-86ff78b8-629b-5929-a300-7005ecfcee9f",
    "GPU-d99630b7-c704-5e86-b40d-7092f3adc3c8",
    "GPU-962ca3ca-b4af-5c5c-8e3e-4cfd98b0abb7"};

/// What a program wrote: lines of words and numbers.
struct Answer {
  int status = 0;
  std::string text;

  /// Of the last line that begins with `words`; ~0: there is none.
  std::uint64_t number(const std::string& words) const {
    std::istringstream lines(text);
    std::uint64_t value = ~std::uint64_t{0};
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(words + " ", 0) == 0) {
        value = std::strtoull(line.c_str() + words.size() + 1, nullptr, 10);
      }
    }
    return value;
  }
  bool has(const std::string& line) const {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
  }
};

/// What a container has of one GPU.
struct Part {
  std::string uuid;
  std::uint64_t limit = 0;
};

class LaidContainer {
 public:
  static constexpr std::uint32_t kSlots = 16;

  LaidContainer() {
    std::string pattern = ::testing::TempDir() + "share-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) directory_ = pattern;
    std::filesystem::copy_file(GPUNODE_CUDA_LIBRARY,
                               directory_ / "libgpunode-cuda.so");
  }
  LaidContainer(const LaidContainer&) = delete;
  LaidContainer& operator=(const LaidContainer&) = delete;
  ~LaidContainer() { std::filesystem::remove_all(directory_); }

  const std::filesystem::path& directory() const { return directory_; }

  void lay(std::uint64_t limit, const std::string& uuid = kUuid) {
    lay({{uuid, limit}});
  }
  void lay(const std::vector<Part>& parts, std::uint32_t slots = kSlots) {
    slots_ = slots;
    devices_ = static_cast<std::uint32_t>(parts.size());
    std::vector<Line> limits(limits_size(devices_, slots_) / kCacheLine + 1);
    auto* header = reinterpret_cast<LimitsHeader*>(limits.data());
    header->magic = kLimitsMagic;
    header->version = kLimitsVersion;
    header->devices = devices_;
    header->slots = slots_;
    auto* device = reinterpret_cast<DeviceLimit*>(header + 1);
    for (const Part& part : parts) {
      part.uuid.copy(device->uuid.data(), kUuidBytes - 1);
      device->bytes = part.limit;
      ++device;
    }
    write("limits", {reinterpret_cast<const char*>(limits.data()),
                     limits_size(devices_, slots_)});
    const std::size_t size = ledger_file_size(devices_, slots_);
    std::vector<Line> ledger(size / kCacheLine);
    format_ledger(ledger.data(), devices_, slots_);
    format_lanes(ledger.data(), devices_, slots_);
    write("ledger", {reinterpret_cast<const char*>(ledger.data()), size});
  }
  /// As a node of before turns made it.
  void cut_lanes() const {
    std::filesystem::resize_file(directory_ / "ledger",
                                 ledger_size(devices_, slots_));
  }
  /// As the node writes what it has measured.
  void set_context_bytes(std::uint64_t bytes) const {
    std::fstream file(directory_ / "limits",
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(sizeof(LimitsHeader) + offsetof(DeviceLimit, context));
    file.write(reinterpret_cast<const char*>(&bytes), sizeof(bytes));
  }
  void write(const char* name, const std::string& bytes) const {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
  }
  /// Four GPUs in place of one.
  void show_four_devices(const std::string& profile = "t4-x4") {
    const auto dev = directory_ / "dev";
    std::filesystem::create_directory(dev);
    for (const char* node : {"dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia0",
                             "dev/nvidia1", "dev/nvidia2", "dev/nvidia3"}) {
      write(node, "");
    }
    set("GPUNODE_FAKE_DEV", dev.string());
    set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/" + profile + ".json");
  }
  void set(std::string name, std::string value) {
    // The last one of a name counts.
    environment_.insert(environment_.begin(),
                        std::move(name) + "=" + std::move(value));
  }

  Answer run(std::vector<std::string> argv, bool is_preloaded = true) const {
    host::Command command;
    command.argv = std::move(argv);
    command.env = environment_;
    command.env.push_back(std::string("GPUNODE_FAKE_DEV=") +
                          GPUNODE_FAKE_CUDA_DIRECTORY + "/dev");
    command.env.push_back(std::string("LD_LIBRARY_PATH=") +
                          GPUNODE_FAKE_CUDA_DIRECTORY + ":" +
                          GPUNODE_FAKE_NVML_DIRECTORY);
    if (is_preloaded) {
      command.env.push_back("LD_PRELOAD=" +
                            (directory_ / "libgpunode-cuda.so").string());
    }
    host::SystemCommandRunner runner;
    const auto completed = runner.run(command);
    if (!completed) return {-1, completed.error().message()};
    return {completed->status, completed->out + completed->err};
  }

  /// What the ledger's processes hold of the device.
  DeviceUse use(std::uint32_t device = 0) const {
    std::string ledger = read("ledger");
    ledger.resize(ledger_size(devices_, slots_));
    const std::string bytes = read("limits");
    std::vector<Line> aligned(bytes.size() / kCacheLine + 1);
    std::memcpy(aligned.data(), bytes.data(), bytes.size());
    Limits limits;
    LedgerCopy copy;
    EXPECT_TRUE(Limits::view(aligned.data(), bytes.size(), &limits));
    EXPECT_TRUE(LedgerCopy::view(ledger.data(), ledger.size(), devices_, slots_,
                                 &copy));
    return copy.use_of(device, limits);
  }
  /// Slots that were ever taken.
  std::uint64_t used_slots() const {
    const std::string ledger = read("ledger");
    LedgerHeader header = {};
    std::memcpy(static_cast<void*>(&header), ledger.data(), sizeof(header));
    return header.used_slots;
  }

  /// The files as a process of the container maps them, for the test itself.
  Ledger map() {
    Limits limits;
    Ledger ledger;
    const auto [limits_bytes, limits_size] = map_file("limits");
    const auto [ledger_bytes, ledger_size] = map_file("ledger");
    EXPECT_TRUE(Limits::view(limits_bytes, limits_size, &limits));
    EXPECT_TRUE(Ledger::attach(ledger_bytes, ledger_size, limits, &ledger));
    return ledger;
  }

 private:
  struct alignas(kCacheLine) Line {
    std::array<char, kCacheLine> bytes;
  };

  std::string read(const char* name) const {
    std::ifstream file(directory_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::pair<void*, std::size_t> map_file(const char* name) const {
    const auto path = directory_ / name;
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    const auto size = std::filesystem::file_size(path);
    void* bytes =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return {bytes, size};
  }

  std::filesystem::path directory_;
  std::uint32_t devices_ = 1;
  std::uint32_t slots_ = kSlots;
  std::vector<std::string> environment_;
};

}  // namespace gpunode::share
