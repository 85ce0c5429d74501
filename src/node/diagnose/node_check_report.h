// What `gpunode check` says: to a person, as JSON, to Prometheus.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/console/page.h"
#include "node/diagnose/node_check.h"

namespace gpunode::diagnose {

/// What came of the Node's condition.
struct ConditionReport {
  enum class End {
    kNotJoined,  ///< No kubeconfig of a kubelet is here.
    kNotAsked,   ///< The command line said no.
    kWritten,
    kFailed,
  };
  End end = End::kNotJoined;
  std::string node;   ///< Of the API, once known.
  std::string words;  ///< Of kNotJoined and kFailed: why.
};

struct CheckReport {
  NodeLook look;
  std::chrono::sys_seconds now{};
  std::vector<CheckFinding> findings;
  ConditionReport condition;
};

/// Lines for a person; `all` with what the file does not ask for.
console::Page check_page(const CheckReport& report, bool all);

/// One object on one line (docs/formats/check.md).
std::string check_json(const CheckReport& report);

/// Prometheus' text format, for node_exporter's textfile collector
/// (docs/formats/check.md).
std::string check_metrics(const CheckReport& report);

}  // namespace gpunode::diagnose
