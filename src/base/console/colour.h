// What turns a Style into a colour. Internal to the room.
#pragma once

#include <string_view>

#include "base/console/page.h"

namespace gpunode::console {

/// The ECMA-48 sequence that starts it; empty of a plain one.
constexpr std::string_view colour_of(Style style) {
  switch (style) {
    case Style::kHeading:
      return "\x1b[1m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kPlain:
      break;
  }
  return "";
}

}  // namespace gpunode::console
