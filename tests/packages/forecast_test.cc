// What `gpunode plan` says of packages, by the real package managers: without
// an index, with one, after a refused transaction, and with nothing changed by
// the question.
#include <atomic>

#include "node/provision/package_forecast.h"
#include "node/provision/package_forecast_text.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {
namespace {

using provision::InstallPackages;
using provision::PackageForecasts;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ForecastOnRoot : public RealPackages {
 protected:
  using RealPackages::RealPackages;

  PackageForecasts forecast(const std::vector<std::string>& names) {
    provision::PlannedStep step;
    step.id = "prep.packages";
    step.plan.state = provision::StepState::kChange;
    step.plan.actions = {InstallPackages{names}};
    provision::Plan plan;
    plan.steps = {step};
    settings_.root = root_.path();
    facts::OsRelease os;
    os.id = tool_ == Tool::kApt ? "debian" : "fedora";
    return provision::forecast_packages(plan, os, runner_, settings_,
                                        SystemClock());
  }

  /// Every file below `directory`, with size and time of change: "nothing was
  /// written" to the nanosecond. dnf marks in its cache, whatever it is asked,
  /// that it looked at keys.
  std::string state_of(const std::string& directory) {
    return say({"/usr/bin/find", root_.path(directory), "-type", "f", "!",
                "-name", ".gpgkeyschecked.yum", "-printf", "%P %s %T@\n"});
  }
};

class RealAptForecast : public ForecastOnRoot {
 protected:
  RealAptForecast() : ForecastOnRoot(Tool::kApt) {
    lay_apt_root();
    root_.file("etc/apt/sources.list.d/stub.sources",
               "Types: deb\nURIs: file:" + stubs() +
                   "/deb/good\nSuites: stub\nComponents: main\nSigned-By: " +
                   stubs() + "/keys/good.asc\n");
  }
};

TEST_F(RealAptForecast, WithoutAnIndexItIsNotKnownAndNoneIsFetched) {
  const auto before = state_of("var");
  const auto forecasts = forecast({"stub-driver"});
  EXPECT_THAT(provision::forecast_gaps(forecasts),
              ElementsAre(HasSubstr("(prep.packages): resolve packages: ")));
  EXPECT_THAT(provision::forecast_gaps(forecasts),
              ElementsAre(HasSubstr("apply fetches new ones")));
  EXPECT_EQ(state_of("var"), before);
}

TEST_F(RealAptForecast, SaysWhatComesAndChangesNothing) {
  ASSERT_TRUE(manager().refresh());
  ASSERT_TRUE(change({{{"stub-lib", "580.1-1"}}, {}}).outcome);
  root_.remove("var/cache/apt/pkgcache.bin");
  root_.remove("var/cache/apt/srcpkgcache.bin");
  const auto before = state_of("var");
  const auto forecasts = forecast({"stub-driver"});
  ASSERT_THAT(forecasts.all, SizeIs(1));
  const auto& transaction = forecasts.all[0].transaction;
  ASSERT_TRUE(transaction) << transaction.error().message();
  EXPECT_THAT(in_words(transaction->changes),
              ElementsAre("install stub-driver 580.2-1",
                          "upgrade stub-lib 580.1-1 580.2-1"));
  EXPECT_THAT(provision::forecast_summary(*transaction),
              ::testing::MatchesRegex(
                  "2 packages, 2[0-9][0-9] KiB to fetch, 128 KiB on disk"));
  EXPECT_THAT(provision::forecast_details(*transaction),
              ElementsAre("changes: stub-lib 580.1-1 to 580.2-1"));
  EXPECT_EQ(state_of("var"), before);
}

TEST_F(RealAptForecast, WhatWouldRemoveTheKubeletIsRefused) {
  ASSERT_TRUE(manager().refresh());
  ASSERT_TRUE(change({{{"kubelet"}}, {}}).outcome);
  const auto forecasts = forecast({"stub-eater"});
  ASSERT_TRUE(forecasts.has_refusal());
  EXPECT_THAT(forecasts.all[0].refusal,
              HasSubstr("what this machine needs: kubelet 1.25.0-1"));
  EXPECT_THAT(installed({"kubelet"}), SizeIs(1));
}

class RealDnfForecast : public ForecastOnRoot {
 protected:
  RealDnfForecast() : ForecastOnRoot(Tool::kDnf) {
    root_.directory("etc/dnf/modules.d");
    root_.file("etc/dnf/dnf.conf",
               "[main]\ngpgcheck=1\nmodule_platform_id=platform:el9\n");
  }

  void use(const std::string& url) const {
    root_.file("etc/yum.repos.d/stub.repo",
               "[stub]\nname=Stub\nbaseurl=" + url +
                   "\nenabled=1\ngpgcheck=1\nretries=1\nmetadata_expire=1\n"
                   "gpgkey=file://" +
                   stubs() + "/keys/good.asc\n");
  }
};

TEST_F(RealDnfForecast, WithoutAnIndexItIsNotKnownAndNoMirrorIsAsked) {
  std::atomic<int> requests = 0;
  const Mirror mirror(stubs() + "/rpm/good",
                      [&requests](const std::string&, int) {
                        ++requests;
                        return 0;
                      });
  use(mirror.url());
  const auto forecasts = forecast({"stub-driver"});
  EXPECT_THAT(provision::forecast_gaps(forecasts),
              ElementsAre(HasSubstr("(prep.packages): resolve packages: ")));
  EXPECT_EQ(requests, 0);
}

TEST_F(RealDnfForecast, SaysWhatComesByTheIndexThatIsHere) {
  std::atomic<int> requests = 0;
  const Mirror mirror(stubs() + "/rpm/good",
                      [&requests](const std::string&, int) {
                        ++requests;
                        return 0;
                      });
  use(mirror.url());
  const auto refreshed = manager().refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message();
  ASSERT_TRUE(change({{{"stub-lib", "580.1-1"}}, {}}).outcome);
  requests = 0;
  // A day later, as dnf sees it.
  say({"/usr/bin/find", root_.path("var/cache/dnf"), "-exec", "/usr/bin/touch",
       "-h", "-d", "yesterday", "{}", "+"});
  const auto cache = state_of("var/cache/dnf");
  const auto forecasts = forecast({"stub-driver"});
  ASSERT_THAT(forecasts.all, SizeIs(1));
  const auto& transaction = forecasts.all[0].transaction;
  ASSERT_TRUE(transaction) << transaction.error().message();
  EXPECT_THAT(in_words(transaction->changes),
              ElementsAre("install stub-driver 580.2-1",
                          "upgrade stub-lib 580.1-1 580.2-1"));
  EXPECT_THAT(provision::forecast_summary(*transaction),
              HasSubstr("2 packages, "));
  EXPECT_THAT(provision::forecast_details(*transaction),
              ElementsAre("changes: stub-lib 580.1-1 to 580.2-1"));
  EXPECT_EQ(requests, 0);
  EXPECT_EQ(state_of("var/cache/dnf"), cache);
  EXPECT_THAT(installed({"stub-driver"}), IsEmpty());
}

}  // namespace
}  // namespace gpunode::packages
