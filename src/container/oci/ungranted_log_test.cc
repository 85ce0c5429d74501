#include "container/oci/ungranted_log.h"

#include <sys/stat.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::oci {
namespace {

TEST(UngrantedLog, ALineNamesWhoAskedForWhat) {
  Ungranted event;
  event.who.pod_namespace = "team";
  event.who.pod_name = "a\"b";
  event.asked = {DeviceList::Kind::kAll, {}};
  event.why = "no allocation";
  EXPECT_EQ(
      ungranted_line(event, std::chrono::system_clock::from_time_t(86400)),
      "{\"time\":\"1970-01-02T00:00:00Z\",\"namespace\":\"team\","
      "\"pod\":\"a\\\"b\",\"podUid\":\"\",\"container\":\"\",\"image\":\"\","
      "\"asked\":\"all\",\"why\":\"no allocation\"}\n");
}

TEST(UngrantedLog, GrowsByLinesAndIsBounded) {
  const host::HostTree tree;
  const std::string directory = tree.path("run");
  const std::string line(1000, 'x');
  for (std::size_t i = 0; i * 1000 <= 3 * kUngrantedLimitBytes; ++i) {
    ASSERT_TRUE(append_ungranted(directory, line));
  }
  const auto old = tree.root().read_file("run/ungranted.ndjson.1");
  ASSERT_TRUE(old);
  EXPECT_LE(old->size(), kUngrantedLimitBytes + line.size());
  const auto names = tree.root().list_directory("run");
  EXPECT_EQ(names->size(), 2U);
}

// Whoever sees it full sets it aside; what another has begun anew meanwhile is
// not to take the full one's place.
TEST(UngrantedLog, SetAsideBySeveralAtOnceKeepsTheFullOne) {
  const host::HostTree tree;
  const std::string directory = tree.path("run");
  const std::string line(kUngrantedLimitBytes / 3, 'x');
  std::atomic<int> too_small = 0;
  std::vector<std::thread> shims;
  for (int i = 0; i < 4; ++i) {
    shims.emplace_back([&] {
      for (int k = 0; k < 300; ++k) {
        if (!append_ungranted(directory, line)) ++too_small;
        struct stat status {};
        const std::string old = directory + "/ungranted.ndjson.1";
        if (::stat(old.c_str(), &status) == 0 &&
            static_cast<std::size_t>(status.st_size) <= kUngrantedLimitBytes) {
          ++too_small;
        }
      }
    });
  }
  for (std::thread& shim : shims) shim.join();
  EXPECT_EQ(too_small, 0);
}

TEST(UngrantedLog, ALinkIsNotFollowed) {
  const host::HostTree tree{{"target", "t"}, {"run/x", ""}};
  tree.link("run/ungranted.ndjson", tree.path("target"));
  EXPECT_FALSE(append_ungranted(tree.path("run"), "line\n"));
  EXPECT_EQ(*tree.root().read_file("target"), "t");
}

}  // namespace
}  // namespace gpunode::oci
