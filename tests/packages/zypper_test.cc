// Real zypper and rpm in a root of their own.
#include "node/provision/packages/zypper.h"

#include "node/provision/packages/transaction_policy.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RealZypper : public RealPackages {
 protected:
  RealZypper() : RealPackages(Tool::kZypper) {
    root_.directory("etc/zypp/repos.d");
    root_.directory("var/lib/rpm");
    root_.directory("run");
    // Debian's rpm has its database in the caller's home.
    root_.file("home/.rpmmacros", "%_dbpath /var/lib/rpm\n");
    settings_.environment = {"HOME=" + root_.path("home")};
  }

  void use(const std::string& url) {
    root_.file("etc/zypp/repos.d/stub.repo",
               "[stub]\nname=Stub\nbaseurl=" + url +
                   "\nenabled=1\nautorefresh=0\ntype=rpm-md\ngpgcheck=1\n");
    root_.remove("var/cache/zypp");
  }

  void trust(const std::string& key) {
    const auto trusted = manager().trust(stubs() + "/keys/" + key + ".asc");
    ASSERT_TRUE(trusted) << trusted.error().message();
  }

  void use_good() {
    trust("good");
    use("dir://" + stubs() + "/rpm/good");
    const auto refreshed = manager().refresh();
    ASSERT_TRUE(refreshed) << refreshed.error().message();
  }
};

TEST_F(RealZypper, DoesWhatItSimulatedAndTheInverseLeadsBack) {
  use_good();
  // One package stays: rpmdb2solv fails on a database that became empty.
  ASSERT_TRUE(change({{{"stub-extra"}}, {}}).outcome);
  const TransactionPlan first = plan({{{"stub-driver", "580.1-1"}}, {}});
  EXPECT_THAT(
      in_words(first.changes),
      ElementsAre("install stub-driver 580.1-1", "install stub-lib 580.1-1"));
  EXPECT_THAT(installed({}), ElementsAre("stub-extra 580.2-1"))
      << "simulating installs nothing";
  EXPECT_GT(first.download_bytes.value_or(0), 8'000U);
  EXPECT_EQ(first.installed_bytes, 200'000);
  const Applied applied = manager().apply(first);
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_EQ(in_words(applied.changed), in_words(first.changes));

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
  EXPECT_THAT(installed({}), ElementsAre("stub-extra 580.2-1"));
}

TEST_F(RealZypper, TellsWhatCouldBeInstalled) {
  use_good();
  const auto candidates = manager().candidates({"stub-driver", "stub-nowhere"});
  ASSERT_TRUE(candidates) << candidates.error().message();
  EXPECT_THAT(*candidates,
              ::testing::UnorderedElementsAre(
                  Candidate{"stub-driver", "580.1-1", "noarch", "Stub"},
                  Candidate{"stub-driver", "580.2-1", "noarch", "Stub"}));
  EXPECT_THAT(*manager().candidates({"stub-nowhere"}), IsEmpty());
}

TEST_F(RealZypper, RefusesKeysThatAreNotTrustedOrHaveExpired) {
  trust("good");
  use("dir://" + stubs() + "/rpm/other");
  const auto wrong = manager().refresh();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(wrong.error().message(),
              HasSubstr("signed by a key that is not this repository's"));
  trust("expired");
  use("dir://" + stubs() + "/rpm/expired");
  const auto expired = manager().refresh();
  ASSERT_FALSE(expired) << "a warning to zypper";
  EXPECT_EQ(expired.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(expired.error().message(), HasSubstr("has expired"));
  EXPECT_THAT(pauses_, IsEmpty()) << "a key is not mended by waiting";
}

TEST_F(RealZypper, AMirrorThatFailsTwiceIsAskedAgain) {
  // Of packages zypper itself asks again, after half a minute each time; of
  // indexes it does not.
  Mirror mirror(stubs() + "/rpm/good", [this](const std::string&, int) {
    return pauses_.size() < 2 ? 503 : 0;
  });
  trust("good");
  use(mirror.url());
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  EXPECT_THAT(pauses_, SizeIs(2));
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_TRUE(applied.outcome) << applied.outcome.error().message();
}

TEST_F(RealZypper, BytesThatAreNotThePromisedOnesAreNotInstalled) {
  Mirror mirror(stubs() + "/rpm/good");
  mirror.spoil("stub-extra");
  trust("good");
  use(mirror.url());
  settings_.mirror_attempts = 2;
  manager_.reset();
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(installed({}), IsEmpty());
}

TEST_F(RealZypper, AFileThatTheIndexNamesAndTheMirrorLost) {
  Mirror mirror(stubs() + "/rpm/good", [](const std::string& path, int) {
    return path.find("stub-extra") != std::string::npos ? 404 : 0;
  });
  trust("good");
  use(mirror.url());
  settings_.mirror_attempts = 2;
  manager_.reset();
  ASSERT_TRUE(manager().refresh());
  const Applied applied = change({{{"stub-extra"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("no longer has what its index names"));
}

TEST_F(RealZypper, WhatIsNotThereOrCantBeResolved) {
  use_good();
  const auto missing =
      manager().simulate({{{"stub-nowhere"}, {"stub-extra"}}, {}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
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

TEST_F(RealZypper, OneTransactionRemovesAndInstalls) {
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
}

TEST_F(RealZypper, LocksAreKept) {
  use_good();
  ASSERT_TRUE(change({{{"stub-driver", "580.1-1"}}, {}}).outcome);
  ASSERT_TRUE(manager().hold({"stub-lib"}));
  EXPECT_THAT(*manager().holds(), ElementsAre(Hold{"stub-lib", "stub-lib"}));
  const auto refused = manager().simulate({{{"stub-driver", "580.2-1"}}, {}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("zypper locks"));
  EXPECT_FALSE(manager().simulate({{{"stub-driver", "580.2-1"}}, {}, true}));
  ASSERT_TRUE(manager().release(*manager().holds()));
  EXPECT_THAT(*manager().holds(), IsEmpty());
  EXPECT_TRUE(change({{{"stub-driver", "580.2-1"}}, {}}).outcome);
}

TEST_F(RealZypper, AScriptThatFailsIsAnErrorThoughZypperEndsWell) {
  use_good();
  const Applied applied = change({{{"stub-broken"}}, {}});
  ASSERT_FALSE(applied.outcome);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("stub build failed: no headers"));
  EXPECT_THAT(in_words(applied.changed),
              ElementsAre("install stub-broken 580.2-1"));
}

TEST_F(RealZypper, ALockIsWaitedForAndItsHolderNamed) {
  use_good();
  settings_.lock_wait = std::chrono::seconds(5);
  manager_.reset();
  const TransactionPlan extra = plan({{{"stub-extra"}}, {}});
  Bystander other = Bystander::idling();
  root_.file("run/zypp.pid", std::to_string(other.pid()) + "\n");
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

TEST_F(RealZypper, AsksTheProxyOfTheFile) {
  Mirror proxy(stubs() + "/rpm/good");
  settings_.proxy.http = proxy.url();
  trust("good");
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
