// The number of threads on a machine with 96 cores.
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/recording_handler.h"

// NOLINTNEXTLINE(readability-redundant-declaration): not in every header
extern "C" long __sysconf(int name);  // glibc's own name for it.

// This program's, so gRPC's too: it is linked into the same program.
extern "C" long sysconf(int name) noexcept {
  if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF) return 96;
  return __sysconf(name);
}

namespace gpunode::kubelet {
namespace {

std::size_t threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

TEST(ThreadCount, DoesNotGrowWithCores) {
  ASSERT_EQ(::sysconf(_SC_NPROCESSORS_ONLN), 96);
  const std::size_t before = threads();
  doubles::PluginDirectory directory;
  auto server = DevicePluginServer::start();
  ASSERT_TRUE(server);
  const auto handler = std::make_shared<doubles::RecordingHandler>();
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE((*server)->add(std::string("nvidia.com/") + name,
                               directory.file(name), handler,
                               {{"U0", true, {}}}));
    auto client = doubles::PluginClient::connect(directory.file(name));
    ASSERT_TRUE(client);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE((*client)->allocate({{"U0"}}).ok());
    }
  }
  // Calls and connections are ours; gRPC has two executors and one timer
  // thread, and starts another should a deadline of the clients' above pass.
  // The engine starts its own when it is given work, which is not now.
  EXPECT_LE(threads(), before + 6);
}

}  // namespace
}  // namespace gpunode::kubelet
