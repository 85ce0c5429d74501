#include "k8s/api/node_feature_keeper.h"

#include <utility>

#include <fmt/format.h>

namespace gpunode::kube {
namespace {

/// Somebody else may write between our read and our write, but not for ever.
constexpr unsigned kRounds = 3;

ObjectKey key_of(const NodeFeaturePlace& place) {
  return {place.space, node_feature_name(place.node)};
}

}  // namespace

NodeFeatureKeeper::NodeFeatureKeeper(NodeFeaturePlace place)
    : place_(std::move(place)), key_(key_of(place_)) {
  if (place_.pod.empty()) owners_.emplace();
}

Result<void> NodeFeatureKeeper::check(const NodeFeaturePlace& place) {
  TRY_VOID(object_path(node_features(), key_of(place)));
  if (place.pod.empty()) return {};
  TRY_VOID(object_path(pods(), {place.space, place.pod}));
  return {};
}

Result<bool> NodeFeatureKeeper::keep(Client& client, const MetaTexts& labels) {
  if (!owners_) find_owners(client);
  const NodeFeatureWish wish{place_.node, labels, owners_};
  for (unsigned round = 0; round < kRounds; ++round) {
    auto found = client.get(node_features(), key_);
    if (!found && found.error().code() != ErrorCode::kNotFound) {
      return std::move(found).error().with_context(
          "failed to get NodeFeature object");
    }
    TRY(const Outcome outcome,
        found ? change(client, *found, wish) : make(client, wish));
    if (outcome != Outcome::kRaced) return outcome == Outcome::kWritten;
  }
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("failed to update NodeFeature object {:?}: somebody "
                           "else writes it each time it was read",
                           key_.name));
}

Result<NodeFeatureKeeper::Outcome> NodeFeatureKeeper::change(
    Client& client, const std::string& found, const NodeFeatureWish& wish) {
  TRY(const auto body, plan_node_feature(found, wish));
  if (!body) return Outcome::kAsWished;
  auto answer = client.replace(node_features(), key_, *body);
  if (answer) return Outcome::kWritten;
  const ErrorCode code = answer.error().code();
  if (code == ErrorCode::kAlreadyExists || code == ErrorCode::kNotFound) {
    return Outcome::kRaced;  // Changed or removed since we read.
  }
  return std::move(answer).error().with_context(
      fmt::format("failed to update NodeFeature object {:?}", key_.name));
}

Result<NodeFeatureKeeper::Outcome> NodeFeatureKeeper::make(
    Client& client, const NodeFeatureWish& wish) {
  auto answer =
      client.create(node_features(), key_.space, node_feature_json(wish));
  if (answer) return Outcome::kWritten;
  if (answer.error().code() == ErrorCode::kAlreadyExists) {
    return Outcome::kRaced;
  }
  return not_made(client, std::move(answer).error());
}

void NodeFeatureKeeper::find_owners(Client& client) {
  owner_problem_.clear();
  const auto json =
      client.get(pods(), {place_.space, place_.pod}, Detail::kMetadata);
  if (json) {
    auto owners = owners_by_daemon_set(*json);
    if (owners) {
      owners_ = *std::move(owners);
      return;
    }
    owner_problem_ = owners.error().message();
  } else {
    owner_problem_ = json.error().message();
    if (json.error().code() == ErrorCode::kPermissionDenied) {
      owner_problem_ += fmt::format(
          "; a 403 means that the ServiceAccount lacks, in namespace {}, the "
          R"(Role rule {{apiGroups: [""], resources: [pods], verbs: [get]}})",
          place_.space);
    }
  }
  owner_problem_ =
      "Failed to resolve owner references: " + std::move(owner_problem_);
}

Error NodeFeatureKeeper::not_made(Client& client, Error refusal) const {
  if (refusal.code() == ErrorCode::kNotFound) {
    const auto is_known = client.has_resource(node_features());
    if (is_known && !*is_known) {
      return {ErrorCode::kUnsupported,
              "the API server knows no nodefeatures of "
              "nfd.k8s-sigs.io/v1alpha1: Node Feature Discovery's CRD is not "
              "installed; install Node Feature Discovery, or have the labels "
              "written elsewhere"};
    }
  }
  return std::move(refusal).with_context(
      fmt::format("failed to create NodeFeature object {:?}", key_.name));
}

std::string NodeFeatureKeeper::needed_rule() const {
  return fmt::format(
      "Role rule {{apiGroups: [nfd.k8s-sigs.io], resources: [nodefeatures], "
      "verbs: [get, create, update]}} in namespace {}",
      place_.space);
}

}  // namespace gpunode::kube
