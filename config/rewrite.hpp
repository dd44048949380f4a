#pragma once

#include "config/edit.hpp"

#include <functional>
#include <string>

namespace muster {

struct rewrite_options {
  /// Makes the file, and its folder, if there is none.
  bool may_create = false;
  /// Does all but the last step: the new file is written, and removed again.
  bool is_trial = false;
  /// Called with the new text ready, before it takes the place of the old one:
  /// for tests.
  std::function<void()> meanwhile = {};
};

/// Changes config.toml on disk. `change` gets what is there; if the file is
/// changed by somebody else until the new text is complete, it is called again
/// with that.
///
/// The new file takes the place of the old one at once (`rename`), with its
/// mode, owner, group and access list; a symbolic link stays one. A file that
/// is mounted by itself, as in a container, cannot be replaced: it is written
/// in place, after the room for it is taken. A new file has mode 0600, a new
/// folder 0700.
///
/// Errors: those of `change`, and `not_readable`, `not_valid`, `not_writable`;
/// with all of them the file is as it was.
result<void, config_errc> rewrite_config(
  const std::string& path,
  const std::function<result<void, config_errc>(config_text&)>& change,
  const rewrite_options& options = {});

} // namespace muster
