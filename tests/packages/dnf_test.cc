// Real dnf 4 and dnf 5, each with its rpm, in a root of their own. dnf 5 is of
// another userland (dnf5_root.py).
#include "node/provision/packages/dnf.h"

#include <fmt/format.h>

#include "node/provision/packages/transaction_policy.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// The parameter is "dnf4" or "dnf5".
class RealDnf : public RealPackages,
                public ::testing::WithParamInterface<const char*> {
 protected:
  RealDnf() : RealPackages(Tool::kDnf) {
    root_.directory("etc/dnf/modules.d");
    root_.directory("etc/yum.repos.d");
    std::string conf = "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n";
    if (is_dnf5()) {
      // Its plugins are its userland's, and version locks none of them.
      use_userland(dnf5_userland());
    } else {
      conf += lay_plugins();
    }
    root_.file("etc/dnf/dnf.conf", conf);
  }

  /// dnf 4's, with the lines of dnf.conf that say where they are.
  std::string lay_plugins() {
    const std::string plugins = stubs() + "/dnf-plugins";
    root_.file("etc/dnf/plugins/versionlock.conf",
               "[main]\nenabled=1\nlocklist=" +
                   root_.path("etc/dnf/plugins/versionlock.list") + "\n");
    root_.file("etc/dnf/plugins/versionlock.list", "");
    settings_.environment = {"PYTHONPATH=" + plugins + "/lib"};
    return "pluginpath=" + plugins +
           "/enabled\npluginconfpath=" + root_.path("etc/dnf/plugins") + "\n";
  }

  void SetUp() override {
    if (is_dnf5() && dnf5_userland().empty()) GTEST_SKIP() << dnf5_obstacle();
  }

  static bool is_dnf5() { return std::string_view(GetParam()) == "dnf5"; }

  void use(const std::string& url, const std::string& key = "good",
           bool checks_index = true) {
    root_.file("etc/yum.repos.d/stub.repo",
               "[stub]\nname=Stub\nbaseurl=" + url +
                   "\nenabled=1\ngpgcheck=1\nretries=1\nrepo_gpgcheck=" +
                   (checks_index ? "1" : "0") + "\ngpgkey=file://" + stubs() +
                   "/keys/" + key + ".asc\n");
  }

  void use_good() {
    use("file://" + stubs() + "/rpm/good");
    const auto refreshed = manager().refresh();
    ASSERT_TRUE(refreshed) << refreshed.error().message();
  }

  Dnf& dnf() { return dynamic_cast<Dnf&>(manager()); }
};

TEST_P(RealDnf, DoesWhatItSimulatedAndTheInverseLeadsBack) {
  use_good();
  const TransactionPlan first = plan({{{"stub-driver", "580.1-1"}}, {}});
  EXPECT_THAT(
      in_words(first.changes),
      ElementsAre("install stub-driver 580.1-1", "install stub-lib 580.1-1"));
  EXPECT_THAT(installed({}), IsEmpty()) << "simulating installs nothing";
  EXPECT_EQ(first.changes[0].repository, "stub");
  ASSERT_TRUE(first.download_bytes && first.installed_bytes);
  EXPECT_GT(*first.download_bytes, 8'000U);
  EXPECT_NEAR(static_cast<double>(*first.installed_bytes), 200'000, 1'000);
  const Applied applied = manager().apply(first);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_EQ(in_words(applied.changed), in_words(first.changes));
  const std::string asked_for = say(
      {is_dnf5() ? "/usr/bin/dnf5" : "/usr/bin/dnf",
       "--installroot=" + root_.path(), "-q", "repoquery", "--userinstalled"},
      {"HOME=/root"});
  EXPECT_THAT(asked_for, HasSubstr("stub-driver"));
  EXPECT_THAT(asked_for, Not(HasSubstr("stub-lib")));

  const Applied upgraded = change({{{"stub-driver", ""}}, {}});
  ASSERT_TRUE(upgraded.outcome) << upgraded.outcome.error().message();
  EXPECT_THAT(in_words(upgraded.changed),
              ElementsAre("upgrade stub-driver 580.1-1 580.2-1",
                          "upgrade stub-lib 580.1-1 580.2-1"));
  Transaction older = inverse_of(upgraded.changed);
  older.may_downgrade = false;
  const auto refused = manager().simulate(older);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("older version"));
  const Applied back = change(inverse_of(upgraded.changed));
  ASSERT_TRUE(back.outcome) << back.outcome.error().message();
  EXPECT_THAT(in_words(back.changed),
              ElementsAre("downgrade stub-driver 580.2-1 580.1-1",
                          "downgrade stub-lib 580.2-1 580.1-1"));
  const Applied gone = change(inverse_of(applied.changed));
  ASSERT_TRUE(gone.outcome) << gone.outcome.error().message();
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_P(RealDnf, TellsWhatCouldBeInstalled) {
  use_good();
  const auto candidates = manager().candidates({"stub-driver", "stub-nowhere"});
  ASSERT_TRUE(candidates) << candidates.error().message();
  EXPECT_THAT(*candidates,
              ::testing::UnorderedElementsAre(
                  Candidate{"stub-driver", "580.1-1", "noarch", "stub"},
                  Candidate{"stub-driver", "580.2-1", "noarch", "stub"}));
}

TEST_P(RealDnf, RefusesMetadataAndPackagesOfAnotherKey) {
  use("file://" + stubs() + "/rpm/other");
  const auto index = manager().refresh();
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().code(), ErrorCode::kPermissionDenied);
  use("file://" + stubs() + "/rpm/other", "good", false);
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("signed by a key that is not this repository's"));
  EXPECT_THAT(applied.changed, IsEmpty());
  EXPECT_THAT(pauses_, IsEmpty()) << "a key is not mended by waiting";
}

TEST_P(RealDnf, RefusesMetadataOfAnExpiredKey) {
  use("file://" + stubs() + "/rpm/expired", "expired");
  const auto index = manager().refresh();
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().code(), ErrorCode::kPermissionDenied);
}

TEST_P(RealDnf, AMirrorThatFailsTwiceIsAskedAgain) {
  std::size_t enough = 2;
  Mirror mirror(stubs() + "/rpm/good",
                [this, &enough](const std::string&, int) {
                  return pauses_.size() < enough ? 503 : 0;
                });
  use(mirror.url());
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  EXPECT_THAT(pauses_, SizeIs(2));
  const TransactionPlan extra = plan({{{"stub-extra", "580.1-1"}}, {}});
  enough = 4;
  const Applied applied = manager().apply(extra);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(pauses_, SizeIs(4));
  EXPECT_THAT(installed({"stub-extra"}), ElementsAre("stub-extra 580.1-1"));
}

TEST_P(RealDnf, BytesThatAreNotThePromisedOnesAreNotInstalled) {
  Mirror mirror(stubs() + "/rpm/good");
  mirror.spoil("stub-extra");
  use(mirror.url());
  settings_.mirror_attempts = 2;
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(pauses_, SizeIs(1));
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_P(RealDnf, AFileThatTheIndexNamesAndTheMirrorLost) {
  Mirror mirror(stubs() + "/rpm/good", [](const std::string& path, int) {
    return path.find("stub-extra") != std::string::npos ? 404 : 0;
  });
  use(mirror.url());
  settings_.mirror_attempts = 2;
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("no longer has what its index names"));
}

TEST_P(RealDnf, WhatIsNotThereOrCantBeResolved) {
  use_good();
  const auto missing =
      manager().simulate({{{"stub-nowhere"}, {"stub-extra"}}, {}});
  ASSERT_FALSE(missing) << "nor is the rest of it done";
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  const auto version = manager().simulate({{{"stub-lib", "590.0-1"}}, {}});
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code(), ErrorCode::kNotFound);
  const auto needy = manager().simulate({{{"stub-needy"}}, {}});
  ASSERT_FALSE(needy);
  EXPECT_EQ(needy.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(needy.error().message(), HasSubstr("stub-nowhere"));
  ASSERT_TRUE(change({{{"stub-driver"}}, {}}).outcome);
  const auto rival = manager().simulate({{{"stub-rival"}}, {}});
  ASSERT_FALSE(rival);
  EXPECT_EQ(rival.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(rival.error().message(), HasSubstr("conflicts with"));
}

TEST_P(RealDnf, OneTransactionRemovesAndInstalls) {
  use_good();
  ASSERT_TRUE(change({{{"stub-driver"}}, {}}).outcome);
  const TransactionPlan swap = plan({{{"stub-rival"}}, {{"stub-driver"}}});
  EXPECT_THAT(
      in_words(swap.changes),
      ElementsAre("remove stub-driver 580.2-1", "install stub-rival 580.2-1"));
  EXPECT_TRUE(check_transaction(swap, {}));
  const Applied applied = manager().apply(swap);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(installed({}),
              ElementsAre("stub-lib 580.2-1", "stub-rival 580.2-1"));
  const TransactionPlan lib = plan({{}, {{"stub-lib"}}});
  EXPECT_THAT(in_words(lib.changes), ElementsAre("remove stub-lib 580.2-1"));
}

TEST_P(RealDnf, VersionLocksAreKeptUnlessTheyMayChange) {
  if (!is_dnf5() &&
      !host::HostRoot().exists(stubs() + "/dnf-plugins/enabled")) {
    GTEST_SKIP() << "Debian's mirror had no dnf-plugins-core";
  }
  use_good();
  ASSERT_TRUE(change({{{"stub-driver", "580.1-1"}}, {}}).outcome);
  const auto held = manager().hold({"stub-driver", "stub-lib"});
  ASSERT_TRUE(held) << held.error().message();
  const auto holds = manager().holds();
  ASSERT_TRUE(holds) << holds.error().message();
  const char* const entry = is_dnf5() ? "{}: evr = 580.1-1" : "{}-0:580.1-1.*";
  EXPECT_THAT(
      *holds,
      ElementsAre(
          Hold{"stub-driver", fmt::format(fmt::runtime(entry), "stub-driver")},
          Hold{"stub-lib", fmt::format(fmt::runtime(entry), "stub-lib")}));
  if (is_dnf5()) {
    EXPECT_EQ(parse_dnf5_lock_file(
                  *root_.root().read_file("/etc/dnf/versionlock.toml")),
              *holds);
  }
  Transaction newer{{{"stub-driver", "580.2-1"}}, {}};
  const auto refused = manager().simulate(newer);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("dnf versionlock list"));
  newer.may_change_held = true;
  if (is_dnf5()) {
    EXPECT_FALSE(manager().simulate(newer)) << "it has no way past them";
  } else {
    const Applied applied = change(newer);
    ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  }
  ASSERT_TRUE(manager().release({(*holds)[0]}));
  EXPECT_THAT(*manager().holds(), ElementsAre((*holds)[1]));
}

TEST_P(RealDnf, AScriptThatFailsIsAnErrorThoughDnfCallsItComplete) {
  use_good();
  const Applied applied = change({{{"stub-broken"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("stub build failed: no headers"));
  EXPECT_THAT(in_words(applied.changed),
              ElementsAre("install stub-broken 580.2-1"));
}

TEST_P(RealDnf, ALockIsWaitedForAndItsHolderNamed) {
  use_good();
  // dnf 5 is not run while somebody holds a lock (tool_runner_test).
  if (is_dnf5()) GTEST_SKIP() << "it waits for ever";
  settings_.lock_wait = std::chrono::seconds(5);
  manager_.reset();
  const TransactionPlan extra = plan({{{"stub-extra"}}, {}});
  Bystander other = Bystander::idling();
  const std::string lock = "var/cache/dnf/metadata_lock.pid";
  root_.file(lock, std::to_string(other.pid()));
  const Applied refused = manager().apply(extra);
  ASSERT_FALSE(refused.outcome);
  EXPECT_EQ(refused.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(
      refused.outcome.error().message(),
      HasSubstr("(pid " + std::to_string(other.pid()) + "), waited 5 s"));
  on_pause_ = [&other] { other.end(); };
  const Applied applied = manager().apply(extra);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
}

TEST_P(RealDnf, StreamsOfAModule) {
  use_good();
  const auto hidden = manager().simulate({{{"stub-module"}}, {}});
  ASSERT_FALSE(hidden);
  if (is_dnf5()) {
    EXPECT_EQ(dnf().streams("stub-nvidia").error().code(),
              ErrorCode::kUnsupported);
    return;
  }
  EXPECT_THAT(hidden.error().message(), HasSubstr("dnf module list"));
  const auto streams = dnf().streams("stub-nvidia");
  ASSERT_TRUE(streams) << streams.error().message();
  ASSERT_THAT(*streams, SizeIs(2));
  EXPECT_EQ(
      (*streams)[0],
      (ModuleStream{"stub-nvidia", "580-dkms", false, false, {"default"}}));
  EXPECT_THAT(*dnf().streams("stub-none"), IsEmpty());
  EXPECT_EQ(*dnf().enabled_stream("stub-nvidia"), "");
  const auto enabled = dnf().enable_stream("stub-nvidia", "580-dkms");
  ASSERT_TRUE(enabled) << enabled.error().message();
  EXPECT_EQ(*dnf().enabled_stream("stub-nvidia"), "580-dkms");
  EXPECT_TRUE((*dnf().streams("stub-nvidia"))[0].is_enabled);
  ASSERT_TRUE(change({{{"stub-module"}}, {}}).outcome);
  EXPECT_THAT(installed({}), ElementsAre("stub-module 580.1-1"));
  ASSERT_TRUE(dnf().enable_stream("stub-nvidia", "590-open"));
  EXPECT_EQ(*dnf().enabled_stream("stub-nvidia"), "590-open");
  EXPECT_THAT(in_words(plan({{{"stub-module"}}, {}}).changes),
              ElementsAre("upgrade stub-module 580.1-1 590.1-1"));
  EXPECT_FALSE(dnf().enable_stream("stub-nvidia", "600-none"));
  EXPECT_EQ(*dnf().enabled_stream("stub-nvidia"), "590-open")
      << "as it was before";
  ASSERT_TRUE(dnf().reset_stream("stub-nvidia"));
  EXPECT_EQ(*dnf().enabled_stream("stub-nvidia"), "");
}

TEST_P(RealDnf, AKeyThatIsTrustedNeedsNoQuestion) {
  use("file://" + stubs() + "/rpm/good", "good", false);
  ASSERT_TRUE(manager().trust(stubs() + "/keys/good.asc"));
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_FALSE(manager().trust("keys/good.asc"));
}

TEST_P(RealDnf, AsksTheProxyOfTheFile) {
  Mirror proxy(stubs() + "/rpm/good");
  settings_.proxy.http = proxy.url();
  // No name server knows it.
  use("http://stub.invalid");
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  const Applied applied = change({{{"stub-extra", "580.1-1"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(installed({"stub-extra"}), ElementsAre("stub-extra 580.1-1"));
  EXPECT_GT(proxy.proxied(), 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, RealDnf, ::testing::Values("dnf4", "dnf5"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace gpunode::packages
