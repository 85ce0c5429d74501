// What src/k8s/api may expect of an API server: the same claims on the double
// and, with GPUNODE_TEST_KUBECONFIG, on a real one (tests/cluster/api_run.py).
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/mutex.h"
#include "base/host/command_runner.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"
#include "k8s/api/client.h"
#include "k8s/api/event.h"
#include "k8s/api/fixed_credentials.h"
#include "k8s/api/kubeconfig_credentials.h"
#include "k8s/api/label_loan.h"
#include "k8s/api/node_condition.h"
#include "k8s/api/node_feature_keeper.h"
#include "k8s/api/node_meta.h"
#include "k8s/api/watcher.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::kube {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// What the watch told, a line each.
class Told final : public WatchHandler {
 public:
  void replaced(std::vector<std::string> objects) override {
    add("replaced " + std::to_string(objects.size()));
  }
  void changed(std::string object) override {
    const auto meta = read_object_meta(object);
    add("changed " + (meta ? meta->labels.at("a") : meta.error().message()));
  }
  void removed(std::string) override { add("removed"); }
  void troubled(const Error& why, milliseconds) override {
    add("troubled " + why.message());
  }

  /// The next line that does not begin with `passed`.
  std::string next(const std::string& passed = "\n") {
    const MutexLock lock(mutex_);
    for (;;) {
      while (next_ == lines_.size()) news_.wait(mutex_);
      const std::string& line = lines_[next_++];
      if (!line.starts_with(passed)) return line;
    }
  }

 private:
  void add(std::string line) {
    const MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
    news_.notify_all();
  }

  Mutex mutex_;
  std::condition_variable_any news_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
  std::size_t next_ GUARDED_BY(mutex_) = 0;
};

class ApiContract : public testing::Test {
 protected:
  void SetUp() override {
    auto made = http::Cancellation::make();
    ASSERT_TRUE(made);
    cancellation_.emplace(*std::move(made));
    const std::string path = variable("GPUNODE_TEST_KUBECONFIG");
    if (path.empty()) {
      double_ = std::make_unique<ApiServerDouble>();
      credentials_ = std::make_unique<FixedCredentials>(double_->port());
    } else {
      credentials_ = of_kubeconfig(path);
      ASSERT_TRUE(credentials_);
    }
    client_.emplace(*credentials_, nullptr);
    (void)client_->remove(nodes(), {"", "contract"});
    (void)client_->remove(config_maps(), {"default", "contract"});
  }

  std::unique_ptr<Credentials> of_kubeconfig(const std::string& path) {
    auto config = parse_kubeconfig(text_of(path), path);
    if (!config) {
      ADD_FAILURE() << config.error().message();
      return nullptr;
    }
    return std::make_unique<KubeconfigCredentials>(
        *std::move(config), host::HostRoot(), runner_,
        std::vector<std::string>{"PATH=/usr/bin"},
        [] { return std::chrono::system_clock::now(); });
  }

  bool is_real() const { return double_ == nullptr; }

  host::SystemCommandRunner runner_;
  std::unique_ptr<ApiServerDouble> double_;
  std::unique_ptr<Credentials> credentials_;
  std::optional<http::Cancellation> cancellation_;
  std::optional<Client> client_;
};

const ObjectKey kMap{"default", "contract"};
const ObjectKey kNode{"", "contract"};

std::string map_json(const std::string& data) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":)"
         R"("contract","namespace":"default"},"data":)" +
         data + "}";
}

std::string node_json(const std::string& label) {
  return R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"contract",)"
         R"("labels":{"a":")" +
         label + R"("}}})";
}

TEST_F(ApiContract, ObjectsAreMadeReadChangedAndRemoved) {
  EXPECT_EQ(client_->get(config_maps(), kMap).error().code(),
            ErrorCode::kNotFound);
  const auto made = client_->create(config_maps(), "default",
                                    map_json(R"({"a":"1","b":"2"})"));
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(
      client_->create(config_maps(), "default", map_json("{}")).error().code(),
      ErrorCode::kAlreadyExists);
  const auto changed = client_->merge_patch(config_maps(), kMap,
                                            R"({"data":{"a":null,"c":"3"}})");
  ASSERT_TRUE(changed) << changed.error().message();
  const auto read = client_->get(config_maps(), kMap);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_THAT(*read, HasSubstr(R"("data":{"b":"2","c":"3"})"));
  EXPECT_TRUE(client_->remove(config_maps(), kMap));
  EXPECT_EQ(client_->remove(config_maps(), kMap).error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(client_->merge_patch(config_maps(), kMap, "{}").error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(
      client_->create(config_maps(), "default", "{not json").error().code(),
      ErrorCode::kInvalidArgument);
}

TEST_F(ApiContract, MetadataAloneIsLess) {
  ASSERT_TRUE(
      client_->create(config_maps(), "default", map_json(R"({"a":"much"})")));
  const auto meta = client_->get(config_maps(), kMap, Detail::kMetadata);
  ASSERT_TRUE(meta) << meta.error().message();
  EXPECT_EQ(read_object_meta(*meta)->name, "contract");
  if (is_real()) {  // The double gives more than is asked for.
    EXPECT_THAT(*meta, Not(HasSubstr("\"data\"")));
  }
}

TEST_F(ApiContract, AnApplierOwnsWhatItNames) {
  const auto apply = [&](const std::string& data, const std::string& manager,
                         bool force) {
    return client_->apply(config_maps(), kMap, map_json(data), manager, force);
  };
  const auto made = apply(R"({"a":"1","b":"2"})", "one", false);
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_TRUE(apply(R"({"c":"3"})", "two", false));
  // What it does not name any more goes; what others own stays.
  ASSERT_TRUE(apply(R"({"a":"1"})", "one", false));
  EXPECT_THAT(*client_->get(config_maps(), kMap),
              HasSubstr(R"("data":{"a":"1","c":"3"})"));
  const auto conflict = apply(R"({"a":"9","c":"3"})", "two", false);
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(conflict.error().message(), HasSubstr("conflict with \"one\""));
  const auto forced = apply(R"({"a":"9","c":"3"})", "two", true);
  ASSERT_TRUE(forced) << forced.error().message();
  EXPECT_THAT(*client_->get(config_maps(), kMap),
              HasSubstr(R"("data":{"a":"9","c":"3"})"));
}

TEST_F(ApiContract, ANodesLabelsHaveOwners) {
  const std::string manager = "gpunode-agent";
  const auto seen = [&] {
    const auto json = client_->get(nodes(), kNode, Detail::kMetadata);
    EXPECT_TRUE(json) << json.error().message();
    auto node = read_node_meta(*json, manager);
    EXPECT_TRUE(node) << node.error().message();
    return *std::move(node);
  };
  const auto apply = [&](const NodeMeta& node, const MetaTexts& labels,
                         bool is_overwriting) {
    NodeWish wish;
    wish.labels = labels;
    const NodePlan plan = plan_apply(node, wish, is_overwriting);
    EXPECT_TRUE(plan.body);
    return client_->apply(nodes(), kNode, plan.body.value_or(""), manager,
                          is_overwriting, Detail::kMetadata);
  };
  ASSERT_TRUE(client_->create(
      nodes(), "",
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"contract",)"
      R"("uid":"u-1","labels":{"nvidia.com/gpu.product":"A10G",)"
      R"("kubernetes.io/os":"linux"}}})"));
  const MetaTexts wanted = {{"nvidia.com/gpu.product", "NVIDIA-A10G"},
                            {"nvidia.com/gpu.count", "4"}};
  const auto applied = apply(seen(), wanted, false);
  ASSERT_TRUE(applied) << applied.error().message();
  // The answer tells as much as reading it again.
  const auto answer = read_node_meta(*applied, manager);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_TRUE(answer->labels.at("nvidia.com/gpu.count").is_ours);
  EXPECT_FALSE(answer->labels.at("nvidia.com/gpu.product").is_ours);
  EXPECT_EQ(answer->labels.at("nvidia.com/gpu.product").value, "A10G");
  NodeWish same;
  same.labels = wanted;
  EXPECT_FALSE(plan_apply(*answer, same, false).body);

  ASSERT_TRUE(apply(seen(), wanted, true));
  EXPECT_EQ(seen().labels.at("nvidia.com/gpu.product").value, "NVIDIA-A10G");
  ASSERT_TRUE(apply(seen(), {{"nvidia.com/gpu.count", "4"}}, false));
  EXPECT_FALSE(seen().labels.contains("nvidia.com/gpu.product"));

  // Somebody else's word counts from then on; an apply that does not know of
  // it yet is a conflict, and one for a Node that is gone makes none.
  const NodeMeta before = seen();
  ASSERT_TRUE(client_->merge_patch(
      nodes(), kNode,
      R"({"metadata":{"labels":{"nvidia.com/gpu.count":"x"}}})"));
  if (is_real()) {  // The double knows owners by apply alone.
    const auto conflict = apply(before, {{"nvidia.com/gpu.count", "8"}}, false);
    ASSERT_FALSE(conflict);
    EXPECT_EQ(conflict.error().code(), ErrorCode::kAlreadyExists);
    EXPECT_FALSE(seen().labels.at("nvidia.com/gpu.count").is_ours);
  }
  ASSERT_TRUE(client_->remove(nodes(), kNode));
  const auto gone = apply(before, {{"nvidia.com/gpu.count", "8"}}, true);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(client_->get(nodes(), kNode).error().code(), ErrorCode::kNotFound);
}

TEST_F(ApiContract, ASwitchIsLentAndGivenBack) {
  const auto seen = [&] {
    const auto json = client_->get(nodes(), kNode, Detail::kMetadata);
    EXPECT_TRUE(json) << json.error().message();
    auto node = read_node_meta(*json, "gpunode-agent");
    EXPECT_TRUE(node) << node.error().message();
    return *std::move(node);
  };
  ASSERT_TRUE(client_->create(
      nodes(), "",
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"contract",)"
      R"("uid":"u-1","labels":{"a":"true"}}})"));
  LabelLoan loan{{"a"}, "false", "gpunode.io/taken-over", "paused-for-"};
  const NodeMeta before = seen();
  ASSERT_FALSE(before.resource_version.empty());
  const LoanPlan taking = plan_loan(before, loan);
  ASSERT_TRUE(taking.patch);
  // What comes in between is not overwritten unseen.
  ASSERT_TRUE(client_->merge_patch(nodes(), kNode,
                                   R"({"metadata":{"labels":{"a":"maybe"}}})"));
  const auto conflict = client_->merge_patch(nodes(), kNode, *taking.patch);
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code(), ErrorCode::kAlreadyExists);
  const auto taken =
      client_->merge_patch(nodes(), kNode, *plan_loan(seen(), loan).patch);
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(seen().labels.at("a").value, "false");
  EXPECT_FALSE(plan_loan(seen(), loan).patch);
  // An apply by the agent's own name does not take it away.
  NodeWish wish;
  wish.labels = MetaTexts{{"nvidia.com/gpu.count", "4"}};
  ASSERT_TRUE(client_->apply(nodes(), kNode,
                             *plan_apply(seen(), wish, false).body,
                             "gpunode-agent", false, Detail::kMetadata));
  EXPECT_EQ(seen().labels.at("a").value, "false");
  EXPECT_TRUE(seen().annotations.contains(loan.annotation));

  loan.is_giving_back = true;
  ASSERT_TRUE(
      client_->merge_patch(nodes(), kNode, *plan_loan(seen(), loan).patch));
  EXPECT_EQ(seen().labels.at("a").value, "maybe");
  EXPECT_EQ(seen().labels.at("nvidia.com/gpu.count").value, "4");
  EXPECT_FALSE(seen().annotations.contains(loan.annotation));
  EXPECT_FALSE(plan_loan(seen(), loan).patch);
  // One for a Node that is gone makes none.
  const NodeMeta last = seen();
  ASSERT_TRUE(client_->remove(nodes(), kNode));
  loan.is_giving_back = false;
  EXPECT_EQ(client_->merge_patch(nodes(), kNode, *plan_loan(last, loan).patch)
                .error()
                .code(),
            ErrorCode::kNotFound);
}

TEST_F(ApiContract, AConditionStandsBesideTheKubelets) {
  ASSERT_TRUE(client_->create(
      nodes(), "",
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"contract"}})"));
  ASSERT_TRUE(client_->patch_status(
      nodes(), kNode,
      R"({"status":{"conditions":[{"type":"Ready","status":"True",)"
      R"("reason":"KubeletReady","message":"ok"}]}})"));
  const auto seen = [&](const std::string& type) {
    const auto json = client_->get(nodes(), kNode);
    EXPECT_TRUE(json) << json.error().message();
    const text::Node root = text::tree_of(*text::read_json(*json, "node"));
    for (const text::Node& one :
         text::find_at(root, {"status", "conditions"})->items) {
      if (text::string_at(one, {"type"}) == type) return one;
    }
    return text::Node();
  };
  const auto write = [&](NodeCondition::Status status, const char* time) {
    return write_node_condition(*client_, "contract",
                                {"GpuNodeNeedsAttention", status, "Drift", "x"},
                                *parse_time(time));
  };
  using Status = NodeCondition::Status;
  const auto written = write(Status::kTrue, "2026-11-28T12:00:00Z");
  ASSERT_TRUE(written) << written.error().message();
  ASSERT_TRUE(write(Status::kTrue, "2026-11-28T13:00:00Z"));
  const text::Node held = seen("GpuNodeNeedsAttention");
  EXPECT_EQ(text::string_at(held, {"status"}), "True");
  EXPECT_EQ(text::string_at(held, {"lastTransitionTime"}),
            "2026-11-28T12:00:00Z");
  EXPECT_EQ(text::string_at(held, {"lastHeartbeatTime"}),
            "2026-11-28T13:00:00Z");
  ASSERT_TRUE(write(Status::kFalse, "2026-11-28T14:00:00Z"));
  const text::Node ended = seen("GpuNodeNeedsAttention");
  EXPECT_EQ(text::string_at(ended, {"status"}), "False");
  EXPECT_EQ(text::string_at(ended, {"lastTransitionTime"}),
            "2026-11-28T14:00:00Z");
  EXPECT_EQ(text::string_at(seen("Ready"), {"reason"}), "KubeletReady");

  ASSERT_TRUE(client_->remove(nodes(), kNode));
  const auto gone = write(Status::kTrue, "2026-11-28T15:00:00Z");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
}

// What `gpunode check` counts on: who is a Node's kubelet may write its
// conditions, and no other Node's.
TEST_F(ApiContract, AKubeletWritesTheConditionsOfItsOwnNode) {
  const std::string path = variable("GPUNODE_TEST_KUBECONFIG_KUBELET");
  if (path.empty()) GTEST_SKIP() << "the double knows no rights";
  const auto kubelet = of_kubeconfig(path);
  ASSERT_TRUE(kubelet);
  Client client(*kubelet, nullptr);
  const NodeCondition condition{"GpuNodeNeedsAttention",
                                NodeCondition::Status::kTrue, "Drift", "x"};
  const auto now = std::chrono::system_clock::now();
  (void)client_->remove(nodes(), {"", "contract-2"});
  for (const char* name : {"contract", "contract-2"}) {
    ASSERT_TRUE(client_->create(
        nodes(), "",
        std::string(
            R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")") +
            name + "\"}}"));
  }
  const auto own = write_node_condition(client, "contract", condition, now);
  EXPECT_TRUE(own) << own.error().message();
  const auto other = write_node_condition(client, "contract-2", condition, now);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(client_->remove(nodes(), kNode));
  EXPECT_TRUE(client_->remove(nodes(), {"", "contract-2"}));
}

/// Five ConfigMaps where nobody else has any, and a client of small pages.
class PagesContract : public ApiContract {
 protected:
  static constexpr const char* kSpace = "kube-node-lease";

  void SetUp() override {
    ApiContract::SetUp();
    ClientOptions options;
    options.page_size = 2;
    paged_.emplace(*credentials_, nullptr, options);
    selection_.space = kSpace;
    clear();
    for (const char* name : {"a", "b", "c", "d", "e"}) make(name);
  }

  void TearDown() override { clear(); }

  void clear() {
    for (const char* name : {"a", "aa", "b", "c", "d", "e"}) {
      (void)client_->remove(config_maps(), {kSpace, name});
    }
  }

  void make(const std::string& name) {
    const auto made = client_->create(
        config_maps(), kSpace,
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
            R"("}})");
    ASSERT_TRUE(made) << made.error().message();
  }

  ObjectList page(const std::string& continuation,
                  const std::string& version = "") {
    auto list = paged_->list(config_maps(), selection_, version, continuation);
    EXPECT_TRUE(list) << list.error().message();
    return list ? *std::move(list) : ObjectList();
  }

  static std::string names(const ObjectList& list) {
    std::string all;
    for (const std::string& object : list.objects) {
      const auto meta = read_object_meta(object);
      all += (meta ? meta->name : meta.error().message()) + " ";
    }
    return all;
  }

  Selection selection_;
  std::optional<Client> paged_;
};

TEST_F(PagesContract, AllAreOfTheMomentOfTheFirst) {
  const ObjectList first = page("");
  EXPECT_EQ(names(first), "a b ");
  ASSERT_NE(first.continuation, "");
  make("aa");
  ASSERT_TRUE(client_->remove(config_maps(), {kSpace, "c"}));
  const ObjectList second = page(first.continuation);
  EXPECT_EQ(names(second), "c d ");
  const ObjectList third = page(second.continuation);
  EXPECT_EQ(names(third), "e ");
  EXPECT_EQ(third.continuation, "");
  EXPECT_EQ(second.resource_version, first.resource_version);
  EXPECT_EQ(third.resource_version, first.resource_version);
  // A page may be asked for again, and the next list is of now.
  EXPECT_EQ(names(page(first.continuation)), "c d ");
  const ObjectList anew = page("");
  EXPECT_EQ(names(anew), "a aa ");
  EXPECT_EQ(names(page(anew.continuation)), "b d ");
}

TEST_F(PagesContract, AnExactFitHasNoEmptyPageBehindIt) {
  ASSERT_TRUE(client_->remove(config_maps(), {kSpace, "e"}));
  const ObjectList first = page("");
  const ObjectList second = page(first.continuation);
  EXPECT_EQ(names(second), "c d ");
  EXPECT_EQ(second.continuation, "");
}

TEST_F(PagesContract, AContinuationOfNobodysIsRefused) {
  const auto list = paged_->list(config_maps(), selection_, "", "made-up");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ApiContract, EventsAreCounted) {
  FakeClock clock;
  EventRecorder recorder(*client_, {"gpunode.io/test", "contract"}, clock,
                         [] { return std::chrono::system_clock::now(); });
  const EventText text{
      {"v1", "Node", "", "contract", "uid"}, true, "Contract", "Test", "words"};
  for (int i = 0; i < 2; ++i) {
    const auto recorded = recorder.record(text);
    ASSERT_TRUE(recorded) << recorded.error().message();
    clock.advance(std::chrono::minutes(2));
  }
  Selection all;
  all.space = "default";
  const auto list = client_->list(events(), all);
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_THAT(list->objects,
              testing::Contains(AllOf(HasSubstr(R"("note":"words")"),
                                      HasSubstr(R"("count":2)"),
                                      HasSubstr(R"("type":"Warning")"))));
}

TEST_F(ApiContract, TypesAreDiscovered) {
  EXPECT_TRUE(*client_->has_resource(nodes()));
  EXPECT_TRUE(*client_->has_resource(events()));
  EXPECT_TRUE(*client_->has_resource(node_features()));
  EXPECT_FALSE(*client_->has_resource({"", "v1", "gods", true}));
  EXPECT_FALSE(*client_->has_resource({"no.where", "v1", "nodes", true}));
}

class NodeFeatureContract : public ApiContract {
 protected:
  void SetUp() override {
    ApiContract::SetUp();
    (void)client_->remove(node_features(), kFeature);
    (void)client_->remove(pods(), {"default", "contract"});
  }

  std::string feature() {
    const auto json = client_->get(node_features(), kFeature);
    EXPECT_TRUE(json) << json.error().message();
    return json ? *json : "";
  }
  bool keep(NodeFeatureKeeper& keeper, const std::string& count) {
    const auto kept = keeper.keep(*client_, {{"nvidia.com/gpu.count", count}});
    EXPECT_TRUE(kept) << kept.error().message();
    return kept && *kept;
  }

  static inline const ObjectKey kFeature{"default",
                                         "nvidia-features-for-contract"};
};

TEST_F(NodeFeatureContract, IsMadeChangedAndThenLeftBe) {
  const auto pod = client_->create(
      pods(), "default",
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"contract",)"
      R"("uid":"pu","ownerReferences":[{"apiVersion":"apps/v1",)"
      R"("kind":"DaemonSet","name":"ds","uid":"du"}]},"spec":{"containers":)"
      R"([{"name":"c","image":"i"}]}})");
  ASSERT_TRUE(pod) << pod.error().message();
  NodeFeatureKeeper keeper({"default", "contract", "contract"});
  EXPECT_TRUE(keep(keeper, "4"));
  EXPECT_EQ(keeper.owner_problem(), "");
  EXPECT_THAT(
      feature(),
      AllOf(HasSubstr(R"("labels":{"nvidia.com/gpu.count":"4"})"),
            HasSubstr(R"("nfd.node.kubernetes.io/node-name":)"),
            HasSubstr(R"("controller":true)"), HasSubstr(R"("kind":"Pod")")));
  EXPECT_FALSE(keep(keeper, "4"));
  // Somebody adds a word of his own; it stays, and is no reason to write.
  ASSERT_TRUE(client_->merge_patch(node_features(), kFeature,
                                   R"({"metadata":{"annotations":)"
                                   R"({"note":"mine"}}})"));
  EXPECT_FALSE(keep(keeper, "4"));
  EXPECT_TRUE(keep(keeper, "8"));
  EXPECT_THAT(feature(), AllOf(HasSubstr(R"("note":"mine")"),
                               HasSubstr(R"("nvidia.com/gpu.count":"8")")));
  // One without owners goes on where it is.
  NodeFeatureKeeper unowned({"default", "contract", ""});
  EXPECT_TRUE(keep(unowned, "8"));
  EXPECT_THAT(feature(), Not(HasSubstr("ownerReferences")));
  ASSERT_TRUE(client_->remove(node_features(), kFeature));
  EXPECT_TRUE(keep(keeper, "8"));
  ASSERT_TRUE(client_->remove(pods(), {"default", "contract"}));
}

TEST_F(NodeFeatureContract, IsReplacedByWhoSawItLast) {
  NodeFeatureKeeper keeper({"default", "contract", ""});
  EXPECT_TRUE(keep(keeper, "4"));
  const NodeFeatureWish wish{"contract", {}, std::nullopt};
  const auto stale = plan_node_feature(feature(), wish);
  ASSERT_TRUE(stale && *stale);
  EXPECT_TRUE(keep(keeper, "8"));
  const auto refused = client_->replace(node_features(), kFeature, **stale);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  const auto blind =
      client_->replace(node_features(), kFeature, node_feature_json(wish));
  ASSERT_FALSE(blind);
  EXPECT_EQ(blind.error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(client_->remove(node_features(), kFeature));
  if (is_real()) {  // The double gives nothing a uid.
    EXPECT_EQ(
        client_->replace(node_features(), kFeature, **stale).error().code(),
        ErrorCode::kAlreadyExists);
  }
}

TEST_F(NodeFeatureContract, AnUnknownTypeIsNotFound) {
  if (double_) double_->have_node_features(false);
  ResourceType type = node_features();
  if (is_real()) type.version = "v9";
  EXPECT_EQ(client_->get(type, kFeature).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(client_->create(type, "default", "{}").error().code(),
            ErrorCode::kNotFound);
  EXPECT_FALSE(*client_->has_resource(type));
}

/// A watch of the Node on a thread, as an agent has it.
class WatchContract : public ApiContract {
 protected:
  void SetUp() override {
    ApiContract::SetUp();
    watching_.emplace(*credentials_, &*cancellation_);
    thread_ = std::thread([this] {
      Watcher watcher(
          *watching_, clock_, [] { return 0.0; },
          [this](milliseconds time) {
            return http::pause(time, &*cancellation_);
          });
      Selection selection;
      selection.field_selector = "metadata.name=contract";
      selection.detail = Detail::kMetadata;
      watcher.run(nodes(), selection, told_);
    });
    EXPECT_EQ(told_.next(), "replaced 0");
  }

  void TearDown() override {
    cancellation_->cancel();
    thread_.join();
  }

  SystemClock clock_;
  std::optional<Client> watching_;
  Told told_;
  std::thread thread_;
};

TEST_F(WatchContract, ANodeIsFollowed) {
  const auto made = client_->create(nodes(), "", node_json("1"));
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(told_.next(), "changed 1");
  ASSERT_TRUE(client_->merge_patch(nodes(), kNode,
                                   R"({"metadata":{"labels":{"a":"2"}}})"));
  EXPECT_EQ(told_.next("changed 1"), "changed 2");
  ASSERT_TRUE(client_->remove(nodes(), kNode));
  EXPECT_EQ(told_.next("changed 2"), "removed");
}

TEST_F(WatchContract, ARestartOfTheServerIsSurvived) {
  const std::string restart = variable("GPUNODE_TEST_RESTART");
  if (restart.empty()) {
    GTEST_SKIP() << "only with a real server that may be restarted: "
                    "tests/cluster/api_run.py";
  }
  ASSERT_TRUE(client_->create(nodes(), "", node_json("1")));
  EXPECT_EQ(told_.next(), "changed 1");
  std::ofstream(restart) << "restart\n";  // A FIFO; its reader restarts.
  EXPECT_THAT(told_.next("changed 1"), testing::StartsWith("troubled "));
  // Our other connection ended too: it is made anew without a word.
  for (;;) {
    const auto changed = client_->merge_patch(
        nodes(), kNode, R"({"metadata":{"labels":{"a":"2"}}})");
    if (changed) break;
    ASSERT_EQ(changed.error().code(), ErrorCode::kUnavailable)
        << changed.error().message();
    ASSERT_TRUE(http::pause(milliseconds(200), nullptr));
  }
  std::string line;
  do {
    line = told_.next();
  } while (line != "changed 2" && line != "replaced 1");
}

TEST_F(ApiContract, WithoutTheRightItSaysWhich) {
  const std::string path = variable("GPUNODE_TEST_KUBECONFIG_LIMITED");
  if (path.empty()) {
    GTEST_SKIP() << "only with a real server: tests/cluster/api_run.py";
  }
  const auto limited = of_kubeconfig(path);
  ASSERT_TRUE(limited);
  Client client(*limited, nullptr);
  const auto got = client.get(nodes(), kNode);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(got.error().message(),
              HasSubstr("403 Forbidden: nodes \"contract\" is forbidden: User "
                        "\"nobody\" cannot get resource \"nodes\""));
  NodeFeatureKeeper keeper({"default", "contract", "contract"});
  const auto kept = keeper.keep(client, {});
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(keeper.owner_problem(),
              HasSubstr("cannot get resource \"pods\""));
}

TEST_F(ApiContract, ATokenThatWasReplacedIsReadAnew) {
  const std::string path = variable("GPUNODE_TEST_KUBECONFIG_ROTATED");
  if (path.empty()) {
    GTEST_SKIP() << "only with a real server: tests/cluster/api_run.py";
  }
  // Its tokenFile holds a token that the server never knew.
  const auto rotated = of_kubeconfig(path);
  ASSERT_TRUE(rotated);
  Client client(*rotated, nullptr);
  const auto refused = client.get_path("/api/v1/namespaces/default");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  std::ofstream(variable("GPUNODE_TEST_TOKEN_FILE"))
      << variable("GPUNODE_TEST_TOKEN");
  const auto got = client.get_path("/api/v1/namespaces/default");
  EXPECT_TRUE(got) << got.error().message();
}

TEST_F(ApiContract, AServerWithAnotherCertificateIsNotTrusted) {
  const std::string path = variable("GPUNODE_TEST_KUBECONFIG_UNTRUSTED");
  if (path.empty()) {
    GTEST_SKIP() << "only with a real server: tests/cluster/api_run.py";
  }
  const auto untrusted = of_kubeconfig(path);
  ASSERT_TRUE(untrusted);
  Client client(*untrusted, nullptr);
  const auto got = client.get(nodes(), kNode);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(got.error().message(), HasSubstr("not trusted here"));
}

}  // namespace
}  // namespace gpunode::kube
