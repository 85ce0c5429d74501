// What a roll-out expects of an API server: selectors, evictions, leases. The
// same claims on the double and, with GPUNODE_TEST_KUBECONFIG, on a real one
// (tests/cluster/api_run.py).
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "k8s/api/client.h"
#include "k8s/api/eviction.h"
#include "k8s/api/fixed_credentials.h"
#include "k8s/api/kubeconfig_credentials.h"
#include "k8s/api/lease.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const ObjectKey kPod{"default", "contract-a"};

class PodsContract : public testing::Test {
 protected:
  void SetUp() override {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read before any thread exists.
    const char* const path = std::getenv("GPUNODE_TEST_KUBECONFIG");
    if (path == nullptr) {
      double_ = std::make_unique<ApiServerDouble>();
      credentials_ = std::make_unique<FixedCredentials>(double_->port());
    } else {
      std::ostringstream text;
      text << std::ifstream(path).rdbuf();
      auto config = parse_kubeconfig(text.str(), path);
      ASSERT_TRUE(config) << config.error().message();
      credentials_ = std::make_unique<KubeconfigCredentials>(
          *std::move(config), host::HostRoot(), runner_,
          std::vector<std::string>{"PATH=/usr/bin"},
          [] { return std::chrono::system_clock::now(); });
    }
    ClientOptions options;
    options.tries = 1;
    client_.emplace(*credentials_, nullptr, options);
    remove_all();
  }
  void TearDown() override {
    if (client_) remove_all();
  }

  void remove_all() {
    for (const char* name : {"contract-a", "contract-b"}) {
      (void)client_->remove(pods(), {"default", name});
    }
    (void)client_->remove(leases(), {"default", "contract"});
    for (const char* name : {"contract", "contract-2"}) {
      (void)client_->remove(budgets(), {"default", name});
    }
  }

  static ResourceType budgets() {
    return {"policy", "v1beta1", "poddisruptionbudgets", true};
  }

  /// On no node: it goes as soon as it is told to.
  std::string make_pod(const std::string& name, const std::string& color,
                       const std::string& space = "default") {
    const auto made = client_->create(
        pods(), space,
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
            R"(","namespace":")" + space + R"(","labels":{"color":")" + color +
            R"(","app":"contract"}},"spec":{"automountServiceAccountToken":)"
            R"(false,"containers":[{"name":"c","image":"none.example/c"}]}})");
    EXPECT_TRUE(made) << made.error().message();
    const auto meta = read_object_meta(made ? *made : "{}");
    return meta ? meta->uid : "";
  }

  void make_budget(const std::string& name) {
    const auto made = client_->create(
        budgets(), "default",
        R"({"apiVersion":"policy/v1beta1","kind":"PodDisruptionBudget",)"
        R"("metadata":{"name":")" +
            name +
            R"(","namespace":"default"},"spec":{"minAvailable":1,"selector":)"
            R"({"matchLabels":{"app":"contract"}}}})");
    EXPECT_TRUE(made) << made.error().message();
  }
  void run_pod() {
    EXPECT_TRUE(client_->patch_status(pods(), kPod,
                                      R"({"status":{"phase":"Running"}})"));
  }

  Result<Eviction> evict(const std::string& uid, const ObjectKey& pod = kPod) {
    TRY(const std::string discovery, client_->get_path("/api/v1"));
    TRY(const std::string version, eviction_version(discovery));
    TRY(const Answer answer,
        client_->evict(pod, eviction_json(pod, version, uid)));
    return judge_eviction(pod, answer);
  }

  std::size_t count(const std::string& labels, const std::string& fields) {
    Selection selection{"default", fields, labels};
    const auto page = client_->list(pods(), selection);
    EXPECT_TRUE(page) << page.error().message();
    return page ? page->objects.size() : 0;
  }

  host::SystemCommandRunner runner_;
  std::unique_ptr<ApiServerDouble> double_;
  std::unique_ptr<Credentials> credentials_;
  std::optional<Client> client_;
};

TEST_F(PodsContract, AreSelectedByLabelsAndByNode) {
  make_pod("contract-a", "red");
  make_pod("contract-b", "blue");
  EXPECT_EQ(count("color=red", ""), 1U);
  EXPECT_EQ(count("app=contract", ""), 2U);
  EXPECT_EQ(count("color=red,app=other", ""), 0U);
  EXPECT_EQ(count("color,app=contract", ""), 2U);
  EXPECT_EQ(count("app=contract", "spec.nodeName=nowhere"), 0U);
  // Of every namespace, too.
  Selection everywhere;
  everywhere.label_selector = "app=contract";
  EXPECT_THAT(client_->list(pods(), everywhere)->objects, SizeIs(2));
}

TEST_F(PodsContract, AreEvicted) {
  const std::string uid = make_pod("contract-a", "red");
  const auto done = evict(uid);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->end, Eviction::End::kAccepted);
  EXPECT_EQ(evict(uid)->end, Eviction::End::kGone);
}

TEST_F(PodsContract, OfAnotherUidAreNotEvicted) {
  if (make_pod("contract-a", "red").empty() && double_) {
    // The double gives no uids of its own: somebody else's Pod is put there.
    double_->put("/api/v1/namespaces/default/pods/contract-a",
                 R"({"metadata":{"name":"contract-a","namespace":"default",)"
                 R"("uid":"u-1","labels":{"app":"contract"}}})");
  }
  const auto other = evict("00000000-0000-4000-8000-000000000000");
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(other->end, Eviction::End::kGone);
  EXPECT_EQ(count("app=contract", ""), 1U);
}

TEST_F(PodsContract, AreHeldByABudgetWithItsWords) {
  const std::string uid = make_pod("contract-a", "red");
  // Nobody looks after budgets here, so the server knows of no Pod that may
  // go; and it asks none about a Pod that does not run.
  make_budget("contract");
  run_pod();
  const auto held = evict(uid);
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_EQ(held->end, Eviction::End::kHeld);
  EXPECT_THAT(held->words, HasSubstr("disruption budget"));
  EXPECT_EQ(count("app=contract", ""), 1U);
}

TEST_F(PodsContract, AreHeldByTwoBudgetsAndToldWhatToDo) {
  const std::string uid = make_pod("contract-a", "red");
  make_budget("contract");
  make_budget("contract-2");
  run_pod();
  const auto held = evict(uid);
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_EQ(held->end, Eviction::End::kHeld);
  EXPECT_THAT(held->words, HasSubstr("`kubectl -n default get pdb`"));
  EXPECT_EQ(count("app=contract", ""), 1U);
}

TEST_F(PodsContract, AreHeldByTheEndOfTheirNamespace) {
  const ResourceType spaces{"", "v1", "namespaces", false};
  const std::string space = "contract-" + std::to_string(::getpid());
  const ObjectKey pod{space, "contract-a"};
  ASSERT_TRUE(client_->create(
      spaces, "",
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" + space +
          R"("}})"));
  const std::string uid = make_pod("contract-a", "red", space);
  if (double_) {
    // It has no namespaces that go slowly.
    double_->put("/api/v1/namespaces/" + space,
                 R"({"metadata":{"name":")" + space +
                     R"("},"status":{"phase":"Terminating"}})");
  } else {
    ASSERT_TRUE(client_->remove(spaces, {"", space}));
  }
  const auto held = evict(uid, pod);
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_EQ(held->end, Eviction::End::kHeld);
  EXPECT_THAT(held->words,
              HasSubstr("namespace " + space + " is being deleted"));
  (void)client_->remove(pods(), pod);
}

/// Leases by a clock that the test drives.
class LeaseContract : public PodsContract {
 protected:
  LeaseHolder holder(const std::string& name,
                     std::chrono::hours ahead = std::chrono::hours(0)) {
    return {*client_, kLease, {name, {}}, clock_, [ahead] {
              return std::chrono::system_clock::now() + ahead;
            }};
  }
  LeaseHolder::Await watching(std::function<void()> others = {}) {
    return [this, others](const Lease&, std::chrono::seconds) {
      clock_.advance(std::chrono::seconds(5));
      if (others) others();
      return true;
    };
  }
  static bool never(const Lease&, std::chrono::seconds) { return false; }
  Lease seen() {
    const auto json = client_->get(leases(), kLease);
    return json ? *read_lease(*json) : Lease{};
  }

  const ObjectKey kLease{"default", "contract"};
  FakeClock clock_;
};

TEST_F(LeaseContract, IsTakenRenewedAndGivenBack) {
  LeaseHolder ann = holder("ann");
  LeaseHolder ben = holder("ben");
  const auto taken = ann.take(never);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(ben.take(never).error().code(), ErrorCode::kAlreadyExists);
  clock_.advance(LeaseHolder::kRenewEvery);
  const auto renewed = ann.renew();
  EXPECT_TRUE(renewed) << renewed.error().message();
  ann.release();
  const auto second = ben.take(never);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(seen().holder, "ben");
  EXPECT_EQ(seen().duration, LeaseHolder::kDuration);
}

TEST_F(LeaseContract, OfOneThatLivesIsNotTakenByAClockThatIsAhead) {
  LeaseHolder ann = holder("ann");
  ASSERT_TRUE(ann.take(never));
  const auto taken = holder("ben", std::chrono::hours(1)).take(watching([&] {
    EXPECT_TRUE(ann.renew());
  }));
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message(), HasSubstr("was heard of just now"));
  EXPECT_EQ(seen().holder, "ann");
}

TEST_F(LeaseContract, OfTheFutureEndsWhenNothingChangesIt) {
  // A clock of the next century wrote it, and is dead.
  LeaseHolder ann = holder("ann", std::chrono::hours(24 * 365 * 80));
  ASSERT_TRUE(ann.take(never));
  const TimePoint begun = clock_.now();
  const auto taken = holder("ben").take(watching());
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(clock_.now() - begun, LeaseHolder::kDuration);
  EXPECT_EQ(seen().holder, "ben");
  EXPECT_EQ(ann.renew().error().code(), ErrorCode::kAlreadyExists);
}

}  // namespace
}  // namespace gpunode::kube
