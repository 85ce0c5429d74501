// Any bytes as a TOML file to be edited: no crash, and what the parser accepts
// is either changed as asked or refused with a reason, never changed wrongly.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text/toml_edit.h"
#include "base/text/toml_layout.h"

namespace {

using namespace gpunode;        // NOLINT(google-build-using-namespace)
using namespace gpunode::text;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

void require_done_or_refused(const Result<void>& done) {
  require(done || done.error().code() == ErrorCode::kAlreadyExists ||
          done.error().code() == ErrorCode::kUnsupported);
}

void check_removal(const TomlEditor& editor, const KeyPath& path) {
  TomlEditor copy = editor;
  const auto done = copy.remove(path);
  require_done_or_refused(done);
  if (done) require(find_at(copy.tree(), path) == nullptr);
}

void check_additions(const TomlEditor& editor, const KeyPath& table) {
  TomlEditor copy = editor;
  require_done_or_refused(copy.set(child(table, "fuzz"), bool_node(true)));
  require_done_or_refused(copy.append(child(table, "list"), "x"));
  Node entry = mapping_node();
  put_at(entry, {"options", "x"}, string_node("y"));
  require_done_or_refused(copy.set(child(table, "entry"), entry));
}

void check_below(const TomlEditor& editor, const Node& node,
                 const KeyPath& path, unsigned& budget) {
  if (budget == 0) return;
  --budget;
  if (!path.empty()) check_removal(editor, path);
  if (!node.is(Node::Kind::kMapping)) return;
  check_additions(editor, path);
  for (const Entry& entry : node.entries) {
    check_below(editor, entry.value, child(path, entry.key), budget);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto editor = TomlEditor::open(text, "fuzz");
  if (!editor) {
    require(editor.error().message().find('\n') == std::string::npos);
    return 0;
  }
  require(toml_layout(text).has_value());
  unsigned budget = 12;
  check_below(*editor, editor->tree(), {}, budget);
  return 0;
}
