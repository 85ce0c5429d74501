// Asking the person at the terminal.
#pragma once

namespace gpunode::cli {

/// Prints a question and reads a line: true if that is "yes". Whether somebody
/// is there to answer is the caller's to know.
bool says_yes();

}  // namespace gpunode::cli
