#include "agent/plugin/catalogue.h"

#include <algorithm>
#include <utility>

#include "base/core/log.h"

namespace gpunode::plugin {

void Catalogue::replace(resource::ResourceSet set,
                        const device::Topology& topology,
                        const std::shared_ptr<const AnswerContext>& context) {
  take_problems(std::move(set.problems));
  clear();
  for (resource::Resource& resource : set.resources) {
    resources_.push_back(
        std::make_shared<const resource::Resource>(std::move(resource)));
    handlers_.push_back(std::make_shared<const ResourceHandler>(
        resources_.back(), topology, context));
  }
}

void Catalogue::clear() {
  resources_.clear();
  handlers_.clear();
}

void Catalogue::take_problems(resource::Problems problems) {
  for (const resource::Problem& problem : problems) {
    const bool is_known = std::any_of(
        problems_.begin(), problems_.end(), [&](const resource::Problem& one) {
          return one.resource == problem.resource &&
                 one.message == problem.message;
        });
    if (is_known) continue;  // Said when it arose.
    log::error("resource", "{}{}{}", problem.resource,
               problem.resource.empty() ? "" : ": ", problem.message);
  }
  problems_ = std::move(problems);
}

std::vector<std::string> Catalogue::shared_by_mps() const {
  std::vector<std::string> names;
  for (const auto& resource : resources_) {
    if (resource->sharing().strategy == config::SharingStrategy::kMps) {
      names.push_back(resource->name().value());
    }
  }
  return names;
}

std::vector<Offer> Catalogue::offers(const Blocked& blocked,
                                     const IsHealthy& is_healthy) const {
  std::vector<Offer> offers;
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    const resource::Resource& resource = *resources_[i];
    Offer offer{resource.name().value(),
                endpoint_of(resource.name().value()),
                handlers_[i],
                {}};
    if (!blocked(resource)) {
      offer.devices = list_devices(resource, is_healthy);
    }
    offers.push_back(std::move(offer));
  }
  return offers;
}

std::vector<Offer> empty_offers(
    const config::Settings& settings,
    const std::shared_ptr<const AnswerContext>& context) {
  std::vector<Offer> offers;
  for (const std::string& name : expected_resource_names(settings)) {
    Result<resource::ResourceName> parsed = resource::ResourceName::parse(name);
    if (!parsed) continue;
    auto nothing = std::make_shared<const resource::Resource>(
        *std::move(parsed), std::vector<resource::Device>{});
    offers.push_back({name,
                      endpoint_of(name),
                      std::make_shared<const ResourceHandler>(
                          std::move(nothing), device::Topology(), context),
                      {}});
  }
  return offers;
}

}  // namespace gpunode::plugin
