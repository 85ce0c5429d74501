#include "node/distribution/names.h"

namespace gpunode::distribution {
namespace {

Manager kind_of(Manager manager) {
  const bool is_dnf = manager == Manager::kDnf5 || manager == Manager::kYum;
  return is_dnf ? Manager::kDnf : manager;
}

Manager kind_of(Family family) {
  switch (family) {
    case Family::kUbuntu:
    case Family::kDebian:
      return Manager::kApt;
    case Family::kSuse:
      return Manager::kZypper;
    case Family::kModular:
    case Family::kPlain:
    case Family::kRhel7:
      break;
  }
  return Manager::kDnf;
}

}  // namespace

std::string_view name_of(Manager manager) {
  switch (manager) {
    case Manager::kApt:
      return "apt";
    case Manager::kDnf:
      return "dnf";
    case Manager::kDnf5:
      return "dnf5";
    case Manager::kYum:
      return "yum";
    case Manager::kZypper:
      return "zypper";
  }
  return "";
}

std::string_view name_of(Family family) {
  switch (family) {
    case Family::kModular:
      return "modular";
    case Family::kPlain:
      return "plain";
    case Family::kRhel7:
      return "rhel7";
    case Family::kUbuntu:
      return "ubuntu";
    case Family::kDebian:
      return "debian";
    case Family::kSuse:
      return "suse";
  }
  return "";
}

std::string_view name_of(Status status) {
  switch (status) {
    case Status::kSupported:
      return "supported";
    case Status::kEndOfLife:
      return "endOfLife";
    case Status::kRefused:
      return "refused";
  }
  return "";
}

bool is_same_kind(Manager a, Manager b) {
  return kind_of(a) == kind_of(b);
}

bool has_family(Manager manager, Family family) {
  return kind_of(manager) == kind_of(family);
}

}  // namespace gpunode::distribution
