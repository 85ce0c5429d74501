// `gpunode bring` as a whole program on a small host of files, whose systemd is
// a script. (That it gets from a container to its host: host_namespace_test.)
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/node_root.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Knows one unit. `start` makes it activating, which one look sees; the next
// one sees its end: active, or failed with the exit code of /etc/fails.
constexpr const char* kSystemctl = R"(unit=inactive
[ -f /run/unit ] && read -r unit < /run/unit
echo "$1 $2 $3" >> /run/calls
case "$1" in
show)
  code=0
  [ -f /etc/fails ] && read -r code < /etc/fails
  case "$unit" in
  activating) unit=ending; shown=activating ;;
  ending)
    unit=active
    if [ "$code" = 0 ]; then : > /var/lib/gpunode/first-boot-done
    else unit=failed
    fi
    shown=$unit ;;
  *) shown=$unit ;;
  esac
  echo $unit > /run/unit
  echo "ActiveState=$shown"
  echo "ExecMainStatus=$code" ;;
start) echo activating > /run/unit ;;
stop) [ "$unit" = active ] && echo inactive > /run/unit ;;
reset-failed) [ "$unit" = failed ] && echo inactive > /run/unit ;;
esac
exit 0
)";

// After the end of the run it also tells the bringer to end.
constexpr const char* kJournalctl = R"(echo "plan: 3 to change"
echo "-- cursor: s=1"
read -r unit < /run/unit
[ "$unit" = active ] && kill -TERM 1
exit 0
)";

class BringProgram : public testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = NodeRoot::obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    root_.tree().link("proc/1", "/realproc/1");
    root_.tree().directory("run/systemd/system");
    root_.tree().file("etc/gpunode-bring/node.yaml",
                      "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n"
                      "spec: {}\n");
    for (const char* name :
         {"gpunode-runtime", "gpunode-probe", "gpunode-vectoradd"}) {
      root_.tree().file(std::string("opt/") + name, name);
    }
    root_.program("usr/bin/systemctl", kSystemctl);
    root_.program("usr/bin/journalctl", kJournalctl);
  }

  host::Completed bring(std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"bring", "--attempt", "pod-1",
                                      "/etc/gpunode-bring/node.yaml"};
    words.insert(words.end(), more.begin(), more.end());
    return root_.run(words);
  }

  std::string file(const std::string& path) const {
    const auto text = root_.tree().root().read_file(path);
    return text ? *text : "-";
  }

  std::size_t starts() const {
    const std::string calls = file("run/calls");
    std::size_t count = 0;
    for (std::size_t at = calls.find("start --no-block");
         at != std::string::npos; at = calls.find("start --no-block", at + 1)) {
      ++count;
    }
    return count;
  }

  NodeRoot root_;
};

TEST_F(BringProgram, BringsAndFollowsUntilItIsDone) {
  EXPECT_EQ(bring({"--is-done"}).status, 2);
  const host::Completed done = bring();
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("| plan: 3 to change\n"),
                              HasSubstr("done: this host is what the file")));
  EXPECT_EQ(file("usr/local/bin/gpunode-runtime"), "gpunode-runtime");
  EXPECT_EQ(
      std::filesystem::file_size(root_.tree().path("usr/local/bin/gpunode")),
      std::filesystem::file_size(root_.tree().path("opt/gpunode")));
  EXPECT_EQ(file("etc/gpunode/node.yaml"), file("etc/gpunode-bring/node.yaml"));
  EXPECT_EQ(starts(), 1U);
  EXPECT_EQ(bring({"--is-done"}).status, 0);
  EXPECT_EQ(bring({"--is-done", "--digest", "abc"}).status, 2);
}

TEST_F(BringProgram, SaysAFailureAgainAndDoesNotTryAgain) {
  root_.tree().file("etc/fails", "3\n");
  for (int i = 0; i < 2; ++i) {
    const host::Completed failed = bring();
    EXPECT_EQ(failed.status, 7);
    EXPECT_THAT(failed.out, HasSubstr("failed: gpunode refused for safety"));
  }
  EXPECT_EQ(starts(), 1U);
  EXPECT_EQ(bring({"--is-done"}).status, 2);
}

TEST_F(BringProgram, WithoutSystemdNothingIsBrought) {
  root_.tree().remove("run/systemd");
  const host::Completed refused = bring();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("hostPID: true"));
  EXPECT_EQ(file("usr/local/bin/gpunode"), "-");
  EXPECT_EQ(file("run/calls"), "-");
}

TEST_F(BringProgram, AFileThatIsNoneIsNotBrought) {
  root_.tree().file("etc/gpunode-bring/node.yaml", "kind: GPUNode\nspoc: 1\n");
  const host::Completed refused = bring();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("node.yaml:"));
  EXPECT_EQ(file("run/calls"), "-");
}

}  // namespace
}  // namespace gpunode::integration
