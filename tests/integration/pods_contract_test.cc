// What a roll-out expects of an API server: selectors, evictions, leases. The
// same claims on the double and, with GPUNODE_TEST_KUBECONFIG, on a real one
// (tests/cluster/api_run.py).
#include <cstdlib>
#include <fstream>
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
    (void)client_->remove(budgets(), {"default", "contract"});
  }

  static ResourceType budgets() {
    return {"policy", "v1beta1", "poddisruptionbudgets", true};
  }

  /// On no node: it goes as soon as it is told to.
  std::string make_pod(const std::string& name, const std::string& color) {
    const auto made = client_->create(
        pods(), "default",
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
            R"(","namespace":"default","labels":{"color":")" + color +
            R"(","app":"contract"}},"spec":{"automountServiceAccountToken":)"
            R"(false,"containers":[{"name":"c","image":"none.example/c"}]}})");
    EXPECT_TRUE(made) << made.error().message();
    const auto meta = read_object_meta(made ? *made : "{}");
    return meta ? meta->uid : "";
  }

  Result<Eviction> evict(const std::string& uid) {
    TRY(const std::string discovery, client_->get_path("/api/v1"));
    TRY(const std::string version, eviction_version(discovery));
    TRY(const Answer answer,
        client_->evict(kPod, eviction_json(kPod, version, uid)));
    return judge_eviction(kPod, answer);
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
  if (double_) {
    double_->hold_evictions(1, "The disruption budget contract needs 1");
  } else {
    // Nobody looks after budgets here, so the server knows of no Pod that may
    // go; and it asks none about a Pod that does not run.
    const auto made = client_->create(
        budgets(), "default",
        R"({"apiVersion":"policy/v1beta1","kind":"PodDisruptionBudget",)"
        R"("metadata":{"name":"contract","namespace":"default"},"spec":)"
        R"({"minAvailable":1,"selector":{"matchLabels":{"app":"contract"}}}})");
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_TRUE(client_->patch_status(pods(), kPod,
                                      R"({"status":{"phase":"Running"}})"));
  }
  const auto held = evict(uid);
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_EQ(held->end, Eviction::End::kHeld);
  EXPECT_THAT(held->words, HasSubstr("disruption budget"));
  EXPECT_EQ(count("app=contract", ""), 1U);
}

TEST_F(PodsContract, ALeaseIsTakenRenewedAndGivenBack) {
  const ObjectKey key{"default", "contract"};
  FakeClock clock;
  const auto wall = [] { return std::chrono::system_clock::now(); };
  LeaseHolder ann(*client_, key, {"ann", {}}, clock, wall);
  LeaseHolder ben(*client_, key, {"ben", {}}, clock, wall);
  const auto taken = ann.take();
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(ben.take().error().code(), ErrorCode::kAlreadyExists);
  clock.advance(LeaseHolder::kRenewEvery);
  const auto renewed = ann.renew();
  EXPECT_TRUE(renewed) << renewed.error().message();
  ann.release();
  const auto second = ben.take();
  ASSERT_TRUE(second) << second.error().message();
  const auto seen = read_lease(*client_->get(leases(), key));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->holder, "ben");
  EXPECT_EQ(seen->duration, LeaseHolder::kDuration);
}

}  // namespace
}  // namespace gpunode::kube
