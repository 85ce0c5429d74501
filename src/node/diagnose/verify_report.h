// What `gpunode verify` says: to a person and as JSON.
#pragma once

#include <string>

#include "base/console/page.h"
#include "node/diagnose/verify_check.h"

namespace gpunode::diagnose {

/// The worst of them; kSkip if nothing was asked.
Verdict verdict_of(const VerifyChecks& checks);

console::Page verify_page(const VerifyChecks& checks);

/// One object on one line (docs/formats/verify.md). `level`: the highest that
/// was to be asked.
std::string verify_json(const VerifyChecks& checks, int level);

}  // namespace gpunode::diagnose
