#include "agent/config/warning.h"

#include "base/text/go_text.h"

namespace gpunode::config {

std::string describe(const Warning& warning, std::string_view file_name) {
  std::string text;
  if (warning.mark.line != 0) {
    text = text::at(file_name, warning.mark) + ": ";
  }
  text += warning.message;
  if (!warning.suggestion.empty()) text += " (" + warning.suggestion + ")";
  return text::one_line(text);
}

}  // namespace gpunode::config
