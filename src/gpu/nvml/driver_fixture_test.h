// For tests: the doubled driver under the real room.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "gpu/nvml/session.h"
#include "tests/doubles/nvml/control.h"

namespace gpunode::nvml {

/// Each test has a control file of its own, and the machine it names.
class DriverTest : public testing::Test {
 public:
  ~DriverTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

 protected:
  DriverTest()
      : directory_(fresh_directory()), control_(open_control(directory_)) {
    use("h100-x8");
  }

  static std::string profile_path(const std::string& name) {
    return GPUNODE_PROFILES "/" + name + ".json";
  }

  /// The machine for sessions started from here on.
  void use(const std::string& profile) { use_file(profile_path(profile)); }

  /// A machine like `profile`, each match of `pattern` in its text replaced.
  void use_edited(const std::string& profile, const std::string& pattern,
                  const std::string& to) {
    std::ifstream in(profile_path(profile));
    const std::string before{std::istreambuf_iterator<char>(in), {}};
    const std::string text =
        std::regex_replace(before, std::regex(pattern), to);
    ASSERT_NE(text, before) << pattern;
    const std::string path = directory_ + "/edited.json";
    std::ofstream(path) << text;
    use_file(path);
  }

  static Result<Session> start(const char* library = GPUNODE_FAKE_NVML_LIB) {
    TRY(auto opened, Library::open(library));
    return Session::start(std::move(opened));
  }

  /// A session that the test cannot do without.
  static Session session() {
    auto started = start();
    if (!started) {
      ADD_FAILURE() << started.error().message();
      std::abort();
    }
    return *std::move(started);
  }

  static device::Inventory inventory(const Session& session) {
    auto read = session.inventory();
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    return read ? *std::move(read) : device::Inventory();
  }

  FakeNvmlControl& control() { return control_; }

  /// From here on `function` answers `code`, for one GPU or for all.
  void fail(const char* function, nvmlReturn_t code,
            std::optional<unsigned> gpu = std::nullopt) {
    FakeNvmlControl::Fault fault;
    fault.function = function;
    fault.code = code;
    fault.gpu = gpu;
    ASSERT_TRUE(control_.add(fault)) << function;
  }

 private:
  static std::string fresh_directory() {
    // Another path each time: the library stays loaded, and maps a path once.
    std::string path = testing::TempDir() + "driver.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    return path;
  }

  static FakeNvmlControl open_control(const std::string& directory) {
    const std::string path = directory + "/control";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before the test has threads.
    ::setenv("GPUNODE_FAKE_NVML_CONTROL", path.c_str(), 1);
    auto control = FakeNvmlControl::open(path);
    if (!control) std::abort();
    return *std::move(control);
  }

  static void use_file(const std::string& path) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before the test has threads.
    ::setenv("GPUNODE_FAKE_NVML", path.c_str(), 1);
  }

  std::string directory_;
  FakeNvmlControl control_;
};

}  // namespace gpunode::nvml
