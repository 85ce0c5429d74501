// Real apt and dpkg in a root of their own.
#include "node/provision/conffiles_left.h"
#include "node/provision/packages/lock_holder.h"
#include "node/provision/packages/transaction_policy.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RealApt : public RealPackages {
 protected:
  RealApt() : RealPackages(Tool::kApt) {
    lay_apt_root();
    environment_ = settings_.environment;
  }

  void use(const std::string& uri, const std::string& key = "good") {
    root_.file("etc/apt/sources.list.d/stub.sources",
               "Types: deb\nURIs: " + uri +
                   "\nSuites: stub\nComponents: main\nSigned-By: " + stubs() +
                   "/keys/" + key + ".asc\n");
  }

  /// The good repository, its index read.
  void use_good() {
    use("file:" + stubs() + "/deb/good");
    const auto refreshed = manager().refresh();
    ASSERT_TRUE(refreshed) << refreshed.error().message();
  }

  std::vector<std::string> environment_;
};

TEST_F(RealApt, DoesWhatItSimulatedAndTheInverseLeadsBack) {
  use_good();
  const TransactionPlan first = plan({{{"stub-driver", "580.1-1"}}, {}});
  EXPECT_THAT(
      in_words(first.changes),
      ElementsAre("install stub-driver 580.1-1", "install stub-lib 580.1-1"));
  EXPECT_THAT(installed({}), IsEmpty()) << "simulating installs nothing";
  ASSERT_TRUE(first.download_bytes);
  EXPECT_GT(*first.download_bytes, 200'000U);
  EXPECT_EQ(first.installed_bytes, 2 * 128 * 1024);
  const Applied applied = manager().apply(first);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_EQ(in_words(applied.changed), in_words(first.changes));
  EXPECT_THAT(say({"/usr/bin/apt-mark", "showauto"}, environment_),
              HasSubstr("stub-lib"));
  EXPECT_THAT(say({"/usr/bin/apt-mark", "showauto"}, environment_),
              Not(HasSubstr("stub-driver")));

  const Applied upgraded = change({{{"stub-driver", ""}}, {}});
  ASSERT_TRUE(upgraded.outcome) << upgraded.outcome.error().message();
  EXPECT_THAT(in_words(upgraded.changed),
              ElementsAre("upgrade stub-driver 580.1-1 580.2-1",
                          "upgrade stub-lib 580.1-1 580.2-1"));
  const Applied back = change(inverse_of(upgraded.changed));
  ASSERT_TRUE(back.outcome) << back.outcome.error().message();
  EXPECT_THAT(in_words(back.changed),
              ElementsAre("downgrade stub-driver 580.2-1 580.1-1",
                          "downgrade stub-lib 580.2-1 580.1-1"));
  const Applied gone = change(inverse_of(applied.changed));
  ASSERT_TRUE(gone.outcome) << gone.outcome.error().message();
  EXPECT_THAT(installed({}), IsEmpty());
}

// Purging is not ours: a package's scripts may delete data then.
TEST_F(RealApt, WhatDpkgKeepsOfARemovedPackageIsTold) {
  use_good();
  ASSERT_TRUE(change({{{"stub-extra", "580.1-1"}}, {}}).outcome);
  provision::Undoing removal;
  removal.line.inverse = {provision::RemovePackages{{"stub-extra"}}};
  EXPECT_THAT(provision::conffiles_left(root_.root(), {removal}), IsEmpty());
  ASSERT_TRUE(change({{}, {{"stub-extra"}}}).outcome);
  const auto left = provision::conffiles_left(root_.root(), {removal});
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].package, "stub-extra");
  EXPECT_THAT(left[0].files, ElementsAre("/etc/stub-extra.conf"));
  EXPECT_EQ(*root_.root().read_file("/etc/stub-extra.conf"), "as packaged\n");
}

TEST_F(RealApt, TellsWhatCouldBeInstalled) {
  use_good();
  const auto candidates = manager().candidates({"stub-driver", "stub-nowhere"});
  ASSERT_TRUE(candidates) << candidates.error().message();
  ASSERT_THAT(*candidates, SizeIs(2));
  EXPECT_EQ((*candidates)[0].version, "580.2-1");
  EXPECT_EQ((*candidates)[1].version, "580.1-1");
  EXPECT_THAT((*candidates)[0].repository, HasSubstr("/deb/good stub/main"));
}

TEST_F(RealApt, RefusesKeysThatAreNotTheRepositorysOrHaveExpired) {
  use("file:" + stubs() + "/deb/other");
  const auto wrong = manager().refresh();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(wrong.error().message(),
              HasSubstr("signed by a key that is not this repository's"));
  use("file:" + stubs() + "/deb/expired", "expired");
  const auto expired = manager().refresh();
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(expired.error().message(), HasSubstr("has expired"));
  EXPECT_THAT(pauses_, IsEmpty()) << "a key is not mended by waiting";
}

TEST_F(RealApt, AMirrorThatFailsTwiceIsAskedAgain) {
  Mirror mirror(stubs() + "/deb/good", [this](const std::string&, int) {
    return pauses_.size() < 2 ? 503 : 0;
  });
  use(mirror.url());
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  EXPECT_THAT(pauses_, SizeIs(2));
  EXPECT_EQ(pauses_[1], 2 * pauses_[0]);
  pauses_.clear();
  const Applied applied = change({{{"stub-extra", "580.1-1"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(pauses_, SizeIs(2));
  EXPECT_THAT(installed({"stub-extra"}), ElementsAre("stub-extra 580.1-1"));
}

TEST_F(RealApt, AMirrorThatStaysAwayIsAnErrorThoughAptOnlyWarns) {
  Mirror mirror(stubs() + "/deb/good",
                [](const std::string&, int) { return 503; });
  use(mirror.url());
  const auto refreshed = manager().refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_EQ(refreshed.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refreshed.error().message(), HasSubstr("4 attempts"));
  EXPECT_THAT(pauses_, SizeIs(3));
}

TEST_F(RealApt, BytesThatAreNotThePromisedOnesAreNotInstalled) {
  Mirror mirror(stubs() + "/deb/good");
  mirror.spoil("stub-extra");
  use(mirror.url());
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("Hash Sum mismatch"));
  EXPECT_THAT(applied.changed, IsEmpty());
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealApt, AFileThatTheIndexNamesAndTheMirrorLost) {
  Mirror mirror(stubs() + "/deb/good", [](const std::string& path, int) {
    return path.find("stub-extra") != std::string::npos ? 404 : 0;
  });
  use(mirror.url());
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("no longer has what its index names"));
}

TEST_F(RealApt, WhatIsNotThereOrCantBeResolved) {
  use_good();
  const auto missing = manager().simulate({{{"stub-nowhere"}}, {}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  const auto version = manager().simulate({{{"stub-lib", "590.0-1"}}, {}});
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code(), ErrorCode::kNotFound);
  const auto needy = manager().simulate({{{"stub-needy"}}, {}});
  ASSERT_FALSE(needy);
  EXPECT_EQ(needy.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(needy.error().message(), HasSubstr("stub-nowhere"));
  const auto option = manager().simulate({{{"--reinstall"}}, {}});
  ASSERT_FALSE(option);
  EXPECT_EQ(option.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(RealApt, AConflictIsSeenInThePlanAndRefusedByPolicy) {
  use_good();
  ASSERT_TRUE(change({{{"stub-driver"}, {"kubelet"}}, {}}).outcome);
  const TransactionPlan rival = plan({{{"stub-rival"}}, {}});
  EXPECT_TRUE(rival.removes_anything());
  const auto unasked = check_transaction(rival, {});
  ASSERT_FALSE(unasked);
  EXPECT_THAT(unasked.error().message(), HasSubstr("stub-driver 580.2-1"));
  EXPECT_TRUE(check_transaction(rival, {{"stub-driver"}, {}}));
  const auto eater =
      check_transaction(plan({{{"stub-eater"}}, {}}), {{"kubelet"}, {}});
  ASSERT_FALSE(eater);
  EXPECT_THAT(eater.error().message(), HasSubstr("kubelet 1.25.0-1"));
}

TEST_F(RealApt, HoldsAreKeptUnlessTheyMayChange) {
  use_good();
  ASSERT_TRUE(change({{{"stub-driver", "580.1-1"}}, {}}).outcome);
  ASSERT_TRUE(manager().hold({"stub-lib"}));
  EXPECT_THAT(*manager().holds(), ElementsAre(Hold{"stub-lib", "stub-lib"}));
  const auto observation = manager().observe({"stub-lib"});
  EXPECT_TRUE(observation->find("stub-lib")->is_held);
  Transaction newer{{{"stub-driver", "580.2-1"}, {"stub-lib", "580.2-1"}}, {}};
  const auto refused = manager().simulate(newer);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("apt-mark showhold"));
  newer.may_change_held = true;
  const Applied applied = change(newer);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(*manager().holds(), ElementsAre(Hold{"stub-lib", "stub-lib"}));
  ASSERT_TRUE(manager().release(*manager().holds()));
  EXPECT_THAT(*manager().holds(), IsEmpty());
  const auto absent = manager().hold({"stub-extra"});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
}

TEST_F(RealApt, AScriptThatFailsLeavesATroubleWithItsRemedy) {
  use_good();
  const Applied applied = change({{{"stub-broken"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("a package's own script failed"));
  EXPECT_THAT(in_words(applied.changed),
              ElementsAre("install stub-broken 580.2-1"));
  const auto observation = manager().observe({});
  ASSERT_THAT(observation->troubles, SizeIs(1));
  EXPECT_THAT(observation->troubles[0].what,
              HasSubstr("stub-broken 580.2-1 is unpacked but not configured"));
  EXPECT_EQ(observation->troubles[0].remedy, "dpkg --configure -a");
  EXPECT_THAT(say({"/usr/bin/dpkg", "--root=" + root_.path(), "--audit"}),
              HasSubstr("stub-broken"))
      << "dpkg itself thinks so";
  EXPECT_THAT(plan({{{"stub-extra"}}, {}}).finishes,
              ElementsAre("stub-broken"));
}

TEST_F(RealApt, AnInterruptedDpkgIsSeenAndSaid) {
  use_good();
  root_.file("var/lib/dpkg/updates/0001", "");
  const auto observation = manager().observe({});
  ASSERT_THAT(observation->troubles, SizeIs(1));
  EXPECT_EQ(observation->troubles[0].remedy, "dpkg --configure -a");
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("next: run dpkg --configure -a"));
}

TEST_F(RealApt, ALockIsWaitedForAndItsHolderNamed) {
  use_good();
  settings_.lock_wait = std::chrono::seconds(5);
  manager_.reset();
  const TransactionPlan extra = plan({{{"stub-extra"}}, {}});
  Bystander other =
      Bystander::locking(root_.path("var/lib/dpkg/lock-frontend"));
  const Applied refused = manager().apply(extra);
  ASSERT_FALSE(refused.outcome);
  EXPECT_EQ(refused.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(
      refused.outcome.error().message(),
      HasSubstr("(pid " + std::to_string(other.pid()) + "), waited 5 s"));
  EXPECT_THAT(pauses_, SizeIs(3)) << "2 s, 2 s and the rest";
  // As a preflight sees it, by the kernel's own list.
  root_.directory("proc");
  root_.file("proc/locks", *host::HostRoot().read_file("/proc/locks"));
  const auto holders = lock_holders(root_.root(), Tool::kApt);
  ASSERT_THAT(holders, SizeIs(1));
  EXPECT_EQ(holders[0].pid, other.pid());
  EXPECT_EQ(holders[0].lock, "/var/lib/dpkg/lock-frontend");
  // It goes away while we wait.
  on_pause_ = [&other] { other.end(); };
  const Applied applied = manager().apply(extra);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(notices_.back(), HasSubstr("waiting for"));
}

TEST_F(RealApt, APlanThatNoLongerHoldsIsNotApplied) {
  use_good();
  const TransactionPlan both = plan({{{"stub-driver"}}, {}});
  ASSERT_TRUE(change({{{"stub-lib", "580.1-1"}}, {}}).outcome);
  const Applied applied = manager().apply(both);
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("no longer install stub-lib 580.2-1, now also upgrade "
                        "stub-lib 580.2-1"));
  EXPECT_THAT(installed({}), ElementsAre("stub-lib 580.1-1"));
}

TEST_F(RealApt, AsksTheProxyOfTheFile) {
  Mirror proxy(stubs() + "/deb/good");
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

}  // namespace
}  // namespace gpunode::packages
